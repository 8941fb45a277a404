"""Data stores and tags."""

from __future__ import annotations

import time

from local.healthimaging.errors import ConflictError, NotFoundError, QuotaError, ValidationError
from local.healthimaging.ports import Document, Events
from local.healthimaging.store import Store, new_id

MAXIMUM = 10  # data stores per account and region
_RUNNING = ("SUBMITTED", "IN_PROGRESS")


class DataStores:
    """Operations on data stores; creation and deletion are done when the answer is given, events tell both steps."""

    def __init__(self, store: Store, events: Events, arn_prefix: str) -> None:
        self._store = store
        self._events = events
        self._arn_prefix = arn_prefix

    def arn(self, identifier: str) -> str:
        """ARN of a data store, existing or not."""
        return f"{self._arn_prefix}:datastore/{identifier}"

    def create(self, parameters: Document) -> Document:
        """CreateDatastore; the same clientToken gives the same data store."""
        token = parameters["clientToken"]
        asked = {name: value for name, value in parameters.items() if name != "clientToken"}
        with self._store.transaction():
            known = self._store.get("create-token", token)
            if known is not None:
                if known["asked"] != asked:
                    raise ConflictError("The clientToken was used with other parameters")
                return {"datastoreId": known["id"], "datastoreStatus": self.find(known["id"])["datastoreStatus"]}
            if len([one for one in self._store.all("datastore") if one["datastoreStatus"] == "ACTIVE"]) >= MAXIMUM:
                raise QuotaError(f"The account has its {MAXIMUM} data stores")
            if asked.get("losslessStorageFormat", "HTJ2K") != "HTJ2K":
                raise ValidationError("The embedded AWS stores HTJ2K only: JPEG_2000_LOSSLESS is not served")
            identifier, now = new_id(), time.time()
            body = {
                "datastoreId": identifier,
                "datastoreName": asked.get("datastoreName", identifier),
                "datastoreStatus": "ACTIVE",
                "kmsKeyArn": asked.get("kmsKeyArn"),
                "lambdaAuthorizerArn": asked.get("lambdaAuthorizerArn"),
                "losslessStorageFormat": "HTJ2K",
                "datastoreArn": self.arn(identifier),
                "createdAt": now,
                "updatedAt": now,
            }
            self._store.put("datastore", identifier, body)
            self._store.put("tags", self.arn(identifier), asked.get("tags", {}))
            self._store.put("create-token", token, {"id": identifier, "asked": asked})
        self._tell("Data Store Creating", {**body, "datastoreStatus": "CREATING"})
        self._tell("Data Store Created", body)
        return {"datastoreId": identifier, "datastoreStatus": "CREATING"}

    def find(self, identifier: str) -> Document:
        """The properties of a data store; raises NotFoundError."""
        body = self._store.get("datastore", identifier)
        if body is None:
            raise NotFoundError(f"Datastore {identifier} does not exist")
        return body

    def require_active(self, identifier: str) -> Document:
        """The properties of a data store that can be worked with."""
        body = self.find(identifier)
        if body["datastoreStatus"] != "ACTIVE":
            raise NotFoundError(f"Datastore {identifier} is {body['datastoreStatus']}")
        return body

    def listing(self, status: str | None) -> list[Document]:
        """Summaries, newest first."""
        keys = ("datastoreId", "datastoreName", "datastoreStatus", "datastoreArn", "createdAt", "updatedAt")
        found = [one for one in self._store.all("datastore") if status in (None, one["datastoreStatus"])]
        found.sort(key=lambda one: -one["createdAt"])
        return [{key: one[key] for key in keys} for one in found]

    def delete(self, identifier: str) -> Document:
        """DeleteDatastore: it must hold no image set and run no import."""
        with self._store.transaction():
            body = self.require_active(identifier)
            if self._store.all("image-set", identifier):
                raise ConflictError("The data store still holds image sets: delete them first")
            if any(job["jobStatus"] in _RUNNING for job in self._store.all("job", identifier)):
                raise ConflictError("An import job of the data store is still running")
            body |= {"datastoreStatus": "DELETED", "updatedAt": time.time()}
            self._store.put("datastore", identifier, body)
            self._store.remove("tags", self.arn(identifier))
        self._store.remove_frames_of(identifier)
        self._tell("Data Store Deleting", {**body, "datastoreStatus": "DELETING"})
        self._tell("Data Store Deleted", body)
        return {"datastoreId": identifier, "datastoreStatus": "DELETING"}

    def tags(self, arn: str) -> dict[str, str]:
        """Tags of a data store or image set; raises NotFoundError for an ARN of neither."""
        self._owner(arn)
        return self._store.get("tags", arn) or {}

    def tag(self, arn: str, tags: dict[str, str]) -> None:
        """Add or replace tags."""
        with self._store.transaction():
            self._store.put("tags", arn, {**self.tags(arn), **tags})

    def untag(self, arn: str, keys: list[str]) -> None:
        """Remove tags by key."""
        with self._store.transaction():
            self._store.put("tags", arn, {key: text for key, text in self.tags(arn).items() if key not in keys})

    def _owner(self, arn: str) -> None:
        datastore, _, image_set = arn.split(":datastore/", 1)[-1].partition("/imageset/")
        self.require_active(datastore)
        if image_set and self._store.get("image-set", image_set) is None:
            raise NotFoundError("The image set does not exist")

    def _tell(self, detail_type: str, body: Document) -> None:
        detail = {
            "imagingVersion": "1.0",
            "datastoreId": body["datastoreId"],
            "datastoreName": body["datastoreName"],
            "datastoreStatus": body["datastoreStatus"],
        }
        self._events.publish(detail_type, detail, [body["datastoreArn"]])
