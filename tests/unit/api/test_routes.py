# ruff: noqa: PLR0917 - fixtures arrive as arguments
"""Every route: who may ask, what is answered, what is recorded, and how errors look."""

from __future__ import annotations

from typing import Any

import pytest

from api import openapi
from api.identity import parse_groups
from lambda_shared.errors import ConflictError, NotFoundError, PlatformError, TransientError

STUDY = "a" * 32
LABEL = {"finding": "pneumonia", "certainty": "definite", "notes": "seen by Zyxwvut"}
ROUTES = [
    ("POST", "/uploads", {"count": 1}, 200),
    ("GET", "/studies", None, 200),
    ("GET", f"/studies/{STUDY}", None, 200),
    ("POST", f"/studies/{STUDY}/labels", LABEL, 201),
    ("GET", f"/studies/{STUDY}/labels", None, 200),
    ("POST", "/studies/lookup", {"study_instance_uid": "1.2.3"}, 200),
    ("GET", "/models", None, 200),
    ("GET", "/models/1/metrics", None, 200),
    ("GET", "/models/1/comparison/1", None, 200),
    ("GET", "/pipeline/executions", None, 200),
    ("GET", "/pipeline/executions/e1", None, 200),
]
IDS = [f"{method} {path.replace(STUDY, 'KEY')}" for method, path, _, _ in ROUTES]


def test_the_committed_openapi_document_is_that_of_the_code() -> None:
    assert openapi.FILE.read_text() == openapi.text(), "run python -m api.openapi"


def test_health_needs_no_identity(call: Any) -> None:
    assert call("GET", "/health", subject="")[:2] == (200, {"status": "ok"})


@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=IDS)
def test_a_radiologist_is_answered(call: Any, method: str, path: str, body: Any, status: int) -> None:
    assert call(method, path, body)[0] == status


@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=IDS)
def test_nobody_is_answered_without_verified_claims(call: Any, method: str, path: str, body: Any, status: int) -> None:
    code, problem, headers = call(method, path, body, subject="")
    assert (code, problem["code"], headers["content-type"]) == (401, "NOT_SIGNED_IN", "application/problem+json")


@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=IDS)
def test_a_signed_in_stranger_is_refused(call: Any, world: Any, method: str, path: str, body: Any, status: int) -> None:
    assert call(method, path, body, groups="")[0] == 403
    assert world.audited == []
    assert world.events == []


@pytest.mark.parametrize(
    "claim",
    ["[radiologist, admin]", "radiologist,admin", "radiologist admin", ["radiologist", "admin"], "[radiologist admin]"],
)
def test_groups_are_read_in_every_spelling_of_the_gateway(claim: Any) -> None:
    assert parse_groups(claim) == {"radiologist", "admin"}


@pytest.mark.parametrize(
    "claims", [{"token_use": "access"}, {"aud": "another-client"}, {"aud": ""}], ids=["access token", "client", "none"]
)
@pytest.mark.parametrize(("method", "path", "body", "status"), ROUTES, ids=IDS)
def test_a_token_that_was_made_for_something_else_opens_nothing(
    call: Any, world: Any, method: str, path: str, body: Any, status: int, claims: dict[str, str]
) -> None:
    assert call(method, path, body, changed_claims=claims)[0] == 401
    assert world.audited == []


def test_a_viewer_finds_a_study_by_its_uid_and_the_record_has_the_pseudonym(call: Any, world: Any) -> None:
    code, found, _ = call("POST", "/studies/lookup", {"study_instance_uid": "1.2.3"})
    assert (code, found["study_key"]) == (200, STUDY)
    assert world.audited == [("person-1", "findStudy", [STUDY])]
    assert call("POST", "/studies/lookup", {"study_instance_uid": "1.2.4"})[0] == 404
    assert call("POST", "/studies/lookup", {"study_instance_uid": "PATIENT"})[0] == 422


def test_a_group_is_matched_as_a_whole(call: Any) -> None:
    assert call("GET", "/models", groups="[not-radiologist]")[0] == 403


PHI_READS = [
    ("/studies", "listStudies"),
    (f"/studies/{STUDY}", "getStudy"),
    (f"/studies/{STUDY}/labels", "listLabels"),
]


@pytest.mark.parametrize(("path", "action"), PHI_READS, ids=[action for _, action in PHI_READS])
def test_every_read_of_study_data_is_recorded_with_the_person(call: Any, world: Any, path: str, action: str) -> None:
    call("GET", path, subject="person-7")
    assert world.audited == [("person-7", action, [STUDY])]


def test_a_read_that_cannot_be_recorded_is_not_answered(call: Any, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(world), "record", fail)
    code, problem, _ = call("GET", f"/studies/{STUDY}")
    assert code == 500
    assert "image" not in str(problem)


def test_a_study_is_shown_with_its_images_and_image_sets(call: Any) -> None:
    _, study, _ = call("GET", f"/studies/{STUDY}")
    assert study["statuses"] == {"IMPORTED": 1, "VALIDATED": 1, "QUARANTINED": 1}
    assert (study["image_sets"], study["image_count"], study["label_version"]) == (["set1"], 3, None)
    assert study["datastore_id"] == "d" * 32


def test_a_label_is_a_new_version_and_is_announced_without_its_notes(call: Any, world: Any) -> None:
    code, label, _ = call("POST", f"/studies/{STUDY}/labels", LABEL)
    assert (code, label["version"], label["reader"], label["image_count"]) == (201, 1, "person-1", 2)
    world.forward(120)
    assert call("POST", f"/studies/{STUDY}/labels", {**LABEL, "finding": "normal"})[1]["version"] == 2
    assert [data.label_version for data, _ in world.events] == [1, 2]
    assert "Zyxwvut" not in str(world.events)


