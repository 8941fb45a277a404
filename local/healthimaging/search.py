"""SearchImageSets: one or two filters, EQUAL or BETWEEN, sorted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from local.healthimaging.errors import ValidationError
from local.healthimaging.ports import Document
from local.healthimaging.wire import moment

_TIMES = ("createdAt", "updatedAt")
_RANGES = (*_TIMES, "DICOMStudyDateAndTime")
_DEFAULT_SORT = {"sortField": "updatedAt", "sortOrder": "DESC"}


def search(image_sets: list[Document], criteria: Document) -> tuple[list[Document], Document]:
    """(summaries, sort used) of the image sets that meet every filter; raises ValidationError."""
    tests = [_test(one) for one in criteria.get("filters", [])]
    sort = criteria.get("sort", _DEFAULT_SORT)
    found = [body for body in image_sets if all(test(body) for test in tests)]
    found.sort(key=lambda body: (_attribute(body, sort["sortField"]), body["imageSetId"]))
    if sort["sortOrder"] == "DESC":
        found.reverse()
    return [summary(body) for body in found], sort


def summary(body: Document) -> Document:
    """One ImageSetsMetadataSummary."""
    return {
        "imageSetId": body["imageSetId"],
        "version": body["version"],
        "createdAt": body["createdAt"],
        "updatedAt": body["updatedAt"],
        "lastAccessedAt": body["lastAccessedAt"],
        "storageTier": "FREQUENT_ACCESS",
        "DICOMTags": body["tags"],
        "isPrimary": body["isPrimary"],
    }


def _test(one: Document) -> Callable[[Document], bool]:
    names = {name for value in one["values"] for name in value}
    if len(names) != 1:
        raise ValidationError("All values of a filter must be of one attribute")
    name = names.pop()
    values = [_comparable(name, value[name]) for value in one["values"]]
    if one["operator"] == "BETWEEN":
        if name not in _RANGES or len(values) != 2:
            raise ValidationError("BETWEEN takes two values of createdAt, updatedAt or DICOMStudyDateAndTime")
        low, high = sorted(values)
        return lambda body: low <= _attribute(body, name) <= high
    if name in _RANGES:
        raise ValidationError(f"EQUAL does not take {name}")
    if len(values) != 1:
        raise ValidationError("EQUAL takes one value")
    return lambda body: _attribute(body, name) == values[0]


def _comparable(name: str, value: Any) -> Any:
    if name in _TIMES:
        return moment(value)
    if name == "DICOMStudyDateAndTime":
        return f"{value['DICOMStudyDate']}{value.get('DICOMStudyTime') or ''}"
    return value


def _attribute(body: Document, name: str) -> Any:
    if name in _TIMES or name == "isPrimary":
        return body[name]
    if name == "DICOMStudyDateAndTime":
        return f"{body['tags'].get('DICOMStudyDate', '')}{body['tags'].get('DICOMStudyTime', '')}"
    return body["tags"].get(name)
