"""What people do with model versions: look, compare, decide. ModelRegistry carries out and records each decision."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from operations.stack import prefix

FIGURES = ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "pr_auc", "expected_calibration_error")
DECISIONS = "decisions"
"""Partition of the metrics table (lambdas/model_registry/decisions.py)."""


class RefusedError(Exception):
    """The registry did not carry a command out; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """One stack's model registry.

    Attributes:
        group: of the model packages; the endpoint has the same name.
        function: that carries out decisions.
        table: of evaluations and decisions.
        judge: the function that compares a trial's answers with what the readers found.
    """

    group: str
    function: str
    table: str
    judge: str

    @classmethod
    def of(cls, stack: str) -> Registry:
        """By the stack's name."""
        begin = prefix(stack)
        return cls(
            group=f"{begin}-pneumonia",
            function=f"{begin}-model-registry",
            table=f"{begin}-metrics",
            judge=f"{begin}-model-evaluation",
        )

    def command(self, operation: str, version: int, reason: str, *, dry_run: bool = False) -> dict[str, Any]:
        """Have a decision carried out under the caller's name.

        Raises:
            RefusedError: there is no such version, or it is in a state that forbids the command.
        """
        actor = str(boto3.client("sts").get_caller_identity()["Arn"]).rpartition(":")[2][-128:]
        body = {"operation": operation, "version": version, "reason": reason, "actor": actor}
        return _asked(self.function, {**body, "dry_run": True} if dry_run else body)

    def trial(self, *, dry_run: bool) -> dict[str, Any]:
        """Have the trial judged; unless dry, a decision is carried out. Raises RefusedError."""
        return _asked(self.judge, {"operation": "trial", "dry_run": dry_run})

    def versions(self) -> list[dict[str, Any]]:
        """Every version, newest first, with its approval, and which one is in service."""
        client, served = boto3.client("sagemaker"), self._served()
        found = [
            client.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
            for page in client.get_paginator("list_model_packages").paginate(ModelPackageGroupName=self.group)
            for summary in page["ModelPackageSummaryList"]
        ]
        return [_version(package, served) for package in sorted(found, key=lambda p: -int(p["ModelPackageVersion"]))]

    def _served(self) -> str:
        client = boto3.client("sagemaker")
        if not client.list_endpoints(NameContains=self.group)["Endpoints"]:
            return ""
        endpoint = client.describe_endpoint(EndpointName=self.group)
        config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        model = client.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        containers = model.get("Containers") or [model["PrimaryContainer"]]
        return str(containers[0].get("ModelPackageName", ""))

    def report(self, version: int) -> dict[str, Any]:
        """evaluation.json of a version, as the pipeline wrote it. Raises RefusedError: no such version."""
        for found in self.versions():
            if found["version"] == version:
                bucket, _, key = found["evaluation_uri"].removeprefix("s3://").partition("/")
                return json.loads(boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
        raise RefusedError(f"the group has no version {version}")

    def history(self) -> list[dict[str, Any]]:
        """Every recorded decision, oldest first."""
        pages = (
            boto3.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self.table,
                KeyConditionExpression="model_version = :decisions",
                ExpressionAttributeValues={":decisions": {"S": DECISIONS}},
                ConsistentRead=True,
            )
        )
        return [
            {name: next(iter(value.values())) for name, value in item.items() if name not in _KEYS}
            for page in pages
            for item in page["Items"]
        ]


def _asked(function: str, body: dict[str, Any]) -> dict[str, Any]:
    options: Any = {"read_timeout": 900, "retries": {"total_max_attempts": 1}}  # a function's longest time; asked once
    patient = Config(**options)
    answer = boto3.client("lambda", config=patient).invoke(FunctionName=function, Payload=json.dumps(body).encode())
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RefusedError(str(said.get("errorMessage", said)))
    return said


_KEYS = ("model_version", "evaluation_timestamp")


def _version(package: dict[str, Any], served: str) -> dict[str, Any]:
    said = package.get("CustomerMetadataProperties", {})
    return {
        "version": int(package["ModelPackageVersion"]),
        "arn": package["ModelPackageArn"],
        "approval": package["ModelApprovalStatus"],
        "in_service": package["ModelPackageArn"] == served,
        "created": package["CreationTime"].isoformat(timespec="seconds"),
        "why": package.get("ApprovalDescription", ""),
        **{name: said.get(name, "") for name in ("snapshot_id", "code_commit", "code_sha256", "evaluation_uri")},
    }


def comparison(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two reports side by side, and the paired test where the second's run judged the first on its own patients.

    Args:
        first, second: evaluation.json; the second is the newer one.
    """
    judged = second.get("champion") or {}
    paired = judged.get("comparable") and judged.get("snapshot_id") == first["snapshot_id"]
    return {
        "figures": {
            name: {
                "first": first["metrics"][name],
                "second": second["metrics"][name],
                "difference": _difference(first["metrics"][name]["value"], second["metrics"][name]["value"]),
            }
            for name in FIGURES
            if name in first["metrics"] and name in second["metrics"]
        },
        "same_patients": judged if paired else None,
        "note": "" if paired else "Each was judged on its own run's patients: the differences are not paired.",
    }


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else round(second - first, 6)