def test_an_administrator_who_is_no_radiologist_writes_no_label(call: Any, world: Any) -> None:
    assert call("POST", f"/studies/{STUDY}/labels", LABEL, groups="[admin]")[0] == 403
    assert world.label_versions == {}


def test_a_study_without_a_readable_image_cannot_be_verified(call: Any, world: Any) -> None:
    world.images[STUDY] = [image for image in world.images[STUDY] if image.status == "QUARANTINED"]
    assert call("POST", f"/studies/{STUDY}/labels", LABEL)[0] == 409


BAD = {
    "unknown finding": ("POST", f"/studies/{STUDY}/labels", {**LABEL, "finding": "Zyxwvut"}),
    "extra field": ("POST", f"/studies/{STUDY}/labels", {**LABEL, "PatientName": "Zyxwvut"}),
    "no json": ("POST", f"/studies/{STUDY}/labels", "{Zyxwvut"),
    "too many uploads": ("POST", "/uploads", {"count": 101}),
    "no uploads": ("POST", "/uploads", {"count": 0}),
    "an identifier for a key": ("GET", "/studies/1.2.826.0.1", None),
    "a version that is none": ("GET", "/models/0/metrics", None),
}


@pytest.mark.parametrize(("method", "path", "body"), BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_a_problem_that_repeats_nothing(call: Any, method: str, path: str, body: Any) -> None:
    code, problem, headers = call(method, path, body)
    assert (code, problem["code"], headers["content-type"]) == (422, "INVALID_REQUEST", "application/problem+json")
    assert "Zyxwvut" not in str(problem)
    assert problem["status"] == 422


def test_what_does_not_exist_is_404(call: Any) -> None:
    for path in (f"/studies/{'f' * 32}", f"/studies/{'f' * 32}/labels", "/models/9/metrics", "/pipeline/executions/x"):
        code, problem, _ = call("GET", path)
        assert (code, problem["status"]) == (404, 404)
    assert call("GET", "/nowhere")[1]["code"] == "HTTP_404"
    assert call("DELETE", "/models")[0] == 405


def test_uploads_get_opaque_places(call: Any) -> None:
    _, answer, _ = call("POST", "/uploads", {"count": 100})
    assert len({place["upload_id"] for place in answer["uploads"]}) == 100


def test_only_an_administrator_decides_about_models(call: Any, world: Any) -> None:
    decision = {"decision": "approve", "reason": "good"}
    assert call("POST", "/models/1/approval", decision)[0] == 403
    assert call("POST", "/models/1/approval", decision, groups="[admin]")[:2] == (
        200,
        {"version": 1, "decision": "approve"},
    )
    assert world.decisions == [(1, "approve", "good", "person-1")]


def test_only_an_administrator_rolls_back_and_says_why(call: Any, world: Any) -> None:
    assert call("POST", "/models/1/rollback", {"reason": "worse at night"})[0] == 403
    assert call("POST", "/models/1/rollback", {}, groups="[admin]")[0] == 422
    answer = call("POST", "/models/1/rollback", {"reason": "worse at night"}, groups="[admin]")
    assert answer[:2] == (200, {"version": 1, "decision": "rollback"})
    assert world.decisions == [(1, "rollback", "worse at night", "person-1")]


def test_two_versions_are_compared_figure_by_figure(call: Any) -> None:
    _, answer, _ = call("GET", "/models/1/comparison/1")
    assert answer["figures"] == {"accuracy": {"first": 0.9, "second": 0.9, "difference": 0.0}}
    assert answer["same_snapshot"] is True
    assert call("GET", "/models/1/comparison/2")[0] == 404, "it was never evaluated"


def test_only_an_administrator_reads_who_decided(call: Any) -> None:
    assert call("GET", "/models/decisions")[0] == 403
    _, answer, _ = call("GET", "/models/decisions", groups="[admin]")
    assert [one["step"] for one in answer["decisions"]] == ["approved"]


FAILURES: dict[str, tuple[Exception, int]] = {
    "not found": (NotFoundError("A", "x"), 404),
    "conflict": (ConflictError("B", "x"), 409),
    "transient": (TransientError("C", "x"), 503),
    "other": (PlatformError("D", "x"), 502),
    "unforeseen": (ZeroDivisionError("Zyxwvut"), 500),
}


@pytest.mark.parametrize(("failure", "status"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_behind_the_api_is_a_problem_too(
    call: Any, world: Any, failure: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    world.failure = failure
    code, problem, headers = call("POST", "/models/1/approval", {"decision": "reject"}, groups="[admin]")
    assert (code, headers["content-type"]) == (status, "application/problem+json")
    logged = [str(vars(record)) for record in caplog.records]
    assert "Zyxwvut" not in str(problem) + "".join(logged)
    assert bool(logged) is (status >= 500), "a failure of the platform leaves a line to find it by"


def test_lists_have_cursors(call: Any) -> None:
    everything: dict[str, Any] = {"query": {"status": "IMPORTED", "limit": "1"}, "groups": "[admin]"}
    assert call("GET", "/studies", **everything)[1]["cursor"] == "next"
    assert call("GET", "/studies", query={"status": "LOST"})[0] == 422
    assert call("GET", "/pipeline/executions", query={"limit": "5"})[1]["cursor"] is None
