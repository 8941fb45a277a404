"""The canary: what it tells when the image does not come through, and that it is taken out again whatever happened."""

# ruff: noqa: N803  (names of boto3)
from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest

from lambda_shared.tracking import TrackedImage
from operations.canary import Canary, CanaryError, Store, image

STORE = Store(landing="landing", research="research", table="tracking")
IMPORTED = {
    **{"object_id": "o", "upload_key": "upload/c", "validated_key": "validated/s/i", "processed_key": "deidentified/i"},
    **{
        "status": "IMPORTED",
        "deid_status": "DEIDENTIFIED",
        "datastore_id": "d",
        "image_set_id": "i",
        "import_token": "t",
    },
}


class GoneError(Exception):
    """ResourceNotFoundException."""


class Account:
    """S3 with versions, one table and one archive, as far as the canary asks."""

    exceptions = type("exceptions", (), {"ResourceNotFoundException": GoneError})

    def __init__(self, item: dict[str, str], *, sticky: bool = False) -> None:
        self.item: dict[str, str] | None = item
        self.sticky = sticky
        self.objects = {
            *(
                ("landing", key, version)
                for key in ("upload/c", "validated/s/i", "import-input/t/1")
                for version in "12"
            ),
            ("research", "deidentified/i", "1"),
            ("landing", "upload/of-somebody", "1"),
        }
        self.image_sets = {"i"}

    def __call__(self, service: str) -> Account:
        return self

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": {key: {"S": value} for key, value in self.item.items()}} if self.item else {}

    def delete_item(self, **_: Any) -> None:
        self.item = None

    def get_paginator(self, _: str) -> Account:
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        found = [one for one in sorted(self.objects) if one[0] == Bucket and one[1].startswith(Prefix)]
        rows = [{"Key": key, "VersionId": version} for _, key, version in found]
        return [{"Versions": rows[:1]}, {"DeleteMarkers": rows[1:]}]

    def delete_object(self, *, Bucket: str, Key: str, VersionId: str) -> None:
        if not self.sticky:
            self.objects.discard((Bucket, Key, VersionId))

    def head_object(self, **_: Any) -> None: ...

    def delete_image_set(self, *, datastoreId: str, imageSetId: str) -> None:
        self.image_sets.discard(imageSetId)

    def get_image_set(self, *, datastoreId: str, imageSetId: str) -> dict[str, str]:
        if imageSetId not in self.image_sets:
            raise GoneError
        return {"imageSetState": "ACTIVE"}


def fly(account: Account, monkeypatch: pytest.MonkeyPatch, *, seconds: float = 30) -> Canary:
    canary = Canary(store=STORE, client=account, say=lambda _: None)

    def uploaded(key: str, data: bytes) -> str:
        canary._last = TrackedImage(object_id="o", upload_key="upload/c")
        return "o"

    monkeypatch.setattr(canary, "_upload", uploaded)
    monkeypatch.setattr(canary, "_read", lambda _: None)
    monkeypatch.setattr("operations.canary.time.sleep", lambda _: None)
    canary.fly(seconds)
    return canary


def only_somebodys(account: Account) -> bool:
    return account.objects == {("landing", "upload/of-somebody", "1")} and account.item is None


def test_an_image_that_came_through_is_gone_afterwards_in_all_its_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account(IMPORTED)
    canary = fly(account, monkeypatch)
    assert {"imported", "removed"} <= set(canary.seconds)
    assert only_somebodys(account)
    assert not account.image_sets


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": "QUARANTINED", "reason_code": "PIXELS_SHORT"}, "PIXELS_SHORT"),
        ({"deid_status": "REFUSED"}, "REFUSED"),
        ({"status": "VALIDATED"}, "it is VALIDATED"),
    ],
    ids=["quarantined", "no-research-copy", "too-late"],
)
def test_an_image_that_did_not_come_through_is_told_and_removed(
    change: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(IMPORTED | change)
    with pytest.raises(CanaryError, match=says):
        fly(account, monkeypatch, seconds=0.05)
    assert only_somebodys(account)


def test_what_is_left_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CanaryError, match="still there: s3://landing/upload/c"):
        fly(Account(IMPORTED, sticky=True), monkeypatch)


def test_the_image_is_one_that_ingestion_takes_and_nobodys() -> None:
    first, second = (pydicom.dcmread(io.BytesIO(image())) for _ in range(2))
    assert first.PatientName == "CANARY^VALIDATION"
    assert first.StudyInstanceUID != second.StudyInstanceUID
    assert len(first.PixelData) == first.Rows * first.Columns * 2
