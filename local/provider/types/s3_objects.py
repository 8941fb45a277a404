"""Objects that the program uploads (training code, configuration)."""

from __future__ import annotations

import base64

from ..bundle import zip_bytes
from ..clients import Aws
from ..kind import Values, is_gone
from ..objects import Object, tag_map


class BucketObject(Object):
    """Content from `source` (asset), `content` or `contentBase64`; drift of the content shows by its ETag."""

    pulumi_type = "aws:s3/bucketObjectv2:BucketObjectv2"
    service, taggable, replaces = "s3", True, "bucket key"
    local = "source content contentBase64 sourceHash forceDestroy etag tags"
    rename = {"kmsKeyId": "SSEKMSKeyId", "acl": "ACL", "websiteRedirect": "WebsiteRedirectLocation"}
    create_op, read_op, delete_op = "put_object", "head_object", "delete_object"
    keys = {"Bucket": "{bucket}", "Key": "{key}"}
    id_at = "{bucket}/{key}"
    outputs = {
        "arn": "arn:aws:s3:::{bucket}/{key}",
        "versionId": "VersionId",
        "contentType": "ContentType",
        "serverSideEncryption": "ServerSideEncryption",
        "storageClass": "StorageClass || 'STANDARD'",
    }

    def create_args(self, aws: Aws, new: Values) -> Values:
        tags = "&".join(f"{_quote(k)}={_quote(v)}" for k, v in (new.get("tagsAll") or {}).items())
        return super().create_args(aws, new) | {"Body": _content(new), **({"Tagging": tags} if tags else {})}

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        etag = body["ETag"].strip('"')
        foreign = "etag" in known and known["etag"] != etag
        for own in ("source", "content", "contentBase64"):
            if own in known:
                found[own] = f"changed outside: {etag}" if foreign else known[own]
        found["etag"] = etag
        if "BucketKeyEnabled" in body:
            found["bucketKeyEnabled"] = body["BucketKeyEnabled"]
        if body.get("SSEKMSKeyId"):
            found["kmsKeyId"] = body["SSEKMSKeyId"]

    def read_tags(self, aws: Aws, target: str, body: Values) -> Values:
        bucket, _, key = target.removeprefix("arn:aws:s3:::").partition("/")
        return tag_map(self.call(aws, "get_object_tagging", Bucket=bucket, Key=key)["TagSet"])

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        self.call(aws, "put_object", **self.create_args(aws, new))

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        """All versions, as the real provider does."""
        pages = aws.client("s3").get_paginator("list_object_versions").paginate(Bucket=old["bucket"], Prefix=old["key"])
        try:
            versions = [v for page in pages for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        except Exception as error:
            if is_gone(error):
                return
            raise
        for version in versions:
            if version["Key"] == old["key"]:
                where = {"Bucket": old["bucket"], "Key": old["key"], "VersionId": version["VersionId"]}
                self.call(aws, "delete_object", **where)


def _content(new: Values) -> bytes:
    if new.get("source") is not None:
        return zip_bytes(new["source"])
    if new.get("contentBase64") is not None:
        return base64.b64decode(new["contentBase64"])
    return str(new.get("content") or "").encode()


def _quote(text: str) -> str:
    from urllib.parse import quote

    return quote(str(text), safe="")
