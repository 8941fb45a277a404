"""A radiologist reads and verifies in the browser: at a desk and on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.browsing import (
    CANVAS,
    FULL,
    INDEX,
    QUALITY,
    decoded_as_stored,
    drag_to_the_end,
    fill_in,
    open_panel,
    open_study,
    until,
    wheel_to_the_end,
)
from tests.e2e.drawing import LOOSELY, differing_pixels, looks_like
from viewer import configuration

WINDOWS = (-100, -1000)
"""Lowest values of two windows, in HU: soft tissue, and lung."""


def test_a_radiologist_signs_in_reads_400_slices_and_verifies(
    hospital: Any, page: Any, size: str, sign_in: Any, picture: Any
) -> None:
    page.goto(hospital.url)
    page.wait_for_selector("input[name=username]")
    picture(page, "1-sign-in")
    sign_in(page, "radiologist")
    page.get_by_role("cell", name=hospital.listed_name).wait_for()
    picture(page, "2-worklist")

    open_study(page, size, hospital.listed_name)
    assert loaded(page) - fetched_ahead() == set(), "every part that a study waits for is fetched ahead (ohif.json)"
    assert asked_ahead(page), "OHIF took the answers that were asked for ahead: each question stands there once"
    until(page, f"() => ({CANVAS})().levels > 40", True)  # a picture, not a grey square
    assert decoded_as_stored(page, hospital.files), "not one value differs from what the scanner sent"
    assert [differing_pixels(page, hospital.files, lowest) for lowest in WINDOWS] == [0, 0]
    first = page.evaluate(CANVAS)
    picture(page, "3-first-image")
    assert looks_like(page, f"3-first-image-{size}") < LOOSELY

    box, last = page.locator(".cornerstone-canvas").first.bounding_box(), hospital.slices - 1
    (drag_to_the_end if size == "phone" else wheel_to_the_end)(page, box, last, 240)
    assert page.evaluate(INDEX) == last, "the last slice was reached"
    until(page, QUALITY, FULL)
    assert page.evaluate(CANVAS)["hash"] != first["hash"]
    assert decoded_as_stored(page, hospital.files)
    assert [differing_pixels(page, hospital.files, lowest) for lowest in WINDOWS] == [0, 0]
    picture(page, "4-last-slice")

    panel = open_panel(page, size)
    fill_in(panel, "Pneumonia", "Definite", "seen on a screen")
    before = panel.locator(".history li").count()
    panel.get_by_role("button", name="VERIFY AS GROUND TRUTH").click()
    panel.locator(".history li").nth(before).wait_for()
    assert "has its ground truth" in panel.locator(".state").inner_text(), "the first line knows of it at once"
    assert "Saved" in panel.locator(".why").inner_text(), "the panel says what became of it"
    picture(page, "5-verified")
    assert started_by_event(hospital), "ImageVerified started the pipeline"


# Parts that the page ran or was styled by; what webpack prefetches for later has the initiator "link" and no use yet
LOADED = """() => performance.getEntriesByType('resource')
  .filter(one => one.initiatorType === 'script' || one.name.endsWith('.css'))
  .map(one => new URL(one.name).pathname)"""
IN_THE_PAGE = {"/app-config.js", "/init-service-worker.js", "/app.bundle.css"}
"""What index.html names itself, with the main bundle."""


def loaded(page: Any) -> set[str]:
    found = {path for path in page.evaluate(LOADED) if path.endswith((".js", ".css"))} - IN_THE_PAGE
    return {path for path in found if not path.startswith("/app.bundle.")}


# of the worklist's row, which asks for the series too, the question is another one
ASKED = """() => performance.getEntriesByType('resource').map(one => new URL(one.name))
  .filter(one => /[/](series[?].*00200011|metadata$)/.test(one.href)).map(one => one.pathname)"""


def asked_ahead(page: Any) -> bool:
    asked = page.evaluate(ASKED)
    return len(asked) > 1 and len(asked) == len(set(asked))


def fetched_ahead() -> set[str]:
    sign_in = configuration.SignIn(issuer="", client_id="", authorize_origin="")
    return set(configuration.config("", sign_in)["platform"]["ahead"])


@pytest.fixture(autouse=True)
def one_label_is_enough(hospital: Any) -> Iterator[None]:
    """The trigger waits for 100 labelled studies; here there is one, so for these tests it is told to start at one."""
    functions = cloud(hospital).client("lambda")
    name = hospital.outputs["pipeline_trigger_function"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**before, "MIN_NEW_LABELS": "1"}}
    )
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})
    sagemaker = cloud(hospital).client("sagemaker")
    for execution in executions(hospital):
        if execution["PipelineExecutionStatus"] == "Executing":
            sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=execution["PipelineExecutionArn"], ClientRequestToken="e2e" * 11
            )


def cloud(hospital: Any) -> Any:
    from local.cloud import Cloud

    return Cloud(hospital.environment)


def executions(hospital: Any) -> list[dict[str, Any]]:
    name = hospital.outputs["pipeline_name"]
    return cloud(hospital).client("sagemaker").list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]


def started_by_event(hospital: Any) -> bool:
    """Whether a run learns from the label that was just made; the browser told nobody but the API.

    Not whether one is executing: a single study cannot be split for training, so the run ends within seconds.
    """
    from local.console import GaveUpError, wait_for

    newest = max(label["version"] for label in hospital.labels() if label["state"] == "VERIFIED")
    try:
        wait_for("A run of the pipeline", lambda: newest in learnt_versions(hospital) or None, seconds=120)
    except GaveUpError:
        group = f"/aws/lambda/{hospital.outputs['pipeline_trigger_function']}"
        for event in cloud(hospital).client("logs").filter_log_events(logGroupName=group)["events"]:
            print(event["message"])  # what the trigger decided instead
        return False
    return True


def learnt_versions(hospital: Any) -> set[int]:
    """Versions of the study's label in the snapshots that runs were started with."""
    sagemaker, s3 = (cloud(hospital).client(service) for service in ("sagemaker", "s3"))
    found = set()
    for execution in executions(hospital):
        parameters = sagemaker.list_pipeline_parameters_for_execution(
            PipelineExecutionArn=execution["PipelineExecutionArn"]
        )["PipelineParameters"]
        uri = next(one["Value"] for one in parameters if one["Name"] == "SnapshotUri")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        snapshot = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        found |= {one["label_version"] for one in snapshot["studies"] if one["study_key"] == hospital.study_key}
    return found
