"""Tags of every resource, by ARN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.errors import ValidationError
from local.sagemaker.listing import page

KIND = "Tags"
MAX_TAGS = 50


def put(context: Context, arn: str, tags: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Add or replace tags; all the tags of the resource afterwards."""
    with context.store.lock:
        merged = of(context, arn) | {tag["Key"]: tag["Value"] for tag in tags}
        if len(merged) > MAX_TAGS:
            raise ValidationError(f"A resource can have at most {MAX_TAGS} tags")
        context.store.put(KIND, arn, {"Tags": merged})
    return [{"Key": key, "Value": value} for key, value in merged.items()]


def of(context: Context, arn: str) -> dict[str, str]:
    """Tags of a resource as a mapping."""
    return (context.store.get(KIND, arn) or {"Tags": {}})["Tags"]


def forget(context: Context, arn: str) -> None:
    """The resource is gone."""
    context.store.delete(KIND, arn)


def add_tags(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """AddTags."""
    return {"Tags": put(context, request["ResourceArn"], request["Tags"])}


def list_tags(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """ListTags."""
    rows = [{"Key": key, "Value": value} for key, value in of(context, request["ResourceArn"]).items()]
    return page(rows, request, "Tags")


def delete_tags(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """DeleteTags."""
    arn, keys = request["ResourceArn"], set(request["TagKeys"])
    with context.store.lock:
        context.store.put(KIND, arn, {"Tags": {k: v for k, v in of(context, arn).items() if k not in keys}})
    return {}
