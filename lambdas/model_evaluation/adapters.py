"""The ports over boto3."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from lambda_shared.errors import InvalidEventError, NotFoundError, aws_code, aws_errors
from model_evaluation.ports import ModelPackage

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
        if arn is None:
            return None
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

    def _package_arn(self, execution_arn: str) -> str | None:
        request: dict[str, Any] = {"PipelineExecutionArn": execution_arn}
        while True:
            with aws_errors("ListPipelineExecutionSteps"):
                page = self._sagemaker.list_pipeline_execution_steps(**request)
            for step in page["PipelineExecutionSteps"]:
                registered = step.get("Metadata", {}).get("RegisterModel", {}).get("Arn")
                if registered and step.get("StepStatus") == "Succeeded":
                    return str(registered)
            if not page.get("NextToken"):
                return None
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
