"""The ways among the machines of one training job; nothing else may take them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context

# https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html (IKE and ESP) and train-vpc.html (TCP): gRPC takes
# one port of training.cluster, NCCL among GPUs whichever is free.
_WAYS: Final[Mapping[str, dict[str, Any]]] = {
    "tcp": {"ip_protocol": "tcp", "from_port": 0, "to_port": 65535, "description": "Sums of the machines' gradients"},
    "ike": {"ip_protocol": "udp", "from_port": 500, "to_port": 500, "description": "Keys of the encryption in between"},
    "esp": {"ip_protocol": "50", "description": "Encrypted traffic in between"},
}


def training_peers(
    name: str,
    *,
    context: Context,
    vpc_id: pulumi.Input[str],
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> aws.ec2.SecurityGroup:
    """A security group whose members reach each other, for jobs of several machines; it opens no other way."""
    full = context.naming.name("training-peers", limit=255)
    group = aws.ec2.SecurityGroup(
        f"{name}-peers",
        name=full,
        description="Among the machines of a training job",
        vpc_id=vpc_id,
        tags={**tags, "Name": full},
        opts=opts,
    )
    for way, rule in _WAYS.items():
        both: dict[str, Any] = {
            "security_group_id": group.id,
            "referenced_security_group_id": group.id,
            "tags": dict(tags),
            "opts": opts,
            **rule,
        }
        aws.vpc.SecurityGroupIngressRule(f"{name}-{way}-in", **both)
        aws.vpc.SecurityGroupEgressRule(f"{name}-{way}-out", **both)
    return group
