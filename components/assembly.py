"""Settings and earlier components in, one component's arguments out: the joints of the program, without a decision.

Only `__main__` calls these, in the order of the data's way. No stack's name is asked for anywhere: what differs
between stacks is in the settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws

from components._base import Context, Naming
from components._container_service import ContainerGround
from components._logs import LogKeeping
from components._research_access import ResearchZone
from components._tags import Tags
from components._workload import KeyArns, Table, Workload, function_name
from components.alarms import WatchedNames
from components.api import RadiologistApiArgs
from components.api_function import ROLE as API_ROLE
from components.api_function import ApiStores
from components.boundary import WorkloadBoundary, WorkloadBoundaryArgs
from components.containers import ImageRepositories, ImageRepositoriesArgs, image_addresses
from components.event_routes import EventRoutesArgs, Receiver
from components.events import PlatformEvents, PlatformEventsArgs, Subscription
from components.function import FunctionNetwork
from components.healthimaging import HealthImagingStore, HealthImagingStoreArgs
from components.ingestion import IngestionWorkflow, IngestionWorkflowArgs
from components.ingestion_function import ROLE as INGESTION_ROLE
from components.ingestion_function import IngestionLimits, IngestionStores
from components.keys import DataKeys, DataKeysArgs, log_keeping
from components.layers import Layers, LayersArgs
from components.mlops import MLOpsPipeline, MLOpsPipelineArgs
from components.mlops_functions import (
    EVALUATION_ROLE,
    REGISTRY_ROLE,
    TRIGGER_ROLE,
    MlopsSurroundings,
    MlopsTables,
    size_of,
)
from components.monitoring import MonitoringArgs
from components.monitoring_function import ROLE as MONITORING_ROLE
from components.monitoring_function import MonitoringStores
from components.network import SecureVPC, SecureVPCArgs
from components.replica_keys import ReplicaKeys, ReplicaKeysArgs
from components.settings import PROJECT, Settings
from components.storage import Lifecycle, ObjectLock, Perimeter, PlatformBuckets, PlatformBucketsArgs
from components.store_scp import DicomReceiverArgs
from components.tables import SHAPES, PlatformTables, PlatformTablesArgs, TableReplica
from components.training_pipeline import model_group, pipeline_arn, pipeline_name

BUCKET_ROLES = ("audit", "logs", "model-artifacts", "preprocessed", "training-data")
ARCHIVE_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What everything else stands on: names, keys, network, stores, layers."""

    settings: Settings
    context: Context
    keys: DataKeys
    key_arns: KeyArns
    logs: LogKeeping
    network: SecureVPC
    buckets: PlatformBuckets
    tables: PlatformTables
    images: HealthImagingStore
    layers: Layers
    responder_boundary_arn: pulumi.Output[str]
    replica_keys: ReplicaKeys | None
    repositories: ImageRepositories

    def table(self, role: str) -> Table:
        """The table with that role."""
        field = role.replace("-", "_")
        return Table(name=getattr(self.tables, f"{field}_name"), arn=getattr(self.tables, f"{field}_arn"))

    def workload(self) -> Workload:
        """The common ground of the functions."""
        functions = self.settings.functions
        return Workload(
            context=self.context,
            keys=self.key_arns,
            network=FunctionNetwork(
                subnet_ids=self.network.private_subnet_ids,
                security_group_ids=[self.network.private_security_group_id],
            ),
            runtime=functions.runtime,
            shared_layer=self.layers.shared_arn,
            log_level=functions.log_level,
            logs=self.logs,
        )

    def container_ground(self) -> ContainerGround:
        """The common ground of the services on Fargate."""
        return ContainerGround(
            context=self.context,
            keys=self.key_arns,
            subnet_ids=self.network.private_subnet_ids,
            logs=self.logs,
        )

    def zone(self) -> ResearchZone:
        """The research zone by name."""
        naming = self.context.naming
        return ResearchZone(
            preprocessed=naming.bucket("preprocessed"), model_artifacts=naming.bucket("model-artifacts")
        )


