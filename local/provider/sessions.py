"""Settings of one provider instance, and errors as sentences that carry no secret."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from .clients import Aws, connect

KEYS = (("accessKey", "aws_access_key_id"), ("secretKey", "aws_secret_access_key"), ("token", "aws_session_token"))


@dataclass(frozen=True)
class Session:
    """What `Configure` leaves behind."""

    aws: Aws
    default_tags: dict[str, str] = field(default_factory=dict)


def configure(settings: dict[str, Any]) -> Session:
    """Session of the provider settings; nested settings arrive as JSON text."""
    values: dict[str, Any] = {
        k: json.loads(v) if isinstance(v, str) and v[:1] in ("{", "[") else v for k, v in settings.items()
    }
    keys = {boto: values[own] for own, boto in KEYS if values.get(own)}
    region = values.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return Session(connect(region, **keys), (values.get("defaultTags") or {}).get("tags") or {})


def short(urn: str) -> str:
    """`name (type)` of a URN."""
    parts = urn.split("::", 3)
    return f"{parts[3]} ({parts[2].split('$')[-1]})" if len(parts) == 4 else urn


def sentence(error: Exception) -> str:
    """What went wrong; errors of this program itself carry their kind."""
    known = hasattr(error, "response") or isinstance(error, (RuntimeError, ValueError, OSError))
    return str(error) if known and str(error) else f"{type(error).__name__}: {error}"


def redacted(text: str, secret: Any) -> str:
    """The text without any of the texts inside `secret` (botocore quotes parameters in its errors)."""
    for item in sorted(_texts(secret), key=len, reverse=True):
        text = text.replace(item, "[secret]")
    return text


def _texts(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()), set())
    if isinstance(value, list):
        return set().union(*map(_texts, value), set())
    return {value} if isinstance(value, str) and len(value) > 3 else set()
