"""HIPAA guardrails for a Pulumi program on AWS: rules by service, assembled by `pack.policies`."""
