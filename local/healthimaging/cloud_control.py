"""AWS::HealthImaging::Datastore for the Cloud Control API (CloudFormation resource schema)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from local.aws.cloud_control import ResourceError
from local.healthimaging.errors import ServiceError
from local.healthimaging.ports import Document
from local.healthimaging.service import Service
from local.healthimaging.store import new_id

TYPE_NAME = "AWS::HealthImaging::Datastore"
_WRITABLE = {"DatastoreName": "datastoreName", "KmsKeyArn": "kmsKeyArn", "Tags": "tags"}
_CODES = {
    "ResourceNotFoundException": "NotFound",
    "ConflictException": "ResourceConflict",
    "ValidationException": "InvalidRequest",
    "ServiceQuotaExceededException": "ServiceLimitExceeded",
}


class Datastore:
    """The resource type; every writable property makes a replacement, as in the registry's schema."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def create(self, properties: Document) -> tuple[str, Document]:
        """Make a data store and wait until it is active."""
        unknown = set(properties) - set(_WRITABLE)
        if unknown:
            raise ResourceError("InvalidRequestException", f"extraneous key [{sorted(unknown)[0]}] is not permitted")
        parameters = {_WRITABLE[name]: value for name, value in properties.items() if value is not None}
        identifier = _guarded(lambda: self._service.datastores.create({**parameters, "clientToken": new_id()}))
        return identifier["datastoreId"], self.read(identifier["datastoreId"])

    def read(self, identifier: str) -> Document:
        """Properties with the read-only ones."""
        body = _guarded(lambda: self._service.datastores.find(identifier))
        if body["datastoreStatus"] == "DELETED":
            raise ResourceError("ResourceNotFoundException", f"{TYPE_NAME} with identifier {identifier} was not found")
        tags = self._service.datastores.tags(body["datastoreArn"])
        found = {
            "DatastoreId": identifier,
            "DatastoreArn": body["datastoreArn"],
            "DatastoreName": body["datastoreName"],
            "DatastoreStatus": body["datastoreStatus"],
            "KmsKeyArn": body["kmsKeyArn"],
            "CreatedAt": _iso(body["createdAt"]),
            "UpdatedAt": _iso(body["updatedAt"]),
            "Tags": tags or None,
        }
        return {name: value for name, value in found.items() if value is not None}

    def update(self, identifier: str, patch: list[Document]) -> Document:
        """Refuse: there is no UpdateDatastore."""
        self.read(identifier)
        touched = sorted({str(one.get("path", "")).split("/")[1] for one in patch})
        raise ResourceError("NotUpdatableException", f"{', '.join(touched)} of {TYPE_NAME} is create-only")

    def delete(self, identifier: str) -> None:
        """Delete an empty data store."""
        self.read(identifier)
        _guarded(lambda: self._service.datastores.delete(identifier))

    def identifiers(self) -> list[str]:
        """Active data stores."""
        return [one["datastoreId"] for one in self._service.datastores.listing("ACTIVE")]


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _guarded(call: Any) -> Any:
    try:
        return call()
    except ServiceError as error:
        code = "ResourceNotFoundException" if error.code == "ResourceNotFoundException" else "GeneralServiceException"
        raise ResourceError(code, f"{_CODES.get(error.code, 'GeneralServiceException')}: {error}") from error
