# ruff: noqa: PLR0917 - fixtures arrive as arguments
"""Import requests: quiet studies packed together, nothing in two jobs, and a crash at any step repeated safely."""

from __future__ import annotations

from typing import Any

import pytest

from image_ingestion.batches import batch_token
from image_ingestion.imports import Imports
from image_ingestion.models import ImportRequest
from lambda_shared.errors import TransientError

UPLOADS = "proj-local-training-data-111122223333"
STUDY = "a" * 32
OTHER_STUDY = "b" * 32
T1 = "2026-11-21T12:00:01.000000Z"


def test_a_quiet_study_is_imported_once_however_often_the_message_comes(
    tracking: Any, member: Any, service: Any, meter: Any, ask: Any, staged: Any
) -> None:
    images = [member("m1"), member("m2")]
    assert [ask(), ask(), ask()] == ["started", "already-started", "already-started"]
    assert service.starts == 1
    assert {tracking.get(name).import_job_id for name in ("m1", "m2")} == {"job0"}
    assert meter.counts == {"ImportJobStarted": 1}
    token = batch_token(images)
    assert staged() == {f"{token}/m1.dcm": b"m1", f"{token}/m2.dcm": b"m2"}, "the job's folder holds these only"


def test_a_message_older_than_the_newest_member_is_dropped(member: Any, service: Any, ask: Any) -> None:
    member("m1")
    member("m2", at="2026-11-21T12:00:05.000000Z")
    assert ask(T1) == "superseded"
    assert ask("2026-11-21T12:00:06.000000Z") == "started"
    assert service.starts == 1


def test_quiet_studies_of_one_invocation_share_a_job(
    imports: Imports, member: Any, tracking: Any, service: Any
) -> None:
    member("m1")
    member("m2", study=OTHER_STUDY)
    messages = [ImportRequest(study_key=study, enqueued_at=T1) for study in (STUDY, OTHER_STUDY, STUDY)]
    assert imports.request(messages) == {STUDY: "started", OTHER_STUDY: "started"}
    assert service.starts == 1
    assert tracking.get("m1").import_job_id == tracking.get("m2").import_job_id == "job0"


def test_a_study_that_fails_does_not_hold_up_the_others(imports: Imports, member: Any) -> None:
    member("m1")
    messages = [ImportRequest(study_key=study, enqueued_at=T1) for study in (STUDY, OTHER_STUDY)]
    answers = imports.request(messages)
    assert answers[STUDY] == "started"
    assert isinstance(answers[OTHER_STUDY], TransientError)


def test_a_late_arrival_is_imported_alone(
    imports: Imports, tracking: Any, member: Any, service: Any, clock: Any, ask: Any, output: Any, staged: Any
) -> None:
    member("m1")
    ask()
    late = member("m2", at=T1)
    clock.forward(100)  # m1's update by the finished job is now newer than m2's message
    output.success("m1")
    imports.finished(service.described())
    assert ask(T1) == "started"
    assert service.starts == 2
    assert [name for name in staged() if name.startswith(batch_token([late]))] == [f"{batch_token([late])}/m2.dcm"]


CRASH_POINTS = ["put", "claim_for_import", "copy", "start", "note_import_job"]


@pytest.mark.parametrize("point", CRASH_POINTS)
@pytest.mark.parametrize("after", [False, True], ids=["before the effect", "after the effect"])
def test_a_crash_at_any_step_of_a_batch_brings_no_image_into_two_jobs(
    imports: Imports,
    tracking: Any,
    member: Any,
    service: Any,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    after: bool,
    ask: Any,
) -> None:
    member("m1")
    member("m2")
    owner: Any = {"put": imports.batches.store, "copy": imports.batches.store, "start": service}.get(point, tracking)
    real = getattr(owner, point)

    def crash(*args: Any) -> None:
        if after:
            real(*args)
        raise TransientError("InternalServerError", "away")

    with monkeypatch.context() as patched:
        patched.setattr(owner, point, crash)
        with pytest.raises(TransientError):
            ask()
    assert ask() in {"started", "already-started"}
    held = [image.object_id for token in service.jobs for image in imports.batches.members(token)]
    assert sorted(held) == ["m1", "m2"], "each image in one job, whose token makes a second start the same job"
    assert all(tracking.get(name).import_job_id for name in held)


def test_a_throttled_start_waits_in_the_queue_and_goes_on_with_its_batch(
    member: Any, service: Any, queue: Any, meter: Any, ask: Any
) -> None:
    member("m1")
    service.throttled = True
    assert ask() == "throttled"
    assert [(study, delay) for study, _, delay in queue.sent] == [(STUDY, 30)]
    assert "DataStoreErrors" not in meter.counts
    assert ask() == "throttled", "a batch that was staged before waits in the same way"
    service.throttled = False
    assert ask() == "started"


def test_a_study_the_index_does_not_show_comes_again(member: Any, ask: Any) -> None:
    with pytest.raises(TransientError):
        ask()
    member("m1")
    with pytest.raises(TransientError):
        ask(object_id="f" * 32)


def test_an_image_of_another_job_is_not_taken_from_it(
    imports: Imports, tracking: Any, member: Any, service: Any
) -> None:
    stale = member("m1")
    assert tracking.claim_for_import(stale, "another", T1)
    assert imports.batches.launch([stale]) == 0
    assert service.starts == 0
    assert not tracking.release_from_import("m1", "a third", 1, T1)
    assert tracking.release_from_import("m1", "another", 1, T1)
    assert not tracking.claim_for_import(stale, "late", T1), "it was given back after `stale` was read"


def test_an_upload_that_is_gone_is_quarantined_and_the_others_are_imported(
    tracking: Any, member: Any, s3: Any, ask: Any
) -> None:
    member("m1")
    member("m2")
    for version in s3.list_object_versions(Bucket=UPLOADS, Prefix="upload/m1")["Versions"]:
        s3.delete_object(Bucket=UPLOADS, Key="upload/m1.dcm", VersionId=version["VersionId"])
    assert ask() == "started"
    assert (tracking.get("m1").status, tracking.get("m1").reason_code) == ("QUARANTINED", "OBJECT_MISSING")
    assert tracking.get("m2").import_job_id == "job0"


@pytest.mark.parametrize("at_once", [True, False], ids=["while it is imported", "afterwards"])
def test_the_same_content_sent_twice_is_not_imported_twice(
    imports: Imports, tracking: Any, member: Any, service: Any, queue: Any, at_once: bool, ask: Any, output: Any
) -> None:
    member("m1", image="i1", content="c1")
    if at_once:
        member("m2", image="i1", content="c1")
        assert ask() == "started"
        assert len(queue.sent) == 1, "the second asks again when the first is settled"
    else:
        ask()
    output.success("m1")
    imports.finished(service.described())
    if not at_once:
        member("m2", image="i1", content="c1")
    assert ask() == "nothing-to-import"
    assert service.starts == 1
    assert (tracking.get("m2").status, tracking.get("m2").image_set_id) == ("IMPORTED", "set1")


def test_another_content_of_an_image_is_imported_after_the_first_and_not_with_it(
    imports: Imports, member: Any, service: Any, ask: Any, output: Any, staged: Any
) -> None:
    member("m1", image="i1", content="c1")
    member("m2", image="i1", content="c2", at=T1)
    assert ask() == "started"
    assert sorted(staged().values()) == [b"c1"]
    assert ask() == "already-started"
    output.success("m1")
    imports.finished(service.described())
    assert ask() == "started"
    assert sorted(staged().values()) == [b"c1", b"c2"]
