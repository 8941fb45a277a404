"""Processing and training jobs as local processes with the container contract of Amazon SageMaker."""
