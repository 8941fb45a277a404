"""The tracking table: status only forward, whatever order events come in."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from lambda_shared.tracking import BEFORE, FINAL, STATUSES, TrackedImage, object_id

T0, T1 = "2026-11-21T12:00:00.000000Z", "2026-11-21T12:00:01.000000Z"


def register(tracking: Any, name: str = "a", **values: Any) -> TrackedImage:
    return tracking.register(TrackedImage(object_id=name, upload_key="upload/a", etag="e", received_at=T0, **values))


def test_the_identity_is_the_content_and_not_the_delivery() -> None:
    assert object_id("b", "k", '"e"') == object_id("b", "k", "e")
    assert len({object_id("b", "k", "e"), object_id("b", "k", "f"), object_id("b", "l", "e")}) == 3
    assert len(object_id("b", "k", "e")) == 32


def test_registering_twice_keeps_what_is_known(tracking: Any) -> None:
    register(tracking)
    tracking.advance("a", "VALIDATED", {"study_key": "s"}, T1)
    assert register(tracking).status == "VALIDATED"
    assert tracking.get("a").received_at == T0


@pytest.mark.parametrize(("start", "target"), list(itertools.product(STATUSES, STATUSES)))
def test_every_move_is_allowed_forward_only(tracking: Any, tracking_table: Any, start: Any, target: Any) -> None:
    tracking_table.put_item(Item={"object_id": "a", "status": start, "updated_at": T0})
    moved = tracking.advance("a", target, {"reason_code": "x"}, T1) if target != "RECEIVED" else False
    assert moved is (start in BEFORE[target])
    assert tracking.get("a").status == (target if moved else start)
    if start in FINAL:
        assert not moved, "a final state is final"


def test_a_refused_move_writes_nothing_at_all(tracking: Any) -> None:
    register(tracking)
    assert tracking.advance("a", "IMPORTED", {"image_set_id": "x"}, T1) is False
    assert (tracking.get("a").image_set_id, tracking.get("a").updated_at) == ("", T0)


def test_an_annotation_needs_an_item_and_cannot_move_the_status(tracking: Any) -> None:
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        tracking.annotate("nobody", {"deid_status": "REFUSED"}, T1)
    with pytest.raises(ValueError, match="advance"):
        tracking.annotate("a", {"status": "IMPORTED"}, T1)
    assert tracking.get("nobody") is None


def test_many_ids_are_read_in_batches_and_repeats_count_once(tracking: Any) -> None:
    names = [f"id{number}" for number in range(230)]
    for name in names[:205]:
        register(tracking, name)
    found = tracking.statuses([*names, *names])
    assert sorted(found) == sorted(names[:205])


def test_lists_by_status_stop_at_the_deadline(tracking: Any) -> None:
    register(tracking, "old")
    register(tracking, "new")
    tracking.annotate("new", {"etag": "f"}, T1)
    assert [image.object_id for image in tracking.with_status("RECEIVED", T1)] == ["old"]


def test_a_page_of_the_index_is_not_the_end(tracking: Any, tracking_table: Any) -> None:
    for number in range(30):
        tracking_table.put_item(
            Item={
                "object_id": f"o{number}",
                "study_key": "s",
                "status": "VALIDATED",
                "updated_at": T0,
                "reason": "x" * 60_000,
            }
        )
    assert len(tracking.study_members("s")) == 30


def test_unknown_attributes_of_a_later_version_are_ignored() -> None:
    assert TrackedImage.from_item({"object_id": "a", "added_later": 1, "rows": 8}).rows == 8
