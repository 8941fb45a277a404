"""The second region's own keys and the provider that reaches it: what tables and buckets are copied under."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._tags import DataClass
from components.keys import key_policy

CLASSES: Final[tuple[DataClass, ...]] = ("phi", "models", "audit", "tracking")
"""Data classes that are copied; each has a key of its own there too."""
DELETION_WINDOW_DAYS: Final = 30
ROTATION_DAYS: Final = 365


def in_region(context: Context, region: str) -> Context:
    """The stack's surroundings as seen from another region: ARNs name it, physical names stay."""
    return replace(context, region=region, naming=replace(context.naming, region=region))


@dataclass(frozen=True, kw_only=True)
class ReplicaKeysArgs:
    """The stack's surroundings, and the region that copies go to."""

    context: Context
    region: str


class ReplicaKeys(PlatformComponent):
    """An explicit provider for the second region, and one key there for each data class that is copied.

    Creates `{name}-provider`, `{name}-<class>` and its alias. Separate keys, not copies of the first region's: S3
    takes a multi-region key for any other, and a key that is lost or shut in one region leaves the other readable.
    """

    phi_arn: pulumi.Output[str]
    models_arn: pulumi.Output[str]
    audit_arn: pulumi.Output[str]
    tracking_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ReplicaKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds provider and keys."""
        super().__init__("imaging:replica_keys:ReplicaKeys", name, opts)
        self.provider = aws.Provider(f"{name}-provider", region=args.region, opts=self.child())
        there = in_region(args.context, args.region)
        arns = {data_class: self._build_key(name, there, data_class) for data_class in CLASSES}
        self.phi_arn, self.models_arn = arns["phi"], arns["models"]
        self.audit_arn, self.tracking_arn = arns["audit"], arns["tracking"]
        self.register_outputs({f"{data_class}_arn": arn for data_class, arn in arns.items()})

    def _build_key(self, name: str, there: Context, data_class: DataClass) -> pulumi.Output[str]:
        key = aws.kms.Key(
            f"{name}-{data_class}",
            description=f"{there.naming.project} {there.naming.stack}: copies of {data_class} data",
            policy=key_policy(there, data_class),
            enable_key_rotation=True,
            rotation_period_in_days=ROTATION_DAYS,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            is_enabled=True,
            tags=there.tags_for("replica-keys", data_class),
            opts=self.child(provider=self.provider),
        )
        aws.kms.Alias(
            f"{name}-{data_class}-alias",
            name=f"alias/{there.naming.name(data_class, limit=250)}",
            target_key_id=key.key_id,
            opts=self.child(provider=self.provider),
        )
        return key.arn
