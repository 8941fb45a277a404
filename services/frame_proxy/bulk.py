"""Values that metadata offers by URI: .../instances/{instance}/bulkdata/{tag}[/{item}/{tag}...]."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from typing import Any, Protocol, cast

from services.frame_proxy.dicom_json import is_base64, tag_of
from services.frame_proxy.directory import ImageSet
from services.frame_proxy.errors import not_found
from services.frame_proxy.image_sets import Instance

Document = dict[str, Any]


class BulkSource(Protocol):
    """What this needs of HealthImaging."""

    def metadata(self, image_set: str, version: int) -> Awaitable[Document]:
        """The metadata document."""
        ...

    def bulk_data(self, study: str, series: str, instance: str, name: str) -> Awaitable[bytes]:
        """A value that the store keeps apart."""
        ...


async def value(upstream: BulkSource, row: ImageSet, instance: Instance, path: str) -> bytes:
    """The bytes of a value. Raises ProxyError 404 when the path leads to none."""
    document = await upstream.metadata(row.image_set_id, row.version)
    found = _walk(_attributes(document, instance), path.split("/"))
    if isinstance(found, dict):
        uri = str(cast("Document", found).get("BulkDataURI") or "")
        return await upstream.bulk_data(row.study_uid, instance.series_uid, instance.uid, uri.rsplit("/", 1)[-1])
    if not isinstance(found, str):
        raise not_found("there is no such bulk data")
    return base64.b64decode(found) if is_base64(found) else found.encode()


def _attributes(document: Document, instance: Instance) -> Document:
    """All levels of an instance by tag."""
    series = document["Study"]["Series"].get(instance.series_uid)
    if series is None or instance.uid not in series["Instances"]:
        raise not_found("there is no such instance")
    levels = (
        document["Patient"]["DICOM"],
        document["Study"]["DICOM"],
        series.get("DICOM", {}),
        series["Instances"][instance.uid]["DICOM"],
    )
    return {name: content for level in levels for name, content in level.items()}


def _walk(values: Any, path: list[str]) -> Any:
    """The value below a path of tags and item numbers, or None."""
    for step in path:
        if isinstance(values, dict):
            named = cast("Document", values)
            values = next((content for name, content in named.items() if tag_of(name) == step), None)
        elif isinstance(values, list) and step.isdigit():
            items = cast("list[Any]", values)
            values = items[int(step)] if int(step) < len(items) else None
        else:
            return None
    return values
