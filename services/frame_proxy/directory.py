"""Which studies the data store holds: its primary image sets, listed once and kept up to date.

SearchImageSets is limited to 25 calls a second for all tasks together and cannot filter by what a worklist asks (name
with wildcards, modality, a set of patients). So the list is held here: one call every few seconds brings what changed,
and a study that is not in it yet is looked up by its UID.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from imaging.pseudonym import Pseudonymizer, subject
from services.frame_proxy.errors import ProxyError

_FULL_SECONDS: Final = 300.0
# Clocks differ and an update may become searchable late: changes are asked from a little before the last look on.
_OVERLAP_SECONDS: Final = 120.0
_UNKNOWN_SECONDS: Final = 3.0
_KEEP_UNKNOWN: Final = 10_000

Document = dict[str, Any]


class Searching(Protocol):
    """What the directory needs of HealthImaging."""

    def search(self, criteria: Document) -> AsyncIterator[Document]:
        """Summaries of image sets."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """One primary image set; `tags` holds PHI and is not printed.

    Attributes:
        updated: epoch seconds.
        tags: DICOM attributes of the search summary by HealthImaging's names.
    """

    image_set_id: str
    version: int
    study_uid: str = field(repr=False)
    patient_key: str
    study_key: str
    updated: float
    tags: Document = field(repr=False)


class Directory:
    """Image sets by study; reads are immediate, `refresh` runs in the background."""

    def __init__(
        self, upstream: Searching, pseudonymizer: Pseudonymizer, clock: Callable[[], float] = time.time
    ) -> None:
        self._upstream = upstream
        self._pseudonymizer = pseudonymizer
        self._clock = clock
        self._rows: dict[str, ImageSet] = {}
        self._studies: dict[str, dict[str, ImageSet]] = {}
        self._uids: dict[str, str] = {}
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._listed = float("-inf")
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_listed(self) -> bool:
        """Whether the whole list has been read once: before that a worklist would be incomplete."""
        return self._listed > float("-inf")

    def studies(self) -> Iterable[tuple[ImageSet, ...]]:
        """Every study as its image sets."""
        return [tuple(rows.values()) for rows in self._studies.values()]

    async def study(self, name: str) -> tuple[ImageSet, ...]:
        """Image sets of a study, named by its UID or by its pseudonym; empty when there is none. Raises ProxyError."""
        rows = self.held(name)
        uid = self._uids.get(name, name)
        if not rows and self._is_new(uid):
            await self._look_up(uid)
            rows = self.held(name)
        return rows

    def held(self, name: str) -> tuple[ImageSet, ...]:
        """What the list has of a study now."""
        rows = self._studies.get(self._uids.get(name, name))
        return tuple(rows.values()) if rows else ()

    async def refresh(self) -> None:
        """Bring the list up to date. Raises ProxyError; the list then stays as it was."""
        async with self._lock:
            now = self._clock()
            if now - self._listed >= _FULL_SECONDS:
                rows = [row async for row in self._search({"sort": {"sortField": "updatedAt", "sortOrder": "ASC"}})]
                self._rows, self._studies, self._uids = {}, {}, {}
                for row in rows:
                    self._put(row)
                self._listed = now
            else:
                values = [{"updatedAt": self._looked - _OVERLAP_SECONDS}, {"updatedAt": now + _OVERLAP_SECONDS}]
                async for row in self._search({"filters": [{"values": values, "operator": "BETWEEN"}]}):
                    self._put(row)
            self._looked = now

    def _is_new(self, uid: str) -> bool:
        return self._clock() - self._unknown.get(uid, float("-inf")) >= _UNKNOWN_SECONDS

    async def _look_up(self, uid: str) -> None:
        criteria = {"filters": [{"values": [{"DICOMStudyInstanceUID": uid}], "operator": "EQUAL"}]}
        found = [row async for row in self._search(criteria)]
        for row in found:
            self._put(row)
        if not found:
            self._unknown[uid] = self._clock()
            self._unknown.move_to_end(uid)
            if len(self._unknown) > _KEEP_UNKNOWN:
                self._unknown.popitem(last=False)

    async def _search(self, criteria: Document) -> AsyncIterator[ImageSet]:
        async for summary in self._upstream.search(criteria):
            row = self._row(summary)
            if row is not None:
                yield row

    def _row(self, summary: Document) -> ImageSet | None:
        tags: Document = summary.get("DICOMTags") or {}
        uid = str(tags.get("DICOMStudyInstanceUID") or "")
        if not uid or summary.get("isPrimary") is False:
            return None
        patient = subject(str(tags.get("DICOMPatientId") or ""), uid)
        return ImageSet(
            image_set_id=str(summary["imageSetId"]),
            version=int(summary["version"]),
            study_uid=uid,
            patient_key=self._pseudonymizer.pseudonym("patient", patient),
            study_key=self._pseudonymizer.pseudonym("study", uid),
            updated=float(summary.get("updatedAt") or 0),
            tags=tags,
        )

    def _put(self, row: ImageSet) -> None:
        before = self._rows.get(row.image_set_id)
        if before is not None and before.version > row.version:
            return  # a page that was read earlier
        if before is not None and before.study_uid != row.study_uid:
            self._take_out(before)
        self._rows[row.image_set_id] = row
        self._studies.setdefault(row.study_uid, {})[row.image_set_id] = row
        self._uids[row.study_key] = row.study_uid

    def _take_out(self, row: ImageSet) -> None:
        rows = self._studies[row.study_uid]
        del rows[row.image_set_id]
        if not rows:
            del self._studies[row.study_uid]
            self._uids.pop(row.study_key, None)


def require_listed(directory: Directory) -> None:
    """Raises ProxyError 503 until the list is whole."""
    if not directory.is_listed:
        raise ProxyError(503, "STARTING", "the list of studies is being read", retry_after=1)
