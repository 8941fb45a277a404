"""The guards of the stack, each switched by its data: trail and its alarms, detection, record, defaults, emergency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components.account_defaults import AccountDefaults, AccountDefaultsArgs
from components.assembly import Foundation
from components.audit_trail import AuditTrail, AuditTrailArgs
from components.breach_response import BreachResponse, BreachResponseArgs
from components.break_glass import BreakGlass, BreakGlassArgs
from components.configuration_record import ConfigurationRecord, ConfigurationRecordArgs
from components.detection import Detection, DetectionArgs
from components.events import PlatformEvents
from components.security_alarms import SecurityAlarms, SecurityAlarmsArgs


@dataclass(frozen=True, kw_only=True)
class Guards:
    """What was made; None: an account baseline owns it, or the stack's data names nobody."""

    trail: AuditTrail | None
    break_glass: BreakGlass | None
    breach_response: BreachResponse

    def exports(self) -> dict[str, pulumi.Output[Any]]:
        """Names for people and for the stack's own tools."""
        made: dict[str, pulumi.Output[Any]] = {
            "breach_state_machine_arn": self.breach_response.state_machine_arn,
            "compliance_topic_arn": self.breach_response.topic_arn,
            "compliance_inbox_url": self.breach_response.inbox_url,
            "quarantine_group_id": self.breach_response.quarantine_group_id,
        }
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
                make_service_role=wanted.config_service_role,
            ),
        )
    if wanted.account_defaults:
        AccountDefaults("account", AccountDefaultsArgs(context=base.context, key_arn=base.keys.phi_arn))
    return Guards(
        trail=trail,
        break_glass=_break_glass(base) if wanted.break_glass_people else None,
        breach_response=_breach_response(base, events),
    )


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
            log_retention_days=settings.monitoring.audit_retention_days,
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
            compliance_inbox=base.settings.monitoring.alerts_inbox,
        ),
    )
