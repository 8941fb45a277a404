"""S3 as the store: no acknowledgement before S3 has compared the checksum that was made while the bytes arrived.

Each put carries the SHA-256 of the object and `If-None-Match: *`: S3 refuses damaged bytes, and a second put under a
key never makes a second version. A put whose answer was lost is tried again and then found to be there. Keys that say
their content need the rights s3:PutObject, s3:AbortMultipartUpload and s3:ListBucket; others s3:GetObject as well.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from services.store_scp.configuration import S3
from services.store_scp.spool import Body
from services.store_scp.stores import Mode, Outcome, StoreError, joined

CONTENT_TYPE: Final = "application/dicom"
_EXISTS: Final = frozenset({"PreconditionFailed", "412"})
_RACE: Final = frozenset({"ConditionalRequestConflict", "409"})


def client_for(settings: S3, connections: int) -> Any:
    """A client that gives up within the configured time: the sender is told then, and sends again."""
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        config=Config(
            connect_timeout=min(5.0, settings.timeout_seconds),
            read_timeout=settings.timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": settings.attempts},
            max_pool_connections=connections,
            tcp_keepalive=True,
        ),
    )


class S3Store:
    """Objects in a bucket, under the bucket's default encryption or a named key."""

    def __init__(self, settings: S3, client: Any, prefix: str) -> None:
        self._settings = settings
        self._client = client
        self._prefix = prefix

    def put(self, key: str, body: Body, mode: Mode) -> Outcome:
        """See `Store.put`."""
        try:
            if body.size > self._settings.multipart_bytes:
                self._put_parts(key, body, replace=mode is Mode.REPLACE)
            else:
                self._put_whole(key, body, replace=mode is Mode.REPLACE)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _EXISTS:
                return Outcome.IDENTICAL if mode is Mode.ADDRESSED else self._compare(key, body)
            reason = "another writer holds the key" if code in _RACE else f"S3 answered {code[:40]}"
            raise StoreError(reason) from None
        except BotoCoreError as error:
            raise StoreError(f"S3 was not reached ({type(error).__name__})") from None
        return Outcome.STORED

    def _common(self, key: str) -> dict[str, Any]:
        encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._settings.kms_key_id}
            if self._settings.kms_key_id
            else {}
        )
        return {"Bucket": self._settings.bucket, "Key": key, **encryption}

    def _put_whole(self, key: str, body: Body, *, replace: bool) -> None:
        whole = body.in_memory
        answer = self._client.put_object(
            **self._common(key),
            Body=bytes(whole) if whole is not None else joined(body.chunks()),
            ContentType=CONTENT_TYPE,
            ChecksumSHA256=body.sha256_base64,
            **({} if replace else {"IfNoneMatch": "*"}),
        )
        if answer.get("ChecksumSHA256") != body.sha256_base64:
            raise StoreError("S3 did not confirm the checksum")

    def _put_parts(self, key: str, body: Body, *, replace: bool) -> None:
        started = self._client.create_multipart_upload(
            **self._common(key), ContentType=CONTENT_TYPE, ChecksumAlgorithm="SHA256"
        )
        upload = {"Bucket": self._settings.bucket, "Key": key, "UploadId": started["UploadId"]}
        try:
            self._send_parts(upload, body, replace=replace)
        except BaseException:
            self._abandon(upload)
            raise

    def _send_parts(self, upload: dict[str, Any], body: Body, *, replace: bool) -> None:
        parts: list[dict[str, Any]] = []
        digests = b""
        for number, chunk in enumerate(body.chunks(self._settings.part_bytes), start=1):
            digest = hashlib.sha256(chunk).digest()
            checksum = base64.b64encode(digest).decode()
            sent = self._client.upload_part(**upload, PartNumber=number, Body=bytes(chunk), ChecksumSHA256=checksum)
            parts.append({"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum})
            digests += digest
        answer = self._client.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": parts}, **({} if replace else {"IfNoneMatch": "*"})
        )
        if answer.get("ChecksumSHA256") != _composite(digests, len(parts)):
            raise StoreError("S3 did not confirm the checksum")

    def _abandon(self, upload: dict[str, Any]) -> None:
        """Parts cost money until they are taken away; the bucket's lifecycle rule catches what this misses."""
        try:
            self._client.abort_multipart_upload(**upload)
        except (ClientError, BotoCoreError):
            return

    def _compare(self, key: str, body: Body) -> Outcome:
        """What is under the key already: the answer to a put that was tried twice, or to an instance sent twice."""
        try:
            kept = self._client.head_object(Bucket=self._settings.bucket, Key=key, ChecksumMode="ENABLED")
        except (ClientError, BotoCoreError) as error:
            raise StoreError(
                f"S3 has the key and could not be asked for its checksum ({type(error).__name__})"
            ) from None
        mine = {body.sha256_base64}
        if body.size > self._settings.multipart_bytes:
            mine.add(self._composite_of(body))
        return Outcome.IDENTICAL if kept.get("ChecksumSHA256") in mine else Outcome.CONFLICT

    def _composite_of(self, body: Body) -> str:
        digests = [hashlib.sha256(chunk).digest() for chunk in body.chunks(self._settings.part_bytes)]
        return _composite(b"".join(digests), len(digests))

    def holds(self, prefix: str) -> bool:
        """See `Store.holds`: a listing, so the right to read objects is not needed."""
        try:
            found = self._client.list_objects_v2(Bucket=self._settings.bucket, Prefix=prefix, MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise StoreError(f"S3 could not be asked ({type(error).__name__})") from None
        return bool(found.get("KeyCount", 0))

    def check(self) -> None:
        """See `Store.check`: a listing; that puts work is shown by every put."""
        try:
            self._client.list_objects_v2(Bucket=self._settings.bucket, Prefix=f"{self._prefix}/", MaxKeys=1)
        except (ClientError, BotoCoreError) as error:
            raise StoreError(f"S3 is not reachable ({type(error).__name__})") from None


def _composite(digests: bytes, parts: int) -> str:
    """The checksum that S3 gives an object made of parts: the digest of the parts' digests, and their number."""
    return f"{base64.b64encode(hashlib.sha256(digests).digest()).decode()}-{parts}"
