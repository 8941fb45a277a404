"""boto3 clients, made once per process and on first use, with time-outs and retries that fit a Lambda function."""

# boto3 ships no type information.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 60


@lru_cache(maxsize=32)
def client(service: str) -> Any:
    """The client of an AWS service.

    S3 requests are signed with Signature Version 4, and addressed by path when the endpoint is overridden: an
    endpoint that is an IP address has no bucket host names.
    """
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "read_timeout": READ_TIMEOUT_SECONDS,
        "retries": {"mode": "standard", "max_attempts": 4},
    }
    if service == "s3":
        options["signature_version"] = "s3v4"
        if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3"):
            options["s3"] = {"addressing_style": "path"}
    return boto3.client(service, config=Config(**options))  # pyright: ignore


@lru_cache(maxsize=32)
def table(name: str) -> Any:
    """The DynamoDB table resource of that name (it converts Python values, numbers to Decimal)."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "max_attempts": 6},
    )
    return boto3.resource("dynamodb", config=config).Table(name)  # pyright: ignore


def forget() -> None:
    """Drop all cached clients (tests change endpoints and credentials)."""
    client.cache_clear()
    table.cache_clear()
