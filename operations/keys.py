"""Keys of a stack: does each rotate, when did it last, and rotate one now.

A KMS key keeps its id when its material rotates, and decrypts what older material encrypted: nothing is encrypted
again, nothing has to be told. What rotating does not do is shut out who holds data keys already.
https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

PSEUDONYM: Final = "pseudonym"
WHY_NOT_PSEUDONYM: Final = (
    "The pseudonym key is not rotated: with another key the same patient is another one. Training and test sets would "
    "share patients, the second reader would not meet the first one's study, and nothing older could be found for a "
    "patient who asks. If it leaked, it is replaced with the whole research zone: docs/OPERATIONS.md, Pseudonyms."
)


class RotationError(RuntimeError):
    """A key that cannot be rotated; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One customer-managed key.

    Attributes:
        name: its alias without the stack's prefix: the data class.
        state: `Enabled`, or what else KMS says.
        period_days: how often it rotates by itself; None when it does not.
        following: when it will next.
        rotations: when it did, newest first; None where KMS does not tell.
    """

    name: str
    key_id: str
    state: str
    period_days: int | None
    following: datetime | None
    rotations: list[datetime] | None = field(default=None)

    def faults(self) -> Iterator[str]:
        """What is wrong with it, for people."""
        if self.state != "Enabled":
            yield f"it is {self.state}"
        if self.period_days is None:
            yield "it does not rotate"

    def said(self) -> str:
        """A line for people."""
        last = "unknown" if self.rotations is None else f"{self.rotations[0]:%Y-%m-%d}" if self.rotations else "never"
        following = f", next {self.following:%Y-%m-%d}" if self.following else ""
        period = f"every {self.period_days} days" if self.period_days else "by hand only"
        faults = "".join(f"; {fault}" for fault in self.faults())
        return f"{self.name:<16} {self.key_id}  rotates {period}{following}, last {last}{faults}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "key_id": self.key_id,
            "state": self.state,
            "period_days": self.period_days,
            "next": self.following,
            "rotations": self.rotations,
            "faults": list(self.faults()),
        }


def keys(kms: Any, prefix: str) -> list[Key]:
    """Every key with an alias `alias/PREFIX-...`: those of the stack's data, and that of its secrets in the state."""
    begin = f"alias/{prefix}-"
    pages = kms.get_paginator("list_aliases").paginate()
    named = {
        str(one["AliasName"]).removeprefix(begin): str(one["TargetKeyId"])
        for page in pages
        for one in page["Aliases"]
        if str(one["AliasName"]).startswith(begin) and "TargetKeyId" in one
    }
    return [_key(kms, name, key_id) for name, key_id in sorted(named.items())]


def chosen(found: list[Key], name: str) -> list[Key]:
    """The key of that name, or all. Raises RotationError for one that is not there, or that cannot be rotated."""
    if name == PSEUDONYM:
        raise RotationError(WHY_NOT_PSEUDONYM)
    wanted = [one for one in found if name in {one.name, "all"}]
    if not wanted:
        raise RotationError(f"There is no key {name}; there are {', '.join(one.name for one in found) or 'none'}.")
    if shut := [one.name for one in wanted if one.state != "Enabled"]:
        raise RotationError(f"Not enabled, so not rotated: {', '.join(shut)}. Nothing was changed.")
    return wanted


def rotate(kms: Any, key: Key) -> None:
    """New material for new data, now; the yearly rotation goes on as it was. Raises RotationError when KMS refuses."""
    try:
        kms.rotate_key_on_demand(KeyId=key.key_id)
    except ClientError as error:
        said = error.response["Error"]
        raise RotationError(f"{key.name} was not rotated: {said['Code']}: {said['Message']}") from error


def _key(kms: Any, name: str, key_id: str) -> Key:
    status = kms.get_key_rotation_status(KeyId=key_id)
    rotates = bool(status["KeyRotationEnabled"])
    return Key(
        name=name,
        key_id=key_id,
        state=str(kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]),
        period_days=int(status.get("RotationPeriodInDays", 365)) if rotates else None,
        following=status.get("NextRotationDate"),
        rotations=_rotations(kms, key_id),
    )


def _rotations(kms: Any, key_id: str) -> list[datetime] | None:
    try:
        told = kms.list_key_rotations(KeyId=key_id)["Rotations"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"UnknownOperation", "UnknownOperationException", "InvalidAction"}:
            return None  # the embedded AWS keeps no history of rotations
        raise
    return sorted((one["RotationDate"] for one in told), reverse=True)
