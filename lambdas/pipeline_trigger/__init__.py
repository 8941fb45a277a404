"""PipelineTrigger: freezes the verified labels into a snapshot and starts the training pipeline, once."""
