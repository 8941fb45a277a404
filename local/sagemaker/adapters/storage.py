"""S3 as one principal, by boto3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.sagemaker.ports import StorageError, StoredObject

_SERVER_ERROR = 500


class BotoStore:
    """ObjectStore (see ports) on a boto3 client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """Every object under a prefix, in key order."""
        with _refusals():
            for part in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in part.get("Contents") or []:
                    yield StoredObject(item["Key"], item["Size"])

    def download(self, bucket: str, key: str, path: Path) -> None:
        """Write one object to a file."""
        with _refusals(), path.open("wb") as target:
            for chunk in self._client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(1 << 20):
                target.write(chunk)

    def upload(self, path: Path, bucket: str, key: str, kms_key: str | None = None) -> None:
        """Put one file."""
        with _refusals(), path.open("rb") as source:
            self._client.put_object(Bucket=bucket, Key=key, Body=source, **_encryption(kms_key))

    def read(self, bucket: str, key: str) -> bytes:
        """Content of one object."""
        with _refusals():
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def write(self, bucket: str, key: str, content: bytes, kms_key: str | None = None) -> None:
        """Put one object."""
        with _refusals():
            self._client.put_object(Bucket=bucket, Key=key, Body=content, **_encryption(kms_key))


def _encryption(kms_key: str | None) -> dict[str, str]:
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        detail = error.response["Error"]
        raise StorageError(detail["Code"], detail.get("Message", ""), temporary=status >= _SERVER_ERROR) from error
    except BotoCoreError as error:
        raise StorageError(type(error).__name__, str(error), temporary=True) from error
