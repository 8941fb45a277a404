"""Filters, order and pages that the List* actions share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from local.sagemaker.errors import ValidationError

MAX_PAGE = 100


def select(
    records: Iterable[dict[str, Any]], request: Mapping[str, Any], *, name: str, time: str = "CreationTime"
) -> list[dict[str, Any]]:
    """Apply NameContains, Created/LastModified bounds, SortBy Name|CreationTime and SortOrder (default Descending)."""
    chosen = list(records)
    if fragment := request.get("NameContains"):
        chosen = [r for r in chosen if fragment.lower() in str(r[name]).lower()]
    if (after := request.get("CreationTimeAfter", request.get("CreatedAfter"))) is not None:
        chosen = [r for r in chosen if r[time] >= float(after)]
    if (before := request.get("CreationTimeBefore", request.get("CreatedBefore"))) is not None:
        chosen = [r for r in chosen if r[time] <= float(before)]
    key = name if request.get("SortBy") == "Name" else time
    # sorted() is stable: records of the same instant keep their order of creation, reversed as a whole if descending.
    chosen.sort(key=lambda r: r[key])
    return chosen if request.get("SortOrder", "Descending") == "Ascending" else chosen[::-1]


def page(records: list[dict[str, Any]], request: Mapping[str, Any], member: str) -> dict[str, Any]:
    """One page {member: [...], NextToken?}. Raises ValidationError for a token that was not given out."""
    size = min(int(request.get("MaxResults") or MAX_PAGE), MAX_PAGE)
    start = _offset(request.get("NextToken"))
    answer: dict[str, Any] = {member: records[start : start + size]}
    if start + size < len(records):
        answer["NextToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return answer


def pick(record: Mapping[str, Any], *members: str) -> dict[str, Any]:
    """Those of the members that the record has."""
    return {member: record[member] for member in members if member in record}


def _offset(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error) as error:
        raise ValidationError("NextToken is not one that this service gave out") from error
