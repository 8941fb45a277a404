"""The shape of the stack's configuration: frozen models, every field with its unit and its bounds.

Field names are the camelCase keys of `Pulumi.<stack>.yaml`. Nothing here reads anything: `components.settings` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from components._tags import RESERVED

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
]
"""Suffixes of the interface endpoints `com.amazonaws.<region>.<suffix>` that the platform may use."""
NEEDED_SERVICES = frozenset(get_args(InterfaceService)) - {"dicom-medical-imaging", "ecr.api", "ecr.dkr"}
"""What functions and training call from inside the VPC: without its endpoint a call would hang until it times out."""
LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""The steps that CloudWatch Logs accepts (PutRetentionPolicy)."""
Pattern = Annotated[str, Field(min_length=1, max_length=256)]

_EMAIL = re.compile(r"[^@\s]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(iam|sts)::\d{12}:[A-Za-z0-9+=,.@_/*-]{3,}|[A-Za-z0-9+=,.@_-]{1,64}")
_ORIGIN = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?")
_SCHEDULE = re.compile(r"rate\(\d+ (minute|hour|day)s?\)|cron\([^()]+\)")
_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[\w./-]*)?")
_S3 = re.compile(r"s3://[a-z0-9.-]{3,63}/.+")
_IMAGE = re.compile(r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+(:[\w.-]+|@sha256:[0-9a-f]{64})")
_INSTANCE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")


def refusal(key: str, value: object, must: str) -> PydanticCustomError:
    """An error about one key inside a group whose cause is its relation to another key."""
    return PydanticCustomError("setting", "must {must}", {"key": key, "value": str(value), "must": must})


def _written_as(pattern: re.Pattern[str], must: str) -> AfterValidator:
    """A text that the pattern matches as a whole; the error says what it must be, not the pattern."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PydanticCustomError("setting", "must {must}", {"value": value, "must": must})
        return value

    return AfterValidator(check)


Email = Annotated[str, _written_as(_EMAIL, "be an e-mail address")]
Principal = Annotated[str, _written_as(_PRINCIPAL, "be the name of a role of this account or the ARN of a principal")]
Origin = Annotated[str, _written_as(_ORIGIN, "be an https origin such as https://viewer.example.org, no path, no star")]
Schedule = Annotated[str, _written_as(_SCHEDULE, "be a schedule such as rate(5 minutes) or cron(0 3 * * ? *)")]
S3Uri = Annotated[str, _written_as(_S3, "be an S3 address such as s3://bucket/key")]
HttpsUrl = Annotated[str, _written_as(_URL, "be an https address")]
ImageUri = Annotated[str, _written_as(_IMAGE, "be a container image with its tag or digest")]
InstanceType = Annotated[str, _written_as(_INSTANCE, "be a SageMaker instance type such as ml.m5.xlarge")]


class Group(BaseModel):
    """A structured configuration key: frozen, camelCase, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


class NetworkSettings(Group):
    """Addresses of the VPC and the ways out of it. One public and one private subnet an availability zone.

    `httpsEgress: internet` lets private subnets reach port 443 anywhere through NAT, for stacks that save endpoints.
    """

    vpc_cidr: IPv4Network = IPv4Network("10.0.0.0/16")
    public_subnets: tuple[IPv4Network, ...] = (IPv4Network("10.0.1.0/24"), IPv4Network("10.0.2.0/24"))
    private_subnets: tuple[IPv4Network, ...] = (IPv4Network("10.0.10.0/24"), IPv4Network("10.0.20.0/24"))
    nat_strategy: Literal["Single", "OnePerAz"] = "OnePerAz"
    interface_endpoints: tuple[InterfaceService, ...] = get_args(InterfaceService)
    https_egress: Literal["endpoints", "internet"] = "endpoints"
    flow_log_retention_days: LogRetentionDays = 365

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
    """Retention and protection of buckets and tables (days)."""

    force_destroy: bool = False
    vpc_endpoint_only: bool = True
    direct_access_principals: tuple[Principal, ...] = ()
    object_lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] = "COMPLIANCE"
    object_lock_days: int = Field(default=2557, ge=1, le=36500)
    intelligent_tiering_days: int = Field(default=90, ge=30, le=3650)
    glacier_days: int = Field(default=180, ge=90, le=3650)
    noncurrent_version_days: int = Field(default=365, ge=1, le=3650)
    access_log_days: int = Field(default=2557, ge=1, le=3653)
    deletion_protection: bool = True
    secret_recovery_days: int = Field(default=30, ge=0, le=30)

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
    """The way of a received file: parallelism, quiet time of a study (s), size limit (bytes), grace time (s)."""

    max_concurrency: int = Field(default=40, ge=1, le=1000)
    import_quiet_seconds: int = Field(default=60, ge=0, le=900)
    max_object_bytes: int = Field(default=262_144_000, ge=1_048_576, le=5_368_709_120)
    reconcile_grace_seconds: int = Field(default=3600, ge=1, le=86_400)


class FunctionSettings(Group):
    """Memory (MiB), timeout (s) and reserved concurrency of a Lambda function; null: the account's shared pool."""

    memory_mb: int = Field(ge=128, le=10_240)
    timeout_seconds: int = Field(ge=1, le=900)
    reserved_concurrency: int | None = Field(default=None, ge=1, le=10_000)