def context_of(settings: Settings) -> Context:
    """Names and tags of the running stack in the account and region that its credentials belong to."""
    account = aws.get_caller_identity().account_id
    region = aws.get_region().region
    partition = aws.get_partition().partition
    stack = pulumi.get_stack()
    tags = settings.tags
    return Context(
        naming=Naming(project=PROJECT, stack=stack, account=account, region=region, partition=partition),
        tags=Tags(
            project=PROJECT,
            stack=stack,
            owner=tags.owner,
            extra={**tags.extra, "cost-center": tags.cost_center},
        ),
        region=region,
        account=account,
        partition=partition,
        runbooks=settings.monitoring.runbooks,
    )


def foundation(settings: Settings, bare: Context) -> Foundation:
    """Boundary, keys, network, stores and layers, in this order."""
    boundary = WorkloadBoundary(
        "boundary", WorkloadBoundaryArgs(context=bare, existing=settings.security.permissions_boundary)
    )
    context = replace(bare, boundary_arn=boundary.boundary_arn)
    abroad = settings.second_region.region
    replica_keys = ReplicaKeys("replica-keys", ReplicaKeysArgs(context=context, region=abroad)) if abroad else None
    keys = DataKeys("keys", DataKeysArgs(context=context, secret_recovery_days=settings.storage.secret_recovery_days))
    logs = log_keeping(context, settings.logs, keys, protected=settings.storage.deletion_protection)
    network = SecureVPC("network", _network_args(settings, context, logs))
    buckets = PlatformBuckets("buckets", _bucket_args(settings, context, keys, network))
    tables = PlatformTables(
        "tables",
        PlatformTablesArgs(
            context=context,
            key_arn=keys.tracking_arn,
            deletion_protection=settings.storage.deletion_protection,
            replica=TableReplica(region=abroad, key_arn=replica_keys.tracking_arn)
            if abroad and replica_keys and settings.second_region.tables
            else None,
        ),
    )
    images = HealthImagingStore(
        "images",
        HealthImagingStoreArgs(
            context=context,
            imaging_key_arn=keys.imaging_arn,
            phi_key_arn=keys.phi_arn,
            ingestion_bucket_name=buckets.training_data_name,
            ingestion_bucket_arn=buckets.training_data_arn,
            deletion_protection=settings.storage.deletion_protection,
        ),
    )
    return Foundation(
        settings=settings,
        context=context,
        keys=keys,
        key_arns=KeyArns(**{name: getattr(keys, f"{name}_arn") for name in KeyArns.__dataclass_fields__}),
        logs=logs,
        network=network,
        buckets=buckets,
        tables=tables,
        images=images,
        layers=Layers("layers", LayersArgs(context=context, runtime=settings.functions.runtime)),
        responder_boundary_arn=boundary.responder_boundary_arn,
        replica_keys=replica_keys,
        repositories=ImageRepositories(
            "containers",
            ImageRepositoriesArgs(context=context, key_arn=keys.models_arn, settings=settings.containers),
        ),
    )


def _network_args(settings: Settings, context: Context, logs: LogKeeping) -> SecureVPCArgs:
    network = settings.network
    return SecureVPCArgs(
        context=context,
        vpc_cidr=network.vpc_cidr,
        public_subnets=network.public_subnets,
        private_subnets=network.private_subnets,
        nat_strategy=network.nat_strategy,
        interface_endpoints=network.interface_endpoints,
        https_egress=network.https_egress,
        logs=logs,
    )


def _bucket_args(settings: Settings, context: Context, keys: DataKeys, network: SecureVPC) -> PlatformBucketsArgs:
    storage = settings.storage
    perimeter = Perimeter(endpoint_id=network.s3_endpoint_id, direct_principals=list(storage.direct_access_principals))
    return PlatformBucketsArgs(
        context=context,
        phi_key_arn=keys.phi_arn,
        research_key_arn=keys.research_arn,
        models_key_arn=keys.models_arn,
        audit_key_arn=keys.audit_arn,
        lifecycle=Lifecycle(
            intelligent_tiering_days=storage.intelligent_tiering_days,
            glacier_days=storage.glacier_days,
            noncurrent_days=storage.noncurrent_version_days,
        ),
        access_log_days=storage.access_log_days,
        audit_lock=ObjectLock(mode=storage.object_lock_mode, days=storage.object_lock_days),
        perimeter=perimeter if storage.vpc_endpoint_only else None,
        force_destroy=storage.force_destroy,
    )


