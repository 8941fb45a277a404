"""Stand-in of the `awsx` plugin: awsx.ec2.Vpc 3.11.0 with explicit CIDR blocks, nothing else."""
