"""What an AWS account needs before the platform's first `pulumi up`: state, keys, GitHub's identity, roles."""
