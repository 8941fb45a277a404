"""Model registry: groups, versioned packages, approval (AWS API reference, CreateModelPackage and neighbours)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.sagemaker import events, tags
from local.sagemaker.context import Context
from local.sagemaker.errors import ConflictError, NotFoundError, ValidationError
from local.sagemaker.listing import page, pick, select
from local.sagemaker.names import MODEL_PACKAGE_ARN, last
from local.sagemaker.state import Record

GROUP, PACKAGE = "ModelPackageGroup", "ModelPackage"
APPROVALS = ("PendingManualApproval", "Approved", "Rejected")
_CALLER_MEMBERS = {"Tags", "ClientToken"}
_SUMMARY = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelLifeCycle",
)


def create_group(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateModelPackageGroup."""
    name = request["ModelPackageGroupName"]
    if context.store.get(GROUP, name):
        raise ValidationError(f"Model Package Group already exists: {context.scope.arn('model-package-group', name)}")
    arn = context.scope.arn("model-package-group", name)
    context.store.put(
        GROUP,
        name,
        {
            **pick(request, "ModelPackageGroupName", "ModelPackageGroupDescription"),
            "ModelPackageGroupArn": arn,
            "CreationTime": context.clock.now(),
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
            "NextVersion": 1,
        },
    )
    tags.put(context, arn, request.get("Tags") or [])
    return {"ModelPackageGroupArn": arn}


def describe_group(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeModelPackageGroup."""
    return {k: v for k, v in _group(context, request["ModelPackageGroupName"]).items() if k != "NextVersion"}


def list_groups(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListModelPackageGroups."""
    members = ("ModelPackageGroupDescription", "CreationTime", "ModelPackageGroupStatus")
    rows = [
        pick(group, "ModelPackageGroupName", "ModelPackageGroupArn", *members)
        for group in select(context.store.all(GROUP), request, name="ModelPackageGroupName")
    ]
    return page(rows, request, "ModelPackageGroupSummaryList")


def delete_group(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DeleteModelPackageGroup: only an empty group can go."""
    group = _group(context, request["ModelPackageGroupName"])
    name = group["ModelPackageGroupName"]
    if any(package["ModelPackageGroupName"] == name for package in context.store.all(PACKAGE)):
        raise ConflictError(f"Model package group {name} still contains model packages")
    context.store.delete(GROUP, name)
    tags.forget(context, group["ModelPackageGroupArn"])
    return {}


def create_package(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateModelPackage: the next version of a group. Idempotent by ClientToken."""
    if "ModelPackageGroupName" not in request:
        raise ValidationError("Only versioned model packages (with ModelPackageGroupName) are supported")
    status = request.get("ModelApprovalStatus", "PendingManualApproval")
    if status not in APPROVALS:
        raise ValidationError(f"ModelApprovalStatus must be one of {', '.join(APPROVALS)}")
    with context.store.lock:
        group = _group(context, last(request["ModelPackageGroupName"]))
        name, version = group["ModelPackageGroupName"], group["NextVersion"]
        token = request.get("ClientToken")
        for package in context.store.all(PACKAGE) if token else []:
            if package.get("ClientToken") == token:
                return {"ModelPackageArn": package["ModelPackageArn"]}
        arn, now = context.scope.package(name, version), context.clock.now()
        package = context.store.put(
            PACKAGE,
            arn,
            {
                **{k: v for k, v in request.items() if k not in _CALLER_MEMBERS},
                **({"ClientToken": token} if token else {}),
                "ModelPackageGroupName": name,
                "ModelPackageVersion": version,
                "ModelPackageArn": arn,
                "CreationTime": now,
                "LastModifiedTime": now,
                "ModelPackageStatus": "Completed",
                "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
                "ModelApprovalStatus": status,
            },
        )
        context.store.update(GROUP, name, NextVersion=version + 1)
    tags.put(context, arn, request.get("Tags") or [])
    events.package_changed(context, package)
    return {"ModelPackageArn": arn}


def describe_package(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeModelPackage."""
    package = require_package(context, request["ModelPackageName"])
    return {k: v for k, v in package.items() if k != "ClientToken"}


def update_package(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateModelPackage: approval, its description, customer metadata."""
    known = {
        "ModelPackageArn",
        "ModelApprovalStatus",
        "ApprovalDescription",
        "CustomerMetadataProperties",
        "CustomerMetadataPropertiesToRemove",
    }
    if unknown := sorted(set(request) - known):
        raise ValidationError(f"UpdateModelPackage: {unknown[0]} is not supported by the embedded SageMaker")
    with context.store.lock:
        package = require_package(context, request["ModelPackageArn"])
        status = request.get("ModelApprovalStatus", package["ModelApprovalStatus"])
        if status not in APPROVALS:
            raise ValidationError(f"ModelApprovalStatus must be one of {', '.join(APPROVALS)}")
        metadata = package.get("CustomerMetadataProperties", {}) | request.get("CustomerMetadataProperties", {})
        for key in request.get("CustomerMetadataPropertiesToRemove") or []:
            metadata.pop(key, None)
        changed = context.store.update(
            PACKAGE,
            package["ModelPackageArn"],
            ModelApprovalStatus=status,
            ApprovalDescription=request.get("ApprovalDescription", package.get("ApprovalDescription")),
            CustomerMetadataProperties=metadata or None,
            LastModifiedTime=context.clock.now(),
        )
    events.package_changed(context, changed)
    return {"ModelPackageArn": package["ModelPackageArn"]}


def list_packages(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListModelPackages of a group, by approval status."""
    packages = context.store.all(PACKAGE)
    if "ModelPackageGroupName" in request:
        group = _group(context, last(request["ModelPackageGroupName"]))["ModelPackageGroupName"]
        packages = [package for package in packages if package["ModelPackageGroupName"] == group]
    if status := request.get("ModelApprovalStatus"):
        packages = [package for package in packages if package["ModelApprovalStatus"] == status]
    if request.get("ModelPackageType", "Versioned") == "Unversioned":
        packages = []
    rows = [pick(package, *_SUMMARY) for package in select(packages, request, name="ModelPackageGroupName")]
    return page(rows, request, "ModelPackageSummaryList")


def delete_package(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DeleteModelPackage; the version number is never given again."""
    arn = require_package(context, request["ModelPackageName"])["ModelPackageArn"]
    context.store.delete(PACKAGE, arn)
    tags.forget(context, arn)
    return {}


def require_package(context: Context, name: str) -> Record:
    """The package with this ARN. Raises ValidationError as the service does."""
    package = context.store.get(PACKAGE, name) if MODEL_PACKAGE_ARN.search(name) else None
    if package is None:
        raise ValidationError(f"ModelPackage {name} does not exist")
    return package


def _group(context: Context, name: str) -> Record:
    group = context.store.get(GROUP, last(name))
    if group is None:
        raise NotFoundError(f"ModelPackageGroup {name} does not exist")
    return group
