"""The pipeline definition language (version 2020-12-01): parse, validate, resolve."""
