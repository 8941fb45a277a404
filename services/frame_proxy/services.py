"""What the routes work with, and the two questions that each of them asks first: who is it, and whose study is it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from imaging.pseudonym import Pseudonymizer
from services.frame_proxy import image_sets
from services.frame_proxy.audit import Audit, Read
from services.frame_proxy.cache import SharedCache
from services.frame_proxy.directory import Directory, ImageSet
from services.frame_proxy.errors import ProxyError, not_found
from services.frame_proxy.frames import Frames
from services.frame_proxy.gate import PersonGate
from services.frame_proxy.healthimaging import HealthImaging
from services.frame_proxy.identity import Person, Verifier
from services.frame_proxy.image_sets import Contents, Instance, Series
from services.frame_proxy.metrics import Metrics
from services.frame_proxy.scope import Scope
from services.frame_proxy.settings import Settings


@dataclass(frozen=True)
class Study:
    """A study as far as one person may see it."""

    uid: str = field(repr=False)
    study_key: str
    rows: tuple[ImageSet, ...]


def permitted(rows: tuple[ImageSet, ...], scope: frozenset[str] | None) -> bool:
    """Whether a study lies within a scope (None: every patient). The one place where this is decided.

    All of its patients must be assigned, as the API asks too: a study mixes patients only by mistake.
    """
    return bool(rows) and (scope is None or all(row.patient_key in scope for row in rows))


@dataclass(frozen=True)
class Services:
    """One process."""

    settings: Settings
    verifier: Verifier
    scope: Scope
    audit: Audit
    upstream: HealthImaging
    directory: Directory
    contents: SharedCache[tuple[str, int], Contents]
    frames: Frames
    persons: PersonGate
    pseudonymizer: Pseudonymizer
    metrics: Metrics

    @property
    def studies_url(self) -> str:
        """Where studies are, as viewers see it."""
        return f"{self.settings.public_url.rstrip('/')}{self.settings.root}/studies"

    async def study(self, person: Person, name: str) -> Study:
        """A study, if it lies within a person's scope.

        Whoever is not an administrator gets the same answer for a study of another patient and for none at all.

        Raises:
            ProxyError: 403, 404, or what upstream and the assignments answer.
        """
        scope = await self.scope.patients(person)
        rows = await self.directory.study(name)
        if scope is None and not rows:
            raise not_found("there is no such study")
        if not permitted(rows, scope):
            raise ProxyError(403, "NOT_ASSIGNED", "no such study is assigned to you")
        return Study(rows[0].study_uid, rows[0].study_key, rows)

    async def visible(self, person: Person) -> Iterable[tuple[ImageSet, ...]]:
        """Every study within a person's scope, as image sets. Raises ProxyError."""
        scope = await self.scope.patients(person)
        return [rows for rows in self.directory.studies() if permitted(rows, scope)]

    async def contents_of(self, row: ImageSet) -> Contents:
        """What is in an image set. Raises ProxyError."""

        async def load() -> Contents:
            document = await self.upstream.metadata(row.image_set_id, row.version)
            url = self.studies_url if self.settings.public_url else ""
            return await asyncio.to_thread(
                image_sets.read, document, version=row.version, pseudonymizer=self.pseudonymizer, studies_url=url
            )

        return await self.contents.load((row.image_set_id, row.version), load)

    async def series(self, study: Study, uid: str) -> list[tuple[ImageSet, Series]]:
        """A series, which HealthImaging may have split over image sets. Raises ProxyError 404."""
        found: list[tuple[ImageSet, Series]] = []
        for row in self._candidates(study, uid):
            series = (await self.contents_of(row)).series.get(uid)
            if series is not None:
                found.append((row, series))
        if not found:
            raise not_found("the study has no such series")
        return found

    async def instance(self, study: Study, series_uid: str, uid: str) -> tuple[ImageSet, Instance]:
        """An instance and the image set that holds it. Raises ProxyError 404."""
        for row in self._candidates(study, series_uid):
            contents = self.contents.get((row.image_set_id, row.version)) or await self.contents_of(row)
            series = contents.series.get(series_uid)
            if series is not None and uid in series.instances:
                return row, series.instances[uid]
        raise not_found("the series has no such instance")

    async def all_series(self, study: Study) -> list[tuple[ImageSet, Series]]:
        """Every series of a study. Raises ProxyError."""
        return [(row, one) for row in study.rows for one in (await self.contents_of(row)).series.values()]

    def record(self, person: Person | None, action: str, study_name: str, code: str) -> None:
        """Audit a refusal; the study by its pseudonym, whatever it was named by."""
        key = self.pseudonymizer.pseudonym("study", study_name) if study_name and person is not None else ""
        self.audit.note(Read(person.subject if person else "", action, key, code))

    @staticmethod
    def _candidates(study: Study, series_uid: str) -> Iterable[ImageSet]:
        """Image sets that may hold a series, the one whose summary names it first."""
        return sorted(study.rows, key=lambda row: row.tags.get("DICOMSeriesInstanceUID") != series_uid)
