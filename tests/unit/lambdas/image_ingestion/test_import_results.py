# ruff: noqa: PLR0917 - fixtures arrive as arguments
"""Import results: every file of a finished job gets its state, once."""

from __future__ import annotations

from typing import Any

import pytest

from image_ingestion.imports import Imports
from image_ingestion.ports import ImportJob
from lambda_shared.errors import TransientError

UPLOADS = "proj-local-training-data-111122223333"
STUDY = "a" * 32


@pytest.mark.parametrize("folder", [True, False], ids=["with job folder", "without job folder"])
@pytest.mark.parametrize(
    "prefix", ["import-input/t/", "", f"s3://{UPLOADS}/import-input/t/"], ids=["key", "name", "uri"]
)
def test_a_finished_job_gives_every_file_its_state(
    imports: Imports,
    tracking: Any,
    member: Any,
    folder: bool,
    prefix: str,
    service: Any,
    meter: Any,
    ask: Any,
    output: Any,
) -> None:
    for name in ("m1", "m2", "m3"):
        member(name)
    ask()
    output.lines(
        "success",
        [
            {"inputFile": f"{prefix}{name}.dcm", "importResponse": {"imageSetId": "set1", "isPrimary": name == "m1"}}
            for name in ("m1", "m2")
        ],
    )
    output.failure("m3")
    output.lines("warning", [{"inputFile": "import-input/t/m1.dcm", "reasonCode": "45330"}])
    assert imports.finished(service.described(folder=folder)) == {"imported": 2, "failed": 1, "requeued": 0}
    states = {name: tracking.get(name) for name in ("m1", "m2", "m3")}
    assert [states[name].status for name in states] == ["IMPORTED", "IMPORTED", "QUARANTINED"]
    assert [states["m1"].is_primary, states["m2"].is_primary] == [True, False]
    assert states["m3"].reason_code == "IMPORT_FAILED"
    assert "Zyxwvut" not in states["m3"].reason
    assert (meter.counts["ImportNonPrimary"], meter.counts["ImportWarnings"]) == (1, 1)


def test_a_repeated_finish_moves_nothing_back(
    imports: Imports, tracking: Any, member: Any, meter: Any, service: Any, ask: Any, output: Any
) -> None:
    member("m1")
    ask()
    output.success("m1")
    imports.finished(service.described())
    before = (tracking.get("m1"), dict(meter.counts))
    output.failure("m1")
    imports.finished(service.described())
    imports.finished(service.described(status="FAILED"))
    assert (tracking.get("m1"), meter.counts) == before


def test_a_fault_of_the_service_is_tried_again_and_gives_up_at_last(
    imports: Imports, tracking: Any, member: Any, queue: Any, service: Any, ask: Any, output: Any
) -> None:
    member("m1")
    for number, expected in enumerate(["requeued", "requeued", "failed"]):
        assert ask() == "started"
        output.failure("m1", "InternalServerException", f"job{number}")
        assert imports.finished(service.described(f"job{number}"))[expected] == 1
    assert tracking.get("m1").status == "QUARANTINED"
    assert len(queue.sent) == 2


def test_a_job_that_failed_as_a_whole_is_tried_again_for_its_members_only(
    imports: Imports, tracking: Any, member: Any, service: Any, ask: Any
) -> None:
    member("m1")
    ask()
    member("m2")  # came later: the failed job never saw it
    assert imports.finished(service.described(status="FAILED")) == {"imported": 0, "failed": 0, "requeued": 1}
    assert [tracking.get(name).import_attempts for name in ("m1", "m2")] == [1, 0]


def test_a_file_that_the_job_says_nothing_of_is_imported_again(
    imports: Imports, tracking: Any, member: Any, service: Any, ask: Any, output: Any
) -> None:
    member("m1")
    member("m2")
    ask()
    output.success("m1", "stranger")
    assert imports.finished(service.described()) == {"imported": 1, "failed": 0, "requeued": 1}
    assert (tracking.get("m2").import_token, tracking.get("m2").import_attempts) == ("", 1)


@pytest.mark.parametrize("known", [True, False], ids=["listed", "forgotten by the service"])
def test_a_lost_finish_event_is_made_good_by_the_next_message(
    tracking: Any, member: Any, service: Any, known: bool, ask: Any, output: Any
) -> None:
    member("m1")
    ask()
    if known:
        output.success("m1")
    service.states["job0"] = service.described() if known else None
    assert ask() == "finished"
    assert (tracking.get("m1").status, tracking.get("m1").import_attempts) == (
        ("IMPORTED", 0) if known else ("VALIDATED", 1)
    )


def test_output_that_is_not_complete_yet_is_asked_for_again(
    imports: Imports, tracking: Any, member: Any, service: Any, ask: Any, output: Any
) -> None:
    member("m1")
    ask()
    with pytest.raises(TransientError, match="IMPORT_OUTPUT_MISSING"):
        imports.finished(service.described())
    output.summary(imported=2)
    output.success("m1")
    with pytest.raises(TransientError, match="IMPORT_OUTPUT_INCOMPLETE"):
        imports.finished(service.described())
    assert tracking.get("m1").status == "VALIDATED"
    output.summary(imported=1)
    assert imports.finished(service.described())["imported"] == 1


@pytest.mark.parametrize("folder", ["elsewhere/x", f"{UPLOADS}/validated/{STUDY}"], ids=["bucket", "folder"])
def test_somebody_elses_import_is_none_of_ours(imports: Imports, folder: str) -> None:
    foreign = ImportJob(job_id="x", status="COMPLETED", input_uri=f"s3://{folder}/", output_uri="s3://elsewhere/y/")
    assert imports.finished(foreign) == {"imported": 0, "failed": 0, "requeued": 0}


def test_a_batch_without_its_manifest_is_asked_for_again(imports: Imports) -> None:
    with pytest.raises(TransientError, match="BATCH_MANIFEST_MISSING"):
        imports.batches.resume("0" * 64)
