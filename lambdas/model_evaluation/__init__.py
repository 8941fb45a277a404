"""ModelEvaluation: judges a registered model again, with other code and another runtime, before anyone approves it."""
