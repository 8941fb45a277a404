"""What the service needs from its surroundings; ministack gives it in one place, tests give it in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

Document = dict[str, Any]


class StoredObject(NamedTuple):
    """One S3 object of a listing; `size` in bytes."""

    key: str
    size: int


class RoleStorage(Protocol):
    """S3 with the rights of one data access role; methods raise StorageError."""

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """Every object below the prefix."""
        ...

    def read(self, bucket: str, key: str) -> bytes:
        """A whole object."""
        ...

    def write(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Put an object."""
        ...


class StorageError(Exception):
    """S3 refused; `code` is S3's error code."""

    def __init__(self, code: str, operation: str) -> None:
        super().__init__(f"{code} when calling {operation}")
        self.code = code


class Roles(Protocol):
    """IAM roles that the service may act as."""

    def assume(self, role_arn: str, session_name: str) -> RoleStorage:
        """Act as the role; raises AccessDeniedError if it does not trust the service, ValidationError if unknown."""
        ...


class Events(Protocol):
    """The account's default event bus."""

    def publish(self, detail_type: str, detail: Document, resources: list[str]) -> None:
        """Send one event of source aws.medical-imaging."""
        ...


class Access(Protocol):
    """IAM for the caller of the request in progress."""

    def require(self, action: str, resource: str) -> None:
        """Return if the caller may; raises AccessDeniedError."""
        ...
