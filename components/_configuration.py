"""The shape of the stack's configuration: frozen models, every field with its unit, bounds and meaning.

Field names are the camelCase keys of `Pulumi.<stack>.yaml`. Nothing here reads anything: `components.settings` does.
The text under a field is its description in the JSON Schema and in docs/CONFIGURATION.md (`make schemas`).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from components._configuration_alerts import PagerUrl, SlackSettings
from components._configuration_base import Email, Group, NonEmpty, Origin, PolicyName, Principal, Schedule, refusal
from components._configuration_delivery import DeliverySettings
from components._configuration_logs import LogsSettings, with_former_keys
from components._configuration_models import ContainerSettings, RegistrySettings, TrainingSettings
from components._configuration_receiver import ReceiverSettings
from components._tags import RESERVED

__all__ = [
    "ApiSettings",
    "ContainerSettings",
    "DeliverySettings",
    "FunctionSettings",
    "FunctionsSettings",
    "Group",
    "IngestionSettings",
    "LogsSettings",
    "MonitoringSettings",
    "NetworkSettings",
    "ReceiverSettings",
    "RegistrySettings",
    "Settings",
    "StorageSettings",
    "TagSettings",
    "TrainingSettings",
]

InterfaceService = Literal[
    "medical-imaging",
    "runtime-medical-imaging",
    "dicom-medical-imaging",
    "sagemaker.api",
    "sagemaker.runtime",
    "events",
    "kms",
    "secretsmanager",
    "states",
    "logs",
    "monitoring",
    "sts",
    "ecr.api",
    "ecr.dkr",
    "sns",
    "sqs",
    "lambda",
    "xray",
    "cloudtrail",
    "ec2",
    "application-autoscaling",
]
"""Suffixes of the interface endpoints `com.amazonaws.<region>.<suffix>` that the platform may use."""
NEEDED_SERVICES = frozenset(get_args(InterfaceService)) - {"dicom-medical-imaging", "ecr.api", "ecr.dkr"}
"""What functions and training call from inside the VPC: without its endpoint a call would hang until it times out."""


class NetworkSettings(Group):
    """Addresses of the VPC and the ways out of it. One public and one private subnet an availability zone."""

    vpc_cidr: IPv4Network = IPv4Network("10.0.0.0/16")
    """Addresses of the VPC, a /16 to a /28."""
    public_subnets: tuple[IPv4Network, ...] = (IPv4Network("10.0.1.0/24"), IPv4Network("10.0.2.0/24"))
    """Subnets of the NAT gateways, one an availability zone."""
    private_subnets: tuple[IPv4Network, ...] = (IPv4Network("10.0.10.0/24"), IPv4Network("10.0.20.0/24"))
    """Subnets of functions, jobs and endpoints, one an availability zone (2 or 3)."""
    nat_strategy: Literal["Single", "OnePerAz"] = "OnePerAz"
    """One NAT gateway for all zones, or one in each so that a zone's failure stops no other."""
    interface_endpoints: tuple[InterfaceService, ...] = get_args(InterfaceService)
    """AWS services that are reached inside the VPC."""
    https_egress: Literal["endpoints", "internet"] = "endpoints"
    """Where private subnets may go on port 443: to the endpoints alone, or anywhere through NAT."""

    @property
    def zones(self) -> int:
        """How many availability zones the subnets lie in."""
        return len(self.private_subnets)

    def _named_subnets(self) -> Iterator[tuple[str, IPv4Network]]:
        for group, subnets in (("publicSubnets", self.public_subnets), ("privateSubnets", self.private_subnets)):
            yield from ((f"{group}[{index}]", subnet) for index, subnet in enumerate(subnets))

    @model_validator(mode="after")
    def _addresses_fit(self) -> Self:
        if not 16 <= self.vpc_cidr.prefixlen <= 28:
            raise refusal("vpcCidr", self.vpc_cidr, "be between a /16 and a /28, as AWS allows")
        if not 2 <= len(self.private_subnets) <= 3:
            raise refusal("privateSubnets", len(self.private_subnets), "list 2 or 3 subnets, one an availability zone")
        if len(self.public_subnets) != len(self.private_subnets):
            raise refusal("publicSubnets", len(self.public_subnets), "list as many subnets as privateSubnets")
        seen: list[tuple[str, IPv4Network]] = []
        for key, subnet in self._named_subnets():
            if not subnet.subnet_of(self.vpc_cidr):
                raise refusal(key, subnet, f"lie inside vpcCidr {self.vpc_cidr}")
            for other_key, other in seen:
                if subnet.overlaps(other):
                    raise refusal(key, subnet, f"not overlap {other_key} {other}")
            seen.append((key, subnet))
        if doubled := sorted({s for s in self.interface_endpoints if self.interface_endpoints.count(s) > 1}):
            raise refusal("interfaceEndpoints", doubled[0], "name every service once")
        absent = sorted(NEEDED_SERVICES - set(self.interface_endpoints))
        if absent and self.https_egress == "endpoints":
            raise refusal("httpsEgress", self.https_egress, f"be internet while interfaceEndpoints lacks {absent[0]}")
        return self