def events_args(base: Foundation) -> PlatformEventsArgs:
    """The bus, and the people whom the stack's data names."""
    monitoring = base.settings.monitoring
    return PlatformEventsArgs(
        context=base.context,
        key_arn=base.keys.events_arn,
        archive_retention_days=ARCHIVE_DAYS,
        logs=base.logs,
        subscriptions=[Subscription(protocol="email", endpoint=address) for address in monitoring.alert_emails],
        slack=monitoring.slack,
        pager_url=monitoring.pager_duty_url,
        alerts_inbox=monitoring.alerts_inbox,
    )


def ingestion_args(base: Foundation) -> IngestionWorkflowArgs:
    """Ingestion between the PHI zone, the data store and the research zone."""
    naming, settings = base.context.naming, base.settings
    return IngestionWorkflowArgs(
        workload=base.workload(),
        stores=IngestionStores(
            training_data_bucket=naming.bucket("training-data"),
            preprocessed_bucket=naming.bucket("preprocessed"),
            tracking=base.table("image-tracking"),
            pseudonym_secret_arn=base.keys.pseudonym_secret_arn,
            datastore_id=base.images.datastore_id,
            datastore_arn=base.images.datastore_arn,
            import_role_arn=base.images.import_role_arn,
        ),
        limits=IngestionLimits(
            import_quiet_seconds=settings.ingestion.import_quiet_seconds,
            keep_patient_characteristics=settings.ingestion.keep_patient_characteristics,
            max_object_bytes=settings.ingestion.max_object_bytes,
        ),
        size=size_of(settings.functions, "image_ingestion"),
        max_concurrency=settings.ingestion.max_concurrency,
        kind="EXPRESS" if settings.ingestion.workflow == "express" else "STANDARD",
        backfill_concurrency=settings.ingestion.backfill_concurrency,
    )


def mlops_args(base: Foundation, events: PlatformEvents, commit: str) -> MLOpsPipelineArgs:
    """Training and serving in the research zone."""
    settings = base.settings
    return MLOpsPipelineArgs(
        workload=base.workload(),
        place=MlopsSurroundings(
            zone=base.zone(),
            tables=MlopsTables(
                tracking=base.table("image-tracking"),
                labels=base.table("labels"),
                metrics=base.table("metrics"),
                training_runs=base.table("training-runs"),
                idempotency=base.table("idempotency"),
            ),
            bus_name=events.bus_name,
            bus_arn=events.bus_arn,
            topic_arn=events.topic_arn,
            min_new_labels=settings.training.min_new_labels,
            label_quiet_seconds=settings.training.label_quiet_seconds,
            accuracy_threshold=settings.training.accuracy_threshold,
        ),
        training=settings.training,
        registry=settings.registry,
        images=image_addresses(base.context, settings.containers),
        functions=settings.functions,
        evaluation_layer=base.layers.evaluation_arn,
        code_bucket=base.buckets.model_artifacts_name,
        vpc_id=base.network.vpc_id,
        subnet_ids=base.network.private_subnet_ids,
        security_group_ids=[base.network.private_security_group_id],
        commit=commit,
    )


def receiver_args(base: Foundation, events: PlatformEvents) -> DicomReceiverArgs:
    """The DICOM receiver between the peers' networks and the landing bucket."""
    settings = base.settings
    return DicomReceiverArgs(
        ground=base.container_ground(),
        settings=settings.receiver,
        image=image_addresses(base.context, settings.containers).get("store_scp"),
        bucket=base.context.naming.bucket("training-data"),
        vpc_id=base.network.vpc_id,
        private_group_id=base.network.private_security_group_id,
        topic_arn=events.topic_arn,
        deletion_protection=settings.storage.deletion_protection,
        secret_recovery_days=settings.storage.secret_recovery_days,
    )