_FUNCTION_SIZES: dict[str, dict[str, int]] = {
    "imageIngestion": {"memoryMb": 512, "timeoutSeconds": 300},
    "pipelineTrigger": {"memoryMb": 256, "timeoutSeconds": 60},
    "modelEvaluation": {"memoryMb": 1024, "timeoutSeconds": 900},
    "modelRegistry": {"memoryMb": 512, "timeoutSeconds": 300},
    "monitoring": {"memoryMb": 512, "timeoutSeconds": 300},
    "radiologistApi": {"memoryMb": 512, "timeoutSeconds": 29},
}


class FunctionsSettings(Group):
    """Runtime, logs and sizes of all functions; a size given in part is completed from the platform's own."""

    runtime: Literal["python3.11", "python3.12", "python3.13"] = "python3.12"
    log_level: Literal["INFO", "WARNING", "ERROR"] = "INFO"
    log_retention_days: LogRetentionDays = 365
    image_ingestion: FunctionSettings
    pipeline_trigger: FunctionSettings
    model_evaluation: FunctionSettings
    model_registry: FunctionSettings
    monitoring: FunctionSettings
    radiologist_api: FunctionSettings

    @model_validator(mode="before")
    @classmethod
    def _complete_sizes(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        values: dict[str, Any] = {**given}
        for name, size in _FUNCTION_SIZES.items():
            own = values.get(name, {})
            values[name] = {**size, **own} if isinstance(own, dict) else own
        return values


class TrainingSettings(Group):
    """The model, how it is trained and when: image edge (pixels), volume (GiB), run time (s).

    An image that is not given is the AWS deep-learning container that belongs to the training code.
    """

    backbone: Literal["resnet50", "mobilenet_v3_small", "small_cnn"] = "resnet50"
    image_size: int = Field(default=512, ge=32, le=1024, multiple_of=32)
    epochs: int = Field(default=50, ge=1, le=1000)
    batch_size: int = Field(default=32, ge=1, le=1024)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    early_stopping_patience: int = Field(default=5, ge=1, le=100)
    test_share: float = Field(default=0.2, ge=0.05, le=0.5)
    validation_share: float = Field(default=0.2, ge=0.05, le=0.5)
    augmentation: Literal["none", "light", "standard"] = "standard"
    accuracy_threshold: float = Field(default=0.85, ge=0, le=1)
    seed: int = Field(default=20_260_101, ge=0, le=2**31 - 1)
    min_new_labels: int = Field(default=100, ge=1, le=1_000_000)
    weights_uri: S3Uri | None = None
    training_instance_type: InstanceType = "ml.g4dn.xlarge"
    processing_instance_type: InstanceType = "ml.m5.2xlarge"
    volume_size_gb: int = Field(default=100, ge=1, le=16_384)
    use_spot: bool = True
    max_runtime_seconds: int = Field(default=43_200, ge=60, le=432_000)
    max_wait_seconds: int = Field(default=86_400, ge=60, le=864_000)
    processing_image: ImageUri | None = None
    training_image: ImageUri | None = None
    package_index_url: HttpsUrl | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.test_share + self.validation_share > 0.6:
            raise refusal("validationShare", self.validation_share, "leave 40 % for training beside testShare")
        if self.weights_uri is not None and self.backbone == "small_cnn":
            raise refusal("weightsUri", self.weights_uri, "be absent: small_cnn has no ImageNet weights")
        if self.use_spot and self.max_wait_seconds < self.max_runtime_seconds:
            raise refusal(
                "maxWaitSeconds", self.max_wait_seconds, "be at least maxRuntimeSeconds where useSpot is true"
            )
        return self


class RegistrySettings(Group):
    """Who lets a model into service, and the endpoint that serves it (capture in percent of requests)."""

    auto_approve: bool = False
    auto_deploy: bool = False
    max_disagreement: float = Field(default=0.02, ge=0, le=1)
    inference_instance_type: InstanceType = "ml.m5.xlarge"
    inference_image: ImageUri | None = None
    data_capture_percent: int = Field(default=100, ge=0, le=100)


class ApiSettings(Group):
    """The radiologist API: life of upload URLs (s), rate limits (requests a second), browsers let in, sign-in."""

    upload_url_seconds: int = Field(default=900, ge=60, le=3600)
    throttle_rate: int = Field(default=50, ge=1, le=10_000)
    throttle_burst: int = Field(default=100, ge=1, le=5_000)
    cors_origins: tuple[Origin, ...] = ()
    mfa: Literal["ON", "OPTIONAL", "OFF"] = "ON"
    waf: bool = True


class MonitoringSettings(Group):
    """Whom alarms reach and when they ring; `alertsInbox` also keeps every alert in a queue for who has no mail."""

    alert_emails: tuple[Email, ...] = ()
    alerts_inbox: bool = False
    dashboards: bool = True
    health_schedule: Schedule = "rate(5 minutes)"
    reconcile_schedule: Schedule = "cron(0 3 * * ? *)"
    retrieval_p99_milliseconds: int = Field(default=1000, ge=1, le=60_000)
    data_store_errors_per_minute: int = Field(default=5, ge=1, le=10_000)
    lambda_error_percent: float = Field(default=1.0, gt=0, le=100)
    storage_budget_gb: int = Field(default=1000, ge=1, le=10_000_000)
    audit_lag_minutes: int = Field(default=15, ge=1, le=1440)
    audit_retention_days: LogRetentionDays = 2557


class TagSettings(Group):
    """Who owns the stack and who pays; `extra` is put on every resource as it is."""

    owner: str = Field(min_length=1, max_length=256)
    cost_center: str = Field(min_length=1, max_length=256)
    extra: dict[str, Pattern] = Field(default_factory=dict[str, str])

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
    training: TrainingSettings
    registry: RegistrySettings
    api: ApiSettings
    monitoring: MonitoringSettings
    tags: TagSettings
