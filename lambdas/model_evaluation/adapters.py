"""The ports over boto3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lambda_shared import trials
from lambda_shared.errors import InvalidEventError, NotFoundError, aws_code, aws_errors
from lambda_shared.models import newest_approved
from model_evaluation.ports import ModelPackage, Trial

CHUNK_BYTES = 1024 * 1024
"""A captured line holds an image: botocore would put each together from a thousand chunks of a kilobyte."""
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


class SageMakerRegistry:
    """`Registry` over SageMaker."""

    def __init__(self, sagemaker_client: Any, group: str) -> None:
        self._sagemaker = sagemaker_client
        self._group = group

    def package_of(self, execution_arn: str) -> ModelPackage | None:
        """The package that an execution registered; None when it registered none.

        Raises:
            InvalidEventError: the package is of another group, or lacks what the pipeline must say about it.
        """
        arn = self._package_arn(execution_arn)
        return None if arn is None else self._package(arn)

    def in_service(self) -> ModelPackage | None:
        """The newest approved package, which is the one in service; None where nothing is approved yet."""
        arn = newest_approved(self._sagemaker, self._group)
        return None if arn is None else self._package(arn)

    def _package(self, arn: str) -> ModelPackage:
        with aws_errors("DescribeModelPackage"):
            found = self._sagemaker.describe_model_package(ModelPackageName=arn)
        if found["ModelPackageGroupName"] != self._group:
            raise InvalidEventError("FOREIGN_MODEL", "the model package belongs to another group")
        said: dict[str, str] = found.get("CustomerMetadataProperties", {})
        try:
            return ModelPackage(
                arn=arn,
                version=int(found["ModelPackageVersion"]),
                model_uri=found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"],
                test_set_uri=said["test_set_uri"],
                evaluation_uri=said["evaluation_uri"],
                snapshot_id=said["snapshot_id"],
                code_sha256=said["code_sha256"],
            )
        except KeyError as error:
            raise InvalidEventError("MODEL_PACKAGE", f"the model package does not say {error}") from None

    def billable_seconds(self, execution_arn: str) -> float:
        """Machine seconds that the execution's training jobs are billed for, over all their machines.

        A Spot job is billed for less than it ran; what it is billed for costs the price of a machine on demand.
        https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html
        """
        total = 0.0
        for metadata in self._succeeded(execution_arn):
            if arn := metadata.get("TrainingJob", {}).get("Arn"):
                with aws_errors("DescribeTrainingJob"):
                    job = self._sagemaker.describe_training_job(TrainingJobName=arn.rsplit("/", 1)[-1])
                total += job["BillableTimeInSeconds"] * job["ResourceConfig"].get("InstanceCount", 1)
        return total

    def _package_arn(self, execution_arn: str) -> str | None:
        found = (metadata.get("RegisterModel", {}).get("Arn") for metadata in self._succeeded(execution_arn))
        return next((str(arn) for arn in found if arn), None)

    def _succeeded(self, execution_arn: str) -> Iterator[dict[str, Any]]:
        """What each succeeded step of an execution made."""
        request: dict[str, Any] = {"PipelineExecutionArn": execution_arn}
        while True:
            with aws_errors("ListPipelineExecutionSteps"):
                page = self._sagemaker.list_pipeline_execution_steps(**request)
            for step in page["PipelineExecutionSteps"]:
                if step.get("StepStatus") == "Succeeded":
                    yield step.get("Metadata", {})
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]


class S3Artifacts:
    """`Artifacts` over S3; only the platform's two research-side buckets may be named by a model package."""

    def __init__(self, s3_client: Any, buckets: frozenset[str]) -> None:
        self._s3 = s3_client
        self._buckets = buckets

    def read(self, uri: str) -> bytes:
        """A small file's bytes."""
        bucket, key = self._split(uri)
        try:
            with aws_errors("GetObject"):
                data: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except Exception as error:
            raise self._reason(error) from None
        return data

    def download(self, uri: str, path: Path) -> None:
        """Write a file to a local path."""
        bucket, key = self._split(uri)
        try:
            with aws_errors("GetObject"):
                self._s3.download_file(bucket, key, str(path))
        except Exception as error:
            raise self._reason(error) from None

    def _split(self, uri: str) -> tuple[str, str]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or bucket not in self._buckets or not key:
            raise InvalidEventError("FOREIGN_ARTIFACT", "an artifact lies outside the platform's buckets")
        return bucket, key

    @staticmethod
    def _reason(error: Exception) -> Exception:
        if aws_code(error) in MISSING:
            return NotFoundError("ARTIFACT_MISSING", "an artifact that the model package names does not exist")
        return error


class SageMakerEndpoint:
    """`Endpoint` over SageMaker."""

    def __init__(self, sagemaker_client: Any, name: str) -> None:
        self._sagemaker = sagemaker_client
        self._name = name

    def trial(self) -> Trial | None:
        """The trial that is under way; None where there is none, or the endpoint is changing."""
        try:
            with aws_errors("DescribeEndpoint"):
                found = self._sagemaker.describe_endpoint(EndpointName=self._name)
        except Exception as error:
            if aws_code(error) == "ValidationException":  # nothing was ever deployed
                return None
            raise
        pair = trials.pair_of(found["EndpointConfigName"])
        if pair is None or found["EndpointStatus"] != "InService":
            return None
        weights = {one["VariantName"]: float(one["CurrentWeight"]) for one in found["ProductionVariants"]}
        share = weights.get(trials.CHALLENGER, 0.0) / sum(weights.values())
        if not 0 < share < 1:
            return None  # one of the arms is asked nothing: there is no comparison
        return Trial(champion=pair[0], challenger=pair[1], share=share, since=found["LastModifiedTime"])


class S3Captures:
    """`CaptureStore` over S3: <prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/*.jsonl."""

    def __init__(self, s3_client: Any, uri: str, endpoint: str) -> None:
        self._s3 = s3_client
        self._bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix.strip('/')}/{endpoint}/"

    def lines(self, hour: datetime) -> Iterator[str]:
        """The captured lines of one hour, of all variants; streamed, since a line holds an image."""
        for variant in self._variants():
            for key in self._keys(f"{variant}{hour:%Y/%m/%d/%H}/"):
                with aws_errors("GetObject"):
                    body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
                for line in body.iter_lines(chunk_size=CHUNK_BYTES):
                    yield line.decode("utf-8", "replace")

    def _variants(self) -> list[str]:
        with aws_errors("ListObjectsV2"):
            found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, Delimiter="/")
        return [str(item["Prefix"]) for item in found.get("CommonPrefixes", [])]

    def _keys(self, prefix: str) -> Iterator[str]:
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        while True:
            with aws_errors("ListObjectsV2"):
                page = self._s3.list_objects_v2(**request)
            yield from (str(item["Key"]) for item in page.get("Contents", []))
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]


class DynamoMetricsTable:
    """`MetricsTable` over a DynamoDB table resource."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def write(self, model_version: str, evaluation_timestamp: str, values: dict[str, Any]) -> None:
        """Write one evaluation; floats are stored as Decimal."""
        item = {
            name: Decimal(str(round(value, 6))) if isinstance(value, float) else value for name, value in values.items()
        }
        with aws_errors("PutItem"):
            self._table.put_item(
                Item={**item, "model_version": model_version, "evaluation_timestamp": evaluation_timestamp}
            )
