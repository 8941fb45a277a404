"""The viewer's files into the bucket behind CloudFront, as a browser is to get them.

What a page names must be there before the page: files whose names hold a hash go first, those that keep their names
follow, `index.html` comes last. Nothing is deleted: a tab that was opened before an update still loads its parts.
CloudFront keeps what must be revalidated for one second at most (its CachingOptimized policy), so it needs no
invalidation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from viewer import configuration, headers, release

PAGE: Final = "index.html"
CONFIGURATION: Final = "app-config.js"
DIGEST: Final = "sha256"
"""Metadata of each object; S3's own ETag says nothing about content that is encrypted with a KMS key."""
AT_ONCE: Final = 8


class NotPublishableError(RuntimeError):
    """The stack serves no viewer, or could not sign anybody in; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One object.

    Attributes:
        content: its bytes as they are stored, compressed as `encoding` says.
        cache_control: for browsers and CloudFront.
    """

    key: str
    content: bytes
    media_type: str
    encoding: str
    cache_control: str


def sign_in_of(outputs: Mapping[str, Any], region: str) -> configuration.SignIn:
    """Sign-in of a stack as its outputs tell it. Raises NotPublishableError."""
    address = str(outputs.get("viewer_url") or "")
    if not address:
        raise NotPublishableError("the stack serves no viewer: containers.frameProxy names no image")
    if address not in outputs["viewer_origins"]:
        raise NotPublishableError(f"nobody could sign in at {address}: api.viewerOrigins lacks it")
    return configuration.SignIn(
        issuer=f"https://cognito-idp.{region}.amazonaws.com/{outputs['user_pool_id']}",
        client_id=str(outputs["viewer_client_id"]),
        authorize_origin=f"https://{outputs['sign_in_host']}",
    )


def objects(assets: Mapping[str, release.Asset], config: str) -> list[Published]:
    """Every object, in the order in which they may appear; `config` is the text of app-config.js."""
    found = [
        Published(
            key=path,
            content=asset.file.read_bytes(),
            media_type=_with_charset(asset.media_type),
            encoding=asset.encoding,
            cache_control=headers.IMMUTABLE if asset.immutable else headers.REVALIDATE,
        )
        for path, asset in assets.items()
    ]
    found.append(
        Published(
            key=CONFIGURATION,
            content=config.encode(),
            media_type=_with_charset("text/javascript"),
            encoding="",
            cache_control=headers.REVALIDATE,
        )
    )
    return sorted(found, key=lambda one: (one.key == PAGE, one.cache_control != headers.IMMUTABLE, one.key))


def publish(s3: Any, bucket: str, wanted: list[Published]) -> list[str]:
    """Put what is new or differs; answers the keys that were put. Raises botocore's ClientError.

    Each group of `objects` is whole before the next begins.
    """
    written: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for group in _groups(wanted):
            written += [key for key in pool.map(lambda one: _put(s3, bucket, one), group) if key]
    return written


def _groups(wanted: list[Published]) -> Iterator[list[Published]]:
    """With a hash in the name, with a lasting name, the page."""
    yield [one for one in wanted if one.cache_control == headers.IMMUTABLE]
    yield [one for one in wanted if one.cache_control != headers.IMMUTABLE and one.key != PAGE]
    yield [one for one in wanted if one.key == PAGE]


def _put(s3: Any, bucket: str, one: Published) -> str:
    """Its key if it was put, "" if the bucket has it as it is."""
    digest = hashlib.sha256(one.content).hexdigest()
    wanted = {
        "ContentType": one.media_type,
        "CacheControl": one.cache_control,
        "Metadata": {DIGEST: digest},
        **({"ContentEncoding": one.encoding} if one.encoding else {}),
    }
    if _head(s3, bucket, one.key) == wanted:
        return ""
    s3.put_object(Bucket=bucket, Key=one.key, Body=one.content, ChecksumAlgorithm="SHA256", **wanted)
    return one.key


def _head(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    """What the bucket says of an object; {} where it has none."""
    try:
        known = s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey", "NotFound"}:
            return {}
        raise
    return {
        name: known[name] for name in ("ContentType", "CacheControl", "Metadata", "ContentEncoding") if name in known
    }


def _with_charset(media_type: str) -> str:
    """RFC 9239 section 4.2: scripts are UTF-8; without it a browser may take a text for another encoding."""
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type


def released_assets(cache: Path) -> dict[str, release.Asset]:
    """The release's files and our own, fetched and compressed below `cache` once. Raises release.ReleaseError."""
    return release.assets(release.fetch(cache), cache / "viewer-compressed")
