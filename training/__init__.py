"""SageMaker training of the pneumonia classifier: the pipeline's definition and the scripts its steps run.

Infrastructure imports `training.definition` and `training.package`; the containers run `training.preprocess`,
`training.train`, `training.evaluate` and `training.inference`. `training.names` is what both sides agree on.
"""
