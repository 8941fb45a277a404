"""The ports over boto3."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lambda_shared import trials
from lambda_shared.errors import InvalidEventError, NotFoundError, TransientError, aws_code, aws_errors
from lambda_shared.trials import MAX_NAME
from model_registry.ports import Approval, Serving, Version
from model_registry.scaling import VariantScaling

SUBJECT_LENGTH = 99  # SNS: fewer than 100 characters
MAX_REASON = 1024  # ApprovalDescription
MAX_FAILURE = 700  # of SageMaker's own words, so that ours fit beside them
Change = Literal["created", "updated", "unchanged"]
RETAINED: Mapping[str, Any] = {
    "RetainAllVariantProperties": True,
    "ExcludeRetainedVariantProperties": [
        {"VariantPropertyType": "DesiredWeight"},
        {"VariantPropertyType": "DataCaptureConfig"},
    ],
}
"""Of an endpoint that scales: it keeps the machines that it has, and nothing else of what it had."""
SETTLED = frozenset({"InService", "Failed", "OutOfService", "UpdateRollbackFailed"})
TROUBLE: Mapping[str, Literal["failed", "mixed"]] = {"Failed": "failed", "UpdateRollbackFailed": "mixed"}


class SageMakerPackages:
    """`Packages` over SageMaker's model registry."""

    def __init__(self, sagemaker_client: Any, group: str) -> None:
        self._sagemaker = sagemaker_client
        self._group = group

    def version(self, number: int) -> Version:
        """A version by number. Raises NotFoundError."""
        for version in self._all():
            if version.number == number:
                return version
        raise NotFoundError("UNKNOWN_VERSION", f"the group has no version {number}")

    def approved_after(self, number: int) -> list[Version]:
        """The approved versions with a higher number, oldest first."""
        found = [version for version in self._all() if version.number > number and version.approval == "Approved"]
        return sorted(found, key=lambda version: version.number)

    def _all(self) -> Iterator[Version]:
        request: dict[str, Any] = {"ModelPackageGroupName": self._group, "MaxResults": 100}
        while True:
            with aws_errors("ListModelPackages"):
                page = self._sagemaker.list_model_packages(**request)
            yield from map(_version, page["ModelPackageSummaryList"])
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def by_arn(self, arn: str) -> Version:
        """A version by ARN. Raises NotFoundError; InvalidEventError for a package of another group."""
        try:
            with aws_errors("DescribeModelPackage"):
                found = self._sagemaker.describe_model_package(ModelPackageName=arn)
        except Exception as error:
            if aws_code(error) == "ValidationException":
                raise NotFoundError("UNKNOWN_VERSION", "there is no such model package") from None
            raise
        if found["ModelPackageGroupName"] != self._group:
            raise InvalidEventError("FOREIGN_MODEL", "the model package belongs to another group")
        return _version(found)

    def decide(self, version: Version, approval: Approval, reason: str) -> None:
        """Set the approval state."""
        with aws_errors("UpdateModelPackage"):
            self._sagemaker.update_model_package(
                ModelPackageArn=version.arn, ModelApprovalStatus=approval, ApprovalDescription=reason[:MAX_REASON]
            )


def _version(found: dict[str, Any]) -> Version:
    return Version(
        arn=str(found["ModelPackageArn"]),
        number=int(found["ModelPackageVersion"]),
        approval=found["ModelApprovalStatus"],
        created_at=found["CreationTime"],
    )