class StorageSettings(Group):
    """Retention and protection of buckets, tables and secrets."""

    force_destroy: bool = False
    """Buckets are emptied when the stack is destroyed."""
    vpc_endpoint_only: bool = True
    """Objects are reached through the VPC's endpoint alone: a stolen credential is of no use outside."""
    direct_access_principals: tuple[Principal, ...] = ()
    """Who may reach objects from outside the VPC: the deploy role, which uploads code."""
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "COMPLIANCE"
    """Of the audit bucket; COMPLIANCE can be shortened by nobody, root included."""
    object_lock_days: int = Field(default=2557, ge=1, le=36500)
    """Days that audit objects cannot be deleted."""
    intelligent_tiering_days: int = Field(default=90, ge=30, le=3650)
    """Days after which images move to Intelligent-Tiering."""
    glacier_days: int = Field(default=180, ge=90, le=3650)
    """Days after which images move to Glacier."""
    noncurrent_version_days: int = Field(default=365, ge=1, le=3650)
    """Days that an overwritten or deleted version can be brought back."""
    access_log_days: int = Field(default=2557, ge=1, le=3653)
    """Days that access logs are kept."""
    deletion_protection: bool = True
    """Tables, data store and user pool refuse to be deleted."""
    secret_recovery_days: int = Field(default=30, ge=0, le=30)
    """Days in which a deleted secret can be brought back; 0 deletes at once."""

    @property
    def keeps_records(self) -> bool:
        """What lies here is meant to outlive a command: it cannot be deleted in passing, or by nobody at all."""
        return self.deletion_protection or self.object_lock_mode == "COMPLIANCE"

    @model_validator(mode="after")
    def _protected_as_told(self) -> Self:
        if self.glacier_days <= self.intelligent_tiering_days:
            raise refusal("glacierDays", self.glacier_days, "be more than intelligentTieringDays")
        if 0 < self.secret_recovery_days < 7:
            raise refusal("secretRecoveryDays", self.secret_recovery_days, "be 0 or between 7 and 30, as AWS allows")
        if self.force_destroy and self.object_lock_mode == "COMPLIANCE":
            raise refusal(
                "forceDestroy", "true", "be false where objectLockMode is COMPLIANCE: nobody can delete those"
            )
        return self


class IngestionSettings(Group):
    """The way of a received file."""

    workflow: Literal["standard", "express"] = "standard"
    """Kind of the state machine: express starts one for each file, for less, without history and redrive."""
    max_concurrency: int = Field(default=40, ge=1, le=1000)
    """Files of one execution that are worked on at once."""
    backfill_concurrency: int = Field(default=20, ge=1, le=1000)
    """Files that a back-fill works on at once; what the function has beyond it is left to new files."""
    import_quiet_seconds: int = Field(default=60, ge=0, le=900)
    """Seconds without a new file after which a study is imported."""
    max_object_bytes: int = Field(default=262_144_000, ge=1_048_576, le=5_368_709_120)
    """Largest file that is accepted, bytes."""
    keep_patient_characteristics: bool = False
    """Sex, age (90 and over as one) and size stay in the research zone, so that models are judged by sex and age."""
    reconcile_grace_seconds: int = Field(default=3600, ge=1, le=86_400)
    """Age from which the reconciler calls a file without a final state missing, seconds."""


def _all_optional(schema: JsonDict) -> None:
    schema.pop("required", None)  # what a stack leaves out is completed from the function's own size


class FunctionSettings(Group, json_schema_extra=_all_optional):
    """Size of one Lambda function; what is left out keeps the platform's own."""

    memory_mb: int = Field(ge=128, le=10_240)
    """Memory, MiB; processor time grows with it."""
    timeout_seconds: int = Field(ge=1, le=900)
    """Longest run, seconds."""
    reserved_concurrency: int | None = Field(default=None, ge=1, le=10_000)
    """Runs at once that are kept for it, and that it cannot exceed; null: the account's shared pool."""


def _size(memory_mb: int, timeout_seconds: int) -> FunctionSettings:
    return FunctionSettings(memory_mb=memory_mb, timeout_seconds=timeout_seconds)


