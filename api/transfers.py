"""`Delivery` over S3: presigned URLs of Signature Version 4, and uploads in parts."""

from __future__ import annotations

from typing import Any

from api.ports import DownloadPlace, Part, Transfer
from lambda_shared.errors import NotFoundError, aws_code, aws_errors

MEBIBYTE = 1024**2
SMALLEST_PART = 16 * MEBIBYTE
"""Above S3's own 5 MiB: fewer requests, and a part that has to be sent again is still small."""
MOST_PARTS = 10_000
GONE = frozenset({"404", "NoSuchKey", "NotFound"})


class S3Delivery:
    """Downloads from validated/, uploads in parts to upload/."""

    def __init__(self, s3_client: Any, bucket: str, seconds: int) -> None:
        self._s3 = s3_client
        self._bucket = bucket
        self._seconds = seconds

    def download(self, key: str, file_name: str) -> DownloadPlace | None:
        """A place to fetch a key from, under a neutral file name; None when there is no such object."""
        size = self._size(key)
        if size is None:
            return None
        url: str = self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key,
                "ResponseContentType": "application/dicom",
                "ResponseContentDisposition": f'attachment; filename="{file_name}"',
                "ResponseCacheControl": "no-store",
            },
            ExpiresIn=self._seconds,
        )
        return DownloadPlace(url=url, size_bytes=size, expires_in_seconds=self._seconds)

    def begin(self, upload_id: str, size_bytes: int) -> Transfer:
        """Begin an upload in parts."""
        with aws_errors("CreateMultipartUpload"):
            answer = self._s3.create_multipart_upload(
                Bucket=self._bucket, Key=_key(upload_id), ContentType="application/dicom"
            )
        return Transfer(transfer_id=str(answer["UploadId"]), part_bytes=part_bytes(size_bytes))

    def part_url(self, upload_id: str, transfer_id: str, number: int, md5: str) -> str:
        """Where a part goes; S3 takes only bytes of this digest."""
        url: str = self._s3.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self._bucket,
                "Key": _key(upload_id),
                "UploadId": transfer_id,
                "PartNumber": number,
                "ContentMD5": md5,
            },
            ExpiresIn=self._seconds,
        )
        return url

    def parts(self, upload_id: str, transfer_id: str) -> list[Part]:
        """The parts that arrived, by number. Raises NotFoundError for an upload that is unknown or over."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Key": _key(upload_id), "UploadId": transfer_id}
        found: list[Part] = []
        while True:
            try:
                with aws_errors("ListParts"):
                    page = self._s3.list_parts(**request)
            except Exception as error:
                if aws_code(error) == "NoSuchUpload":
                    raise NotFoundError("UNKNOWN_TRANSFER", "no upload in parts goes by these ids") from None
                raise
            found += [
                Part(number=int(part["PartNumber"]), etag=str(part["ETag"]), size_bytes=int(part["Size"]))
                for part in page.get("Parts", [])
            ]
            if not page.get("IsTruncated"):
                return sorted(found, key=lambda part: part.number)
            request["PartNumberMarker"] = page["NextPartNumberMarker"]

    def complete(self, upload_id: str, transfer_id: str, parts: list[Part]) -> None:
        """Make the parts one object."""
        with aws_errors("CompleteMultipartUpload"):
            self._s3.complete_multipart_upload(
                Bucket=self._bucket,
                Key=_key(upload_id),
                UploadId=transfer_id,
                MultipartUpload={"Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in parts]},
            )

    def exists(self, upload_id: str, size_bytes: int) -> bool:
        """Whether the upload is an object already."""
        return self._size(_key(upload_id)) == size_bytes

    def _size(self, key: str) -> int | None:
        try:
            with aws_errors("HeadObject"):
                head = self._s3.head_object(Bucket=self._bucket, Key=key)
        except Exception as error:
            if aws_code(error) in GONE:
                return None
            raise
        return int(head["ContentLength"])


def part_bytes(size_bytes: int) -> int:
    """Size of a part: whole mebibytes, and never more than S3's 10,000 parts."""
    smallest = -(-size_bytes // MOST_PARTS)
    return max(SMALLEST_PART, -(-smallest // MEBIBYTE) * MEBIBYTE)


def _key(upload_id: str) -> str:
    return f"upload/{upload_id}.dcm"
