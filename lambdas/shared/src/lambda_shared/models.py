"""Which model is in service, as the registry says it."""

from __future__ import annotations

from typing import Any

from lambda_shared.errors import aws_errors


def newest_approved(sagemaker_client: Any, group: str) -> str | None:
    """ARN of the group's newest approved package, which is the model in service; None where none is approved yet.

    Raises:
        TransientError: SageMaker did not answer.
    """
    with aws_errors("ListModelPackages"):
        found = sagemaker_client.list_model_packages(
            ModelPackageGroupName=group,
            ModelApprovalStatus="Approved",
            SortBy="CreationTime",
            SortOrder="Descending",
            MaxResults=1,
        )["ModelPackageSummaryList"]
    return str(found[0]["ModelPackageArn"]) if found else None