def routes_args(base: Foundation, events: PlatformEvents, mlops: MLOpsPipeline) -> EventRoutesArgs:
    """Which event goes where."""
    return EventRoutesArgs(
        context=base.context,
        bus_name=events.bus_name,
        pipeline_arn=pipeline_arn(base.context),
        topic_arn=events.topic_arn,
        error_log_group_arn=events.error_log_group_arn,
        dead_letters_arn=events.dead_letters_arn,
        training_requests_arn=mlops.requests_arn,
        model_evaluation=Receiver(name=mlops.evaluation_name, arn=mlops.evaluation_arn),
        model_registry=Receiver(name=mlops.registry_name, arn=mlops.registry_arn),
        drift_schedule=base.settings.registry.drift.schedule,
        drift_retrains=base.settings.registry.drift.retrains,
        trial_schedule=base.settings.registry.trial.schedule,
    )


def api_args(base: Foundation, events: PlatformEvents, mlops: MLOpsPipeline) -> RadiologistApiArgs:
    """The API over the tracking and label tables."""
    settings = base.settings
    return RadiologistApiArgs(
        workload=base.workload(),
        stores=ApiStores(
            training_data_bucket=base.context.naming.bucket("training-data"),
            preprocessed_bucket=base.context.naming.bucket("preprocessed"),
            tracking=base.table("image-tracking"),
            assignments=base.table("assignments"),
            labels=base.table("labels"),
            outbox=base.table("outbox"),
            metrics=base.table("metrics"),
            bus_name=events.bus_name,
            bus_arn=events.bus_arn,
            datastore_id=base.images.datastore_id,
            pseudonym_secret_arn=base.keys.pseudonym_secret_arn,
            registry_function_name=mlops.registry_name,
            registry_function_arn=mlops.registry_arn,
        ),
        settings=settings.api,
        size=size_of(settings.functions, "radiologist_api"),
        api_layer=base.layers.api_arn,
        deletion_protection=settings.storage.deletion_protection,
    )


def monitoring_args(base: Foundation, events: PlatformEvents, ingestion: IngestionWorkflow) -> MonitoringArgs:
    """Everything that is watched, by physical name."""
    settings, naming = base.settings, base.context.naming
    return MonitoringArgs(
        workload=base.workload(),
        stores=MonitoringStores(
            training_data_bucket=naming.bucket("training-data"),
            preprocessed_bucket=naming.bucket("preprocessed"),
            tracking=base.table("image-tracking"),
            state_machine_arn=ingestion.state_machine_arn,
            import_queue_url=ingestion.import_queue_url,
            import_queue_arn=ingestion.import_queue_arn,
            datastore_id=base.images.datastore_id,
            datastore_arn=base.images.datastore_arn,
            bus_name=events.bus_name,
            bus_arn=events.bus_arn,
            reconcile_grace_seconds=settings.ingestion.reconcile_grace_seconds,
        ),
        settings=settings.monitoring,
        size=size_of(settings.functions, "monitoring"),
        names=watched_names(base.context),
        accuracy_threshold=settings.training.accuracy_threshold,
        topic_arn=events.topic_arn,
        trail=settings.security.trail,
        endpoint_name=model_group(base.context),
        training_usd_per_hour=settings.training.training_usd_per_hour,
    )


def watched_names(context: Context) -> WatchedNames:
    """Physical names of everything that has metrics, known before anything exists."""
    functions = (API_ROLE, EVALUATION_ROLE, INGESTION_ROLE, MONITORING_ROLE, REGISTRY_ROLE, TRIGGER_ROLE)
    return WatchedNames(
        functions={role: function_name(context, role) for role in functions},
        tables={shape.role: context.naming.name(shape.role, limit=255) for shape in SHAPES},
        buckets={role: context.naming.bucket(role) for role in BUCKET_ROLES},
        pipeline=pipeline_name(context),
    )
