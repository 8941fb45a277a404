"""The guards of the stack, each switched by its data: trail and its alarms, detection, record, defaults, emergency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components._workload import function_name
from components.account_defaults import AccountDefaults, AccountDefaultsArgs
from components.api_function import ROLE as API_ROLE
from components.assembly import Foundation
from components.audit_trail import AuditTrail, AuditTrailArgs, trail_log_group
from components.breach_function import ROLE as BREACH_ROLE
from components.breach_response import BreachResponse, BreachResponseArgs
from components.break_glass import BreakGlass, BreakGlassArgs
from components.configuration_record import ConfigurationRecord, ConfigurationRecordArgs
from components.detection import Detection, DetectionArgs
from components.events import PlatformEvents
from components.mlops_functions import size_of
from components.network import flow_log_group
from components.replication import ReplicatedBucket, Replication, ReplicationArgs
from components.security_alarms import SecurityAlarms, SecurityAlarmsArgs
from components.storage import Lifecycle, ObjectLock


@dataclass(frozen=True, kw_only=True)
class Guards:
    """What was made; None: an account baseline owns it, or the stack's data names nobody."""

    trail: AuditTrail | None
    break_glass: BreakGlass | None
    breach_response: BreachResponse
    replication: Replication | None

    def exports(self) -> dict[str, pulumi.Output[Any]]:
        """Names for people and for the stack's own tools."""
        made: dict[str, pulumi.Output[Any]] = {
            "breach_state_machine_arn": self.breach_response.state_machine_arn,
            "compliance_topic_arn": self.breach_response.topic_arn,
            "compliance_inbox_url": self.breach_response.inbox_url,
            "quarantine_group_id": self.breach_response.quarantine_group_id,
        }
        if self.replication is not None:
            made["replica_buckets"] = self.replication.replica_names
        if self.trail is not None:
            made["audit_trail_arn"] = self.trail.trail_arn
        if self.break_glass is not None:
            made["break_glass_role_arn"] = self.break_glass.role_arn
        return made


def guard(base: Foundation, events: PlatformEvents) -> Guards:
    """Builds the guards that the stack's data asks for."""
    wanted = base.settings.security
    trail = _trail(base, events) if wanted.trail else None
    if wanted.detection:
        Detection("detection", DetectionArgs(context=base.context))
    if wanted.config_recorder:
        ConfigurationRecord(
            "record",
            ConfigurationRecordArgs(
                context=base.context,
                bucket=base.buckets,
                bucket_name=base.buckets.logs_name,
                log_days=base.settings.logs,
                audit_log_groups=audit_log_groups(base),
                make_service_role=wanted.config_service_role,
            ),
        )
    if wanted.account_defaults:
        AccountDefaults("account", AccountDefaultsArgs(context=base.context, key_arn=base.keys.phi_arn))
    return Guards(
        trail=trail,
        break_glass=_break_glass(base) if wanted.break_glass_people else None,
        breach_response=_breach_response(base, events),
        replication=_replication(base, events),
    )


def audit_log_groups(base: Foundation) -> list[str]:
    """The groups that tell who did what in every stack, by name."""
    context = base.context
    functions = (function_name(context, role) for role in (API_ROLE, BREACH_ROLE))
    trail = [trail_log_group(context)] if base.settings.security.trail else []
    return [*trail, flow_log_group(context), *(f"/aws/lambda/{name}" for name in functions)]


def _trail(base: Foundation, events: PlatformEvents) -> AuditTrail:
    settings = base.settings
    trail = AuditTrail(
        "trail",
        AuditTrailArgs(
            context=base.context,
            bucket=base.buckets,
            bucket_name=base.buckets.audit_name,
            bucket_arn=base.buckets.audit_arn,
            key_arn=base.keys.audit_arn,
            phi_bucket_arns=[base.buckets.training_data_arn],
            datastore_arn=base.images.datastore_arn,
            logs=base.logs,
            insights=settings.security.trail_insights,
        ),
    )
    SecurityAlarms(
        "security-alarms",
        SecurityAlarmsArgs(context=base.context, log_group_name=trail.log_group_name, topic_arn=events.topic_arn),
    )
    return trail


def _break_glass(base: Foundation) -> BreakGlass:
    return BreakGlass(
        "break-glass",
        BreakGlassArgs(
            context=base.context,
            people=base.settings.security.break_glass_people,
            bucket_arns=[base.buckets.training_data_arn],
            table_arns=[base.tables.image_tracking_arn, base.tables.labels_arn],
            datastore_arn=base.images.datastore_arn,
            key_arns=[base.keys.phi_arn, base.keys.imaging_arn, base.keys.tracking_arn],
        ),
    )


def _breach_response(base: Foundation, events: PlatformEvents) -> BreachResponse:
    return BreachResponse(
        "breach",
        BreachResponseArgs(
            workload=base.workload(),
            responder_boundary_arn=base.responder_boundary_arn,
            vpc_id=base.network.vpc_id,
            audit_bucket_name=base.buckets.audit_name,
            audit_bucket_arn=base.buckets.audit_arn,
            alerts_topic_arn=events.topic_arn,
            security=base.settings.security,
            size=size_of(base.settings.functions, "breach_response"),
            compliance_inbox=base.settings.monitoring.alerts_inbox,
        ),
    )


def _replication(base: Foundation, events: PlatformEvents) -> Replication | None:
    wanted, storage, keys = base.settings.second_region, base.settings.storage, base.replica_keys
    if wanted.region is None or keys is None:
        return None
    buckets = base.buckets
    all_buckets = (
        ReplicatedBucket(
            role="audit",
            data_class="audit",
            name=buckets.audit_name,
            arn=buckets.audit_arn,
            key_arn=base.keys.audit_arn,
            replica_key_arn=keys.audit_arn,
            lock=ObjectLock(mode=storage.object_lock_mode, days=storage.object_lock_days),
        ),
        ReplicatedBucket(
            role="training-data",
            data_class="phi",
            name=buckets.training_data_name,
            arn=buckets.training_data_arn,
            key_arn=base.keys.phi_arn,
            replica_key_arn=keys.phi_arn,
        ),
        ReplicatedBucket(
            role="model-artifacts",
            data_class="models",
            name=buckets.model_artifacts_name,
            arn=buckets.model_artifacts_arn,
            key_arn=base.keys.models_arn,
            replica_key_arn=keys.models_arn,
        ),
    )
    return Replication(
        "replication",
        ReplicationArgs(
            context=base.context,
            region=wanted.region,
            provider=keys.provider,
            sources=buckets,
            buckets=[bucket for bucket in all_buckets if bucket.role in wanted.buckets],
            lifecycle=Lifecycle(
                intelligent_tiering_days=storage.intelligent_tiering_days,
                glacier_days=storage.glacier_days,
                noncurrent_days=storage.noncurrent_version_days,
            ),
            access_log_days=storage.access_log_days,
            restorers=storage.direct_access_principals,
            topic_arn=events.topic_arn,
            replicate_deletes=wanted.replicate_deletes,
            force_destroy=storage.force_destroy,
        ),
    )
