"""S3 answers a put with the checksum that came with it, as AWS does; ministack compares it and keeps silent.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html#API_PutObject_ResponseElements
"""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

from typing import Any

_PREFIX = "x-amz-checksum-"


def install() -> None:
    """Patch ministack's PutObject."""
    from ministack.services import s3

    put = s3._put_object

    def with_checksums(bucket: str, key: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        status, answer, content = put(bucket, key, body, headers)
        if status == 200:
            answer |= {name: value for name, value in headers.items() if name.startswith(_PREFIX)}
        return status, answer, content

    s3._put_object = with_checksums
