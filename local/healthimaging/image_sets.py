"""Image sets: reading, deleting, and taking in what an import job brings.

One series is one image set. The first import of a study makes its image sets primary; an instance whose patient or
study elements disagree with the study's goes to a non-primary image set. A later import of the same series makes
the next version of the primary image set, an instance of the same UID replaced.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from local.healthimaging import metadata
from local.healthimaging.errors import NotFoundError
from local.healthimaging.ports import Document, Events
from local.healthimaging.store import Store, new_id

_ACCESS_NOTED_EVERY_SECONDS = 60.0


class Prepared(NamedTuple):
    """One instance to take in, its frames already on disk: `sources` are the keys of its files, `frames` are
    (frame id, content type)."""

    sources: tuple[str, ...]
    study_uid: str
    series_uid: str
    instance_uid: str
    fingerprint: str
    levels: Document
    frames: list[tuple[str, str]]


class Outcome(NamedTuple):
    """What became of a group of instances."""

    image_set: str
    version: int
    is_primary: bool
    instances: list[Prepared]
    created: bool


class ImageSets:
    """Operations on image sets."""

    def __init__(self, store: Store, events: Events, arn_prefix: str) -> None:
        self._store = store
        self._events = events
        self._arn_prefix = arn_prefix

    def arn(self, data_store: str, image_set: str) -> str:
        """ARN of an image set, existing or not."""
        return f"{self._arn_prefix}:datastore/{data_store}/imageset/{image_set}"

    def find(self, data_store: str, image_set: str) -> Document:
        """The properties of an image set's newest version; raises NotFoundError."""
        body = self._store.get("image-set", image_set)
        if body is None or body["datastoreId"] != data_store:
            raise NotFoundError(f"ImageSet {image_set} does not exist in datastore {data_store}")
        return body

    def properties(self, data_store: str, image_set: str, version: str | None) -> Document:
        """GetImageSet."""
        body = self.find(data_store, image_set)
        shown = self._version(image_set, version or str(body["version"]))
        return {
            "datastoreId": data_store,
            "imageSetId": image_set,
            "versionId": shown["versionId"],
            "imageSetState": body["imageSetState"],
            "imageSetWorkflowStatus": shown["ImageSetWorkflowStatus"],
            "createdAt": body["createdAt"],
            "updatedAt": shown["updatedAt"],
            "imageSetArn": self.arn(data_store, image_set),
            "isPrimary": body["isPrimary"],
            "lastAccessedAt": body["lastAccessedAt"],
            "storageTier": "FREQUENT_ACCESS",
        }

    def versions(self, data_store: str, image_set: str) -> list[Document]:
        """ListImageSetVersions, newest first."""
        self.find(data_store, image_set)
        return self._store.versions(image_set)

    def metadata(self, data_store: str, image_set: str, version: str | None) -> bytes:
        """GetImageSetMetadata: gzip JSON."""
        body = self.find(data_store, image_set)
        packed = self._store.metadata(image_set, int(version or body["version"]))
        if packed is None:
            raise NotFoundError(f"ImageSet {image_set} has no version {version}")
        return packed

    def frame(self, data_store: str, image_set: str, frame: str) -> tuple[bytes, str]:
        """GetImageFrame: (codestream, content type)."""
        body = self.find(data_store, image_set)
        found = self._store.frame(data_store, image_set, frame)
        if found is None:
            raise NotFoundError(f"ImageFrame {frame} does not exist in ImageSet {image_set}")
        now = time.time()
        if now - body["lastAccessedAt"] > _ACCESS_NOTED_EVERY_SECONDS:
            with self._store.transaction():
                fresh = self._store.get("image-set", image_set)
                if fresh is not None:
                    self._store.put("image-set", image_set, {**fresh, "lastAccessedAt": now}, data_store)
        return found

    def delete(self, data_store: str, image_set: str) -> Document:
        """DeleteImageSet; done when the answer is given."""
        body = self.find(data_store, image_set)
        self._store.remove_image_set(data_store, image_set)
        self._store.remove("tags", self.arn(data_store, image_set))
        self._tell("Image Set Deleting", body, state="LOCKED", status="DELETING")
        self._tell("Image Set Deleted", body, state="DELETED", status="DELETED")
        return {
            "datastoreId": data_store,
            "imageSetId": image_set,
            "imageSetState": "LOCKED",
            "imageSetWorkflowStatus": "DELETING",
        }

    def take_in(self, data_store: str, instances: Iterable[Prepared]) -> list[Outcome]:
        """Make or extend image sets; run it in a transaction together with the job's own state."""
        groups: dict[tuple[str, str, str], list[Prepared]] = {}
        for one in instances:
            groups.setdefault((one.study_uid, one.series_uid, one.fingerprint), []).append(one)
        existing = self._store.all("image-set", data_store)
        outcomes = []
        for (study_uid, series_uid, fingerprint), members in groups.items():
            study = [one for one in existing if one["studyUid"] == study_uid and one["isPrimary"]]
            primary = not study or study[0]["fingerprint"] == fingerprint
            same = [
                one
                for one in existing
                if (one["studyUid"], one["seriesUid"], one["fingerprint"]) == (study_uid, series_uid, fingerprint)
                and one["isPrimary"] == primary
            ]
            outcome, body = self._write(data_store, members, same[0] if same else None, is_primary=primary)
            if outcome.created:
                existing.append(body)
            outcomes.append(outcome)
        return outcomes

    def announce(self, data_store: str, outcomes: Iterable[tuple[str, bool]]) -> None:
        """Events for image sets that a job made (True) or extended (False); after the transaction."""
        for image_set, created in outcomes:
            body = self._store.get("image-set", image_set)
            if body is None:
                continue
            status = "CREATED" if created else "UPDATED"
            self._tell(f"Image Set {status.capitalize()}", {**body, "datastoreId": data_store}, "ACTIVE", status)

    def _write(
        self, data_store: str, members: list[Prepared], known: Document | None, *, is_primary: bool
    ) -> tuple[Outcome, Document]:
        now = time.time()
        first = members[0]
        image_set = known["imageSetId"] if known else new_id()
        version = known["version"] + 1 if known else 1
        packed = self._store.metadata(image_set, known["version"]) if known else None
        document = metadata.unpack(packed) if packed else metadata.empty(data_store, image_set)
        for one in members:
            metadata.merge(document, one.levels, one.series_uid, one.instance_uid)
            for frame, content_type in one.frames:
                self._store.add_frame(data_store, image_set, frame, content_type)
        body = {
            "datastoreId": data_store,
            "imageSetId": image_set,
            "version": version,
            "imageSetState": "ACTIVE",
            "isPrimary": is_primary,
            "studyUid": first.study_uid,
            "seriesUid": first.series_uid,
            "fingerprint": first.fingerprint,
            "createdAt": known["createdAt"] if known else now,
            "updatedAt": now,
            "lastAccessedAt": now,
            "tags": metadata.search_tags(document),
        }
        properties = {
            "imageSetId": image_set,
            "versionId": str(version),
            "imageSetState": "ACTIVE",
            "ImageSetWorkflowStatus": "UPDATED" if known else "CREATED",
            "createdAt": body["createdAt"],
            "updatedAt": now,
            "isPrimary": is_primary,
        }
        self._store.put("image-set", image_set, body, data_store)
        self._store.put_version(image_set, version, properties, metadata.pack(document))
        return Outcome(image_set, version, is_primary, members, created=known is None), body

    def _version(self, image_set: str, version: str) -> Document:
        shown = self._store.version(image_set, int(version))
        if shown is None:
            raise NotFoundError(f"ImageSet {image_set} has no version {version}")
        return shown

    def _tell(self, detail_type: str, body: Document, state: str, status: str) -> None:
        detail = {
            "imagingVersion": "1.0",
            "isPrimary": body["isPrimary"],
            "imageSetVersion": str(body["version"]),
            "datastoreId": body["datastoreId"],
            "imagesetId": body["imageSetId"],
            "imageSetState": state,
            "imageSetWorkflowStatus": status,
        }
        self._events.publish(detail_type, detail, [self.arn(body["datastoreId"], body["imageSetId"])])