class FunctionsSettings(Group):
    """Runtime, logs and sizes of all functions; a size given in part is completed from the platform's own."""

    runtime: Literal["python3.11", "python3.12", "python3.13"] = "python3.12"
    """Lambda runtime; the layers are built for it (`make layers`)."""
    log_level: Literal["INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe records that are written; DEBUG is not offered, for it could show what must not be logged."""
    image_ingestion: FunctionSettings = _size(512, 300)
    """Validates, de-identifies and imports."""
    pipeline_trigger: FunctionSettings = _size(256, 60)
    """Decides whether verified labels start a training."""
    model_evaluation: FunctionSettings = _size(1024, 900)
    """Judges a new model again, independently."""
    model_registry: FunctionSettings = _size(512, 300)
    """Approves and deploys."""
    monitoring: FunctionSettings = _size(512, 300)
    """Health checks and the nightly reconciliation."""
    breach_response: FunctionSettings = _size(512, 300)
    """Contains and reports security findings."""
    radiologist_api: FunctionSettings = _size(512, 29)
    """The REST API; 29 s is API Gateway's own limit."""

    @model_validator(mode="before")
    @classmethod
    def _complete_sizes(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        values: dict[str, Any] = {**given}
        for field in cls.model_fields.values():
            if not isinstance(field.default, FunctionSettings):
                continue
            name, own = str(field.alias), values.get(str(field.alias), {})
            values[name] = {**field.default.model_dump(by_alias=True), **own} if isinstance(own, dict) else own
        return values


class ApiSettings(Group):
    """The radiologist API."""

    upload_url_seconds: int = Field(default=900, ge=60, le=3600)
    """Life of a presigned upload URL, seconds."""
    throttle_rate: int = Field(default=50, ge=1, le=10_000)
    """Requests a second in the long run."""
    throttle_burst: int = Field(default=100, ge=1, le=5_000)
    """Requests at once."""
    cors_origins: tuple[Origin, ...] = ()
    """Origins whose pages may call the API."""
    viewer_origins: tuple[Origin, ...] = ()
    """Addresses that the viewer is served at: sign-in returns to these only. Without one there is no viewer client."""
    readers_per_study: Literal[1, 2] = 2
    """Blind reads that make ground truth; 1 takes every read for it."""
    adjudicate_on: tuple[Literal["finding", "uncertain"], ...] = ("finding",)
    """What sends two reads to a third reader, fixed beforehand: findings that differ, or one that is only possible."""
    mfa: Literal["ON", "OPTIONAL", "OFF"] = "ON"
    """Second factor at sign-in (45 CFR 164.312(d))."""
    waf: bool = True
    """A web application firewall in front of the API."""


class MonitoringSettings(Group):
    """Whom alarms reach and when they ring."""

    runbooks: str = Field(default="docs/runbooks", min_length=1, max_length=300)
    """Where people read what to do: the URL of docs/runbooks as they open it; every alarm names its page there."""
    alert_emails: tuple[Email, ...] = ()
    """Addresses that alarms are mailed to."""
    slack: SlackSettings = SlackSettings()
    """Slack channel that alerts are written to, by AWS's chat application."""
    pager_duty_url: PagerUrl | None = None
    """Address of PagerDuty's integration with CloudWatch, which alerts are sent to; a secret. Null: none."""
    alerts_inbox: bool = False
    """Every alert is also kept in a queue, for who has no mail."""
    dashboards: bool = True
    """CloudWatch dashboards are made."""
    health_schedule: Schedule = "rate(5 minutes)"
    """When the health check runs."""
    reconcile_schedule: Schedule = "cron(0 3 * * ? *)"
    """When what was received is compared with what was imported (UTC)."""
    retrieval_p99_milliseconds: int = Field(default=1000, ge=1, le=60_000)
    """Alarm: the slowest percent of image retrievals, milliseconds."""
    data_store_errors_per_minute: int = Field(default=5, ge=1, le=10_000)
    """Alarm: errors of HealthImaging a minute."""
    lambda_error_percent: float = Field(default=1.0, gt=0, le=100)
    """Alarm: runs of a function that fail, percent."""
    endpoint_error_percent: float = Field(default=5.0, gt=0, le=100)
    """Alarm, and end of an update: requests that the model's server fails, percent."""
    endpoint_latency_milliseconds: int = Field(default=5000, ge=1, le=60_000)
    """Alarm, and end of an update: the slowest percent of the model's answers, milliseconds."""
    storage_budget_gb: int = Field(default=1000, ge=1, le=10_000_000)
    """Alarm: size of what the PHI zone holds, GB."""
    audit_lag_minutes: int = Field(default=15, ge=0, le=1440)
    """Alarm: age of the newest audit record, minutes; 0 makes none, for a place whose trail never delivers and that
    keeps no records (neither `storage.deletionProtection` nor a COMPLIANCE lock)."""


class SecuritySettings(Group):
    """What guards the stack. What an account's own baseline owns (trail, detection, record, defaults) is false here."""

    trail: bool = True
    """CloudTrail with data events of PHI, into the audit bucket, and the security alarms that read it."""
    trail_insights: tuple[Literal["ApiCallRateInsight", "ApiErrorRateInsight"], ...] = ()
    """What CloudTrail learns the usual rate of, to report what is unusual."""
    detection: bool = True
    """GuardDuty and IAM Access Analyzer, one each an account and region."""
    config_recorder: bool = True
    """AWS Config with managed rules of the HIPAA conformance pack, one recorder an account and region."""
    config_service_role: bool = True
    """Makes AWS Config's service-linked role; false where the account has it already."""
    account_defaults: bool = True
    """No public buckets, encrypted volumes and a password policy for the whole account."""
    break_glass_people: tuple[Principal, ...] = ()
    """IAM users who may take the emergency role; with nobody there is no such role."""
    breach_dry_run: bool = False
    """Breach response writes down what it would do and changes nothing."""
    breach_min_severity: float = Field(default=7.0, ge=0, le=10)
    """Severity of a GuardDuty finding from which breach response begins; 7 and above is high."""
    breach_quarantine_hours: int = Field(default=24, ge=0, le=168)
    """Hours that every session of a shut role stays refused; 0 refuses those that exist, not new ones."""
    breach_notify_hours: int = Field(default=24, ge=1, le=24)
    """Hours from discovery within which the compliance list must know."""
    compliance_emails: tuple[Email, ...] = ()
    """The compliance list."""
    permissions_boundary: PolicyName | None = None
    """Managed policy that bounds every role, made by the bootstrap so that the deploy role cannot change it; absent:
    the stack makes its own. The responders' boundary comes the same way, as `<stack>-responder-boundary`."""


class SecondRegionSettings(Group):
    """Where the platform's records are copied, for the day that the first region is gone. No region: nowhere."""

    region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    """The second region, such as us-west-2."""
    buckets: tuple[Literal["audit", "training-data", "model-artifacts"], ...] = (
        "audit",
        "training-data",
        "model-artifacts",
    )
    """Buckets that are copied; preprocessed is made again from the raw images."""
    tables: bool = True
    """Tables are global tables: readable and writable in both regions."""
    replicate_deletes: bool = False
    """A deletion hides the copy too; false keeps a wrong or hostile deletion from travelling."""


class TagSettings(Group):
    """Who owns the stack and who pays. Tags are readable by anyone who may list resources: no PHI."""

    owner: str = Field(min_length=1, max_length=256)
    """The team that answers for the stack."""
    cost_center: str = Field(min_length=1, max_length=256)
    """Who pays."""
    extra: dict[str, NonEmpty] = Field(default_factory=dict[str, str])
    """Tags put on every resource as they are."""

    @field_validator("extra")
    @classmethod
    def _not_reserved(cls, value: dict[str, str]) -> dict[str, str]:
        if shadowed := sorted(RESERVED & value.keys()):
            raise PydanticCustomError("setting", "must {must}", {"value": shadowed[0], "must": "not set platform tags"})
        return value


class Settings(Group):
    """All that a stack decides, checked."""

    network: NetworkSettings
    storage: StorageSettings
    ingestion: IngestionSettings
    functions: FunctionsSettings
    logs: LogsSettings = LogsSettings()
    training: TrainingSettings
    registry: RegistrySettings
    containers: ContainerSettings = ContainerSettings()
    receiver: ReceiverSettings = ReceiverSettings()
    delivery: DeliverySettings = DeliverySettings()
    api: ApiSettings
    monitoring: MonitoringSettings
    security: SecuritySettings = Field(default_factory=SecuritySettings)
    second_region: SecondRegionSettings = Field(default_factory=SecondRegionSettings)
    tags: TagSettings

    @model_validator(mode="before")
    @classmethod
    def _as_it_reads_today(cls, given: Any) -> Any:
        return with_former_keys(given)

    @model_validator(mode="after")
    def _kept_records_are_watched(self) -> Self:
        watched = self.monitoring.audit_lag_minutes or not self.security.trail  # another one's trail is watched there
        if self.storage.keeps_records and not watched:
            raise refusal(
                "monitoring.auditLagMinutes",
                0,
                "be 1 or more where storage.deletionProtection or a COMPLIANCE lock keeps records: a trail that "
                "stopped would go unnoticed (45 CFR 164.312(b))",
            )
        return self
