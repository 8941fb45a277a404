"""The seven DynamoDB tables: pseudonyms and opaque ids as keys, on demand, restorable to any second of 35 days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._tags import DataClass

_RECOVERY_DAYS = 35
"""DynamoDB's longest window for point-in-time recovery."""

AttributeType = Literal["S", "N"]


@dataclass(frozen=True, kw_only=True)
class Index:
    """A global secondary index that carries all attributes."""

    name: str
    partition: str
    sort: str | None = None

    def keys(self) -> list[aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs]:
        """The key schema, partition key first."""
        pairs = ((self.partition, "HASH"), (self.sort, "RANGE"))
        return [
            aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=name, key_type=kind)
            for name, kind in pairs
            if name is not None
        ]


@dataclass(frozen=True, kw_only=True)
class TableShape:
    """Key, indexes and life of one table; attributes are texts unless `numbers` names them."""

    role: str
    data_class: DataClass
    partition: str
    sort: str | None = None
    indexes: tuple[Index, ...] = ()
    numbers: frozenset[str] = frozenset()
    expires_by: str | None = None

    def attributes(self) -> list[tuple[str, AttributeType]]:
        """The key attributes of the table and its indexes, each once."""
        names = [self.partition, self.sort, *(name for index in self.indexes for name in (index.partition, index.sort))]
        return [(name, "N" if name in self.numbers else "S") for name in sorted({name for name in names if name})]


SHAPES: tuple[TableShape, ...] = (
    TableShape(
        role="image-tracking",
        data_class="tracking",
        partition="object_id",
        indexes=(
            Index(name="by-study", partition="study_key", sort="object_id"),
            Index(name="by-status", partition="status", sort="updated_at"),
            Index(name="by-validated-key", partition="validated_key"),
            Index(name="by-patient", partition="patient_key", sort="study_key"),
        ),
    ),
    TableShape(
        role="assignments",
        data_class="tracking",
        partition="reader",
        sort="patient_key",
        indexes=(Index(name="by-patient", partition="patient_key", sort="reader"),),
    ),
    TableShape(
        role="labels",
        data_class="tracking",
        partition="study_key",
        sort="version",
        numbers=frozenset({"version"}),
        indexes=(Index(name="by-state", partition="state", sort="created_at"),),
    ),
    TableShape(role="outbox", data_class="tracking", partition="event_id"),
    TableShape(role="metrics", data_class="models", partition="model_version", sort="evaluation_timestamp"),
    TableShape(role="training-runs", data_class="models", partition="pipeline_name", sort="created_at"),
    TableShape(role="idempotency", data_class="events", partition="id", expires_by="expiration"),
)
"""What functions and API agree on (contract tests pin it)."""


@dataclass(frozen=True, kw_only=True)
class TableReplica:
    """Another region that holds the tables too (global tables), and the key there."""

    region: str
    key_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class PlatformTablesArgs:
    """What the tables need.

    Attributes:
        replica: the second region; None: the tables live in one region.
        key_arn: key of the class `tracking`: rows join pseudonyms, readers and states.
        deletion_protection: refuses DeleteTable until someone turns it off on purpose.
    """

    context: Context
    key_arn: pulumi.Input[str]
    deletion_protection: bool = True
    replica: TableReplica | None = None


class PlatformTables(PlatformComponent):
    """image-tracking, assignments, labels, outbox, metrics, training-runs and idempotency.

    Creates `{name}-<role>` for each: on demand, encrypted with our key, point-in-time recovery over 35 days.
    """

    image_tracking_name: pulumi.Output[str]
    image_tracking_arn: pulumi.Output[str]
    assignments_name: pulumi.Output[str]
    assignments_arn: pulumi.Output[str]
    labels_name: pulumi.Output[str]
    labels_arn: pulumi.Output[str]
    outbox_name: pulumi.Output[str]
    outbox_arn: pulumi.Output[str]
    metrics_name: pulumi.Output[str]
    metrics_arn: pulumi.Output[str]
    training_runs_name: pulumi.Output[str]
    training_runs_arn: pulumi.Output[str]
    idempotency_name: pulumi.Output[str]
    idempotency_arn: pulumi.Output[str]

    def __init__(self, name: str, args: PlatformTablesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the tables; see `PlatformTablesArgs` for what it takes."""
        super().__init__("imaging:tables:PlatformTables", name, opts)
        tables = {shape.role: self._build_table(name, args, shape) for shape in SHAPES}
        self.image_tracking_name = tables["image-tracking"].name
        self.image_tracking_arn = tables["image-tracking"].arn
        self.assignments_name, self.assignments_arn = tables["assignments"].name, tables["assignments"].arn
        self.labels_name, self.labels_arn = tables["labels"].name, tables["labels"].arn
        self.outbox_name, self.outbox_arn = tables["outbox"].name, tables["outbox"].arn
        self.metrics_name, self.metrics_arn = tables["metrics"].name, tables["metrics"].arn
        self.training_runs_name, self.training_runs_arn = tables["training-runs"].name, tables["training-runs"].arn
        self.idempotency_name, self.idempotency_arn = tables["idempotency"].name, tables["idempotency"].arn
        self.register_outputs({output: getattr(self, output) for output in sorted(self.output_names())})

    def _build_table(self, name: str, args: PlatformTablesArgs, shape: TableShape) -> aws.dynamodb.Table:
        return aws.dynamodb.Table(
            f"{name}-{shape.role}",
            name=args.context.naming.name(shape.role, limit=255),
            billing_mode="PAY_PER_REQUEST",
            hash_key=shape.partition,
            range_key=shape.sort,
            attributes=[{"name": attribute, "type": kind} for attribute, kind in shape.attributes()],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name=index.name, key_schemas=index.keys(), projection_type="ALL"
                )
                for index in shape.indexes
            ]
            or None,
            ttl=None if shape.expires_by is None else {"attribute_name": shape.expires_by, "enabled": True},
            server_side_encryption={"enabled": True, "kms_key_arn": args.key_arn},
            point_in_time_recovery={"enabled": True, "recovery_period_in_days": _RECOVERY_DAYS},
            deletion_protection_enabled=args.deletion_protection,
            stream_enabled=True if args.replica else None,  # global tables travel by the stream
            stream_view_type="NEW_AND_OLD_IMAGES" if args.replica else None,
            replicas=_replicas(args.replica),
            tags=args.context.tags_for("tables", shape.data_class),
            opts=self.child(),
        )


def _replicas(replica: TableReplica | None) -> list[aws.dynamodb.TableReplicaArgs] | None:
    if replica is None:
        return None
    return [
        aws.dynamodb.TableReplicaArgs(
            region_name=replica.region,
            kms_key_arn=replica.key_arn,
            point_in_time_recovery=True,
            propagate_tags=True,
        )
    ]