@dataclass(frozen=True, kw_only=True)
class EndpointPlan:
    """How a version is served. Names carry the version and a digest of the plan: configurations cannot be changed."""

    endpoint_name: str
    role_arn: str
    instance_type: str
    data_capture_uri: str
    data_capture_percent: int
    kms_key_arn: str
    instance_count: int = 1
    challenger_percent: int = field(default=30, repr=False)  # of trials: not part of how one version is served
    deployment: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # of updates: neither is it
    """DeploymentConfig of UpdateEndpoint; empty: SageMaker's own, all at once and without alarms."""

    def model_name(self, number: int) -> str:
        """Name of the SageMaker model of a version."""
        return f"{self.endpoint_name[: MAX_NAME - 12]}-v{number}"

    def config_name(self, number: int) -> str:
        """Name of the endpoint configuration of a version under this very plan."""
        return f"{self._config_stem}{number}-{_digest(repr(self))}"

    @property
    def _config_stem(self) -> str:
        return f"{self.endpoint_name[: MAX_NAME - 22]}-v"

    def version_of(self, config: str) -> int | None:
        """The version that an endpoint configuration serves alone, under whatever plan; None for a trial's."""
        found = re.fullmatch(re.escape(self._config_stem) + r"(\d+)-[0-9a-f]{8}", config)
        return int(found[1]) if found else None

    def trial_model_name(self, number: int) -> str:
        """Name of the SageMaker model of a version on trial."""
        return f"{self.endpoint_name[: MAX_NAME - 18]}-v{number}-trial"

    def trial_name(self, champion: int, challenger: int) -> str:
        """Name of the endpoint configuration of a trial under this very plan."""
        digest = _digest(f"{self!r}/{self.challenger_percent}")
        return trials.config_name(self.endpoint_name, champion, challenger, digest)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class SageMakerHosting:
    """`Hosting` over SageMaker; everything is made once, under a name that says the version."""

    def __init__(self, sagemaker_client: Any, plan: EndpointPlan, scaling: VariantScaling | None = None) -> None:
        """`scaling` None: a variant keeps the plan's number of machines."""
        self._sagemaker = sagemaker_client
        self._plan = plan
        self._scaling = scaling

    def deploy(self, version: Version, *, guarded: bool) -> Change:
        """Bring the endpoint to that version by blue and green, guarded by the plan's alarms where that is asked for.

        Raises TransientError while it changes.
        """

        def make(name: str) -> None:
            self._make_model(version)
            self._make_config(name, self._variant(trials.CHAMPION, self._plan.model_name(version.number), 1.0))

        return self._bring(self._plan.config_name(version.number), make, guarded=guarded)

    def serving(self) -> Serving | None:
        """What the endpoint answers with; None where there is no endpoint."""
        current = self._describe()
        if current is None:
            return None
        return Serving(
            number=self._plan.version_of(current["EndpointConfigName"]),
            settled=current["EndpointStatus"] in SETTLED,
            reason=str(current.get("FailureReason") or "")[:MAX_FAILURE],
            trouble=TROUBLE.get(current["EndpointStatus"], ""),
        )

    def trial(self) -> tuple[int, int] | None:
        """Numbers of champion and challenger, where the endpoint is in a trial."""
        current = self._describe()
        return trials.pair_of(current["EndpointConfigName"]) if current else None

    def try_out(self, champion: Version, challenger: Version) -> Change:
        """Serve both, the challenger for its share. Raises TransientError while the endpoint is changing."""
        plan = self._plan

        def make(name: str) -> None:
            self._make_model(champion)
            self._make_trial_model(challenger)
            share = float(plan.challenger_percent)
            self._make_config(
                name,
                self._variant(trials.CHAMPION, plan.model_name(champion.number), 100.0 - share),
                self._variant(trials.CHALLENGER, plan.trial_model_name(challenger.number), share),
            )

        return self._bring(plan.trial_name(champion.number, challenger.number), make, guarded=False)

    def _bring(self, wanted: str, make: Callable[[str], None], *, guarded: bool) -> Change:
        """The endpoint to a configuration, which `make` makes first.

        Into a trial and out of it is never guarded: SageMaker wants the same variants before and after.
        https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
        """
        current = self._describe()
        if current is not None and current["EndpointStatus"] == "Failed":
            self._remove_failed()
        if current is not None and _goal(current) == wanted:
            return "unchanged"
        if current is not None and current["EndpointStatus"] not in SETTLED:
            raise TransientError("ENDPOINT_CHANGING", "the endpoint is still changing to another version")
        make(wanted)
        names = {"EndpointName": self._plan.endpoint_name, "EndpointConfigName": wanted}
        if current is None:
            with aws_errors("CreateEndpoint"):
                self._sagemaker.create_endpoint(**names)
            return "created"
        self._exchange({**names, **self._guards(current["EndpointConfigName"], guarded)}, _variants(current))
        return "updated"

    def _exchange(self, request: dict[str, Any], variants: list[str]) -> None:
        scaling = self._scaling
        if scaling is not None:
            scaling.leave(variants)
            request |= RETAINED
        try:
            with aws_errors("UpdateEndpoint"):
                self._sagemaker.update_endpoint(**request)
        except Exception:
            if scaling is not None:
                scaling.enrol(variants)  # what is in service goes on as it was
            raise

    def _remove_failed(self) -> None:
        """A failed endpoint answers nobody, and DeleteEndpoint is all that SageMaker still does with it."""
        with aws_errors("DeleteEndpoint"):
            self._sagemaker.delete_endpoint(EndpointName=self._plan.endpoint_name)
        raise TransientError("ENDPOINT_CHANGING", "the endpoint had failed and is being removed: again in a minute")

    def scale(self) -> None:
        """Let the endpoint's variants scale, where the plan says so and the endpoint is in service."""
        if self._scaling is None:
            return
        current = self._describe()
        if current is not None and current["EndpointStatus"] == "InService":
            self._scaling.enrol(_variants(current))

    def _guards(self, current: str, guarded: bool) -> dict[str, Any]:
        wanted = guarded and self._plan.deployment and trials.pair_of(current) is None
        return {"DeploymentConfig": dict(self._plan.deployment)} if wanted else {}

    def _describe(self) -> dict[str, Any] | None:
        try:
            with aws_errors("DescribeEndpoint"):
                found: dict[str, Any] = self._sagemaker.describe_endpoint(EndpointName=self._plan.endpoint_name)
        except Exception as error:
            if aws_code(error) in {"ValidationException", "ResourceNotFound", "ResourceNotFoundException"}:
                return None
            raise
        return found

    def _make_model(self, version: Version) -> None:
        self._once(
            "CreateModel",
            self._sagemaker.create_model,
            ModelName=self._plan.model_name(version.number),
            ExecutionRoleArn=self._plan.role_arn,
            Containers=[{"ModelPackageName": version.arn, "Environment": {"MODEL_VERSION": str(version.number)}}],
        )

    def _make_trial_model(self, version: Version) -> None:
        """By its container: SageMaker makes no model of a package that nobody approved yet, and a trial comes first."""
        with aws_errors("DescribeModelPackage"):
            found = self._sagemaker.describe_model_package(ModelPackageName=version.arn)
        container: dict[str, Any] = found["InferenceSpecification"]["Containers"][0]
        environment = {**container.get("Environment", {}), "MODEL_VERSION": str(version.number)}
        self._once(
            "CreateModel",
            self._sagemaker.create_model,
            ModelName=self._plan.trial_model_name(version.number),
            ExecutionRoleArn=self._plan.role_arn,
            Containers=[
                {"Image": container["Image"], "ModelDataUrl": container["ModelDataUrl"], "Environment": environment}
            ],
        )

    def _variant(self, name: str, model: str, weight: float) -> dict[str, Any]:
        return {
            "VariantName": name,
            "ModelName": model,
            "InstanceType": self._plan.instance_type,
            "InitialInstanceCount": self._plan.instance_count,
            "InitialVariantWeight": weight,
        }

    def _make_config(self, name: str, *variants: dict[str, Any]) -> None:
        self._once(
            "CreateEndpointConfig",
            self._sagemaker.create_endpoint_config,
            EndpointConfigName=name,
            KmsKeyId=self._plan.kms_key_arn,
            ProductionVariants=list(variants),
            DataCaptureConfig={
                "EnableCapture": self._plan.data_capture_percent > 0,
                "InitialSamplingPercentage": self._plan.data_capture_percent,
                "DestinationS3Uri": self._plan.data_capture_uri,
                "KmsKeyId": self._plan.kms_key_arn,
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            },
        )

    def _once(self, operation: str, create: Any, **request: Any) -> None:
        """Create something whose name says its content: that it exists already is success."""
        try:
            with aws_errors(operation):
                create(**request)
        except Exception as error:
            already = aws_code(error) in {"ValidationException", "ResourceInUse", "ConflictException"}
            if not (already and "exist" in str(error).lower()):
                raise


def _goal(endpoint: Mapping[str, Any]) -> str:
    """The configuration that the endpoint has or will have; during an update EndpointConfigName is still the old one.

    Empty while SageMaker goes back, and where it could not: which one answers then is not sure.
    """
    if endpoint["EndpointStatus"] in {"RollingBack", "UpdateRollbackFailed"}:
        return ""
    pending: Mapping[str, Any] = endpoint.get("PendingDeploymentSummary") or {}
    return str(pending.get("EndpointConfigName") or endpoint["EndpointConfigName"])


def _variants(endpoint: Mapping[str, Any]) -> list[str]:
    return [str(variant["VariantName"]) for variant in endpoint.get("ProductionVariants", [])]


class SnsHumans:
    """`Humans` over an SNS topic."""

    def __init__(self, sns_client: Any, topic_arn: str) -> None:
        self._sns = sns_client
        self._topic_arn = topic_arn

    def tell(self, subject: str, message: str) -> None:
        """Publish a message for people; at most 100 characters of ASCII in the subject (SNS)."""
        with aws_errors("Publish"):
            self._sns.publish(TopicArn=self._topic_arn, Subject=subject[:SUBJECT_LENGTH], Message=message)
