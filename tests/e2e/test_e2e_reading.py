"""A radiologist reads and verifies in the browser: at a desk and on a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

QUALITY = """() => {
  const viewport = window.cornerstone?.getRenderingEngines?.()[0]?.getViewports()[0];
  const id = viewport?.getCurrentImageId?.();
  return id ? window.cornerstone.cache.getImage(id)?.imageQualityStatus ?? 0 : 0;
}"""
FULL = 8
# Pixels of the canvas itself, never an event: how many grey levels are to be seen, and their digest
CANVAS = """() => {
  const canvas = document.querySelector('.cornerstone-canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const levels = new Set();
  let hash = 2166136261;
  for (let i = 0; i < data.length; i += 4) { levels.add(data[i]); hash = Math.imul(hash ^ data[i], 16777619) >>> 0; }
  return { levels: levels.size, hash };
}"""
INDEX = "() => window.cornerstone.getRenderingEngines()[0].getViewports()[0].getCurrentImageIdIndex()"
UID = """() => {
  const key = Object.keys(sessionStorage).find(name => name.startsWith('oidc.user'));
  const token = JSON.parse(sessionStorage.getItem(key)).access_token;
  return fetch('/dicom-web/studies', { headers: { Authorization: `Bearer ${token}` } }).then(r => r.json())
    .then(found => found.find(s => s['00201208'].Value[0] === SLICES)['0020000D'].Value[0]);
}"""

GO = """uid => {
  history.pushState({}, '', `/viewer?StudyInstanceUIDs=${uid}`);
  dispatchEvent(new PopStateEvent('popstate'));
}"""


def open_study(page: Any, slices: int) -> None:
    """From the worklist into the study, as a click does, and wait for the full picture."""
    uid = page.evaluate(UID.replace("SLICES", str(slices)))
    page.evaluate(
        GO,
        uid,
    )
    page.wait_for_function(f"({QUALITY})() === {FULL}")


def test_a_radiologist_signs_in_reads_400_slices_and_verifies(
    hospital: Any, page: Any, size: str, sign_in: Any, picture: Any
) -> None:
    page.goto(hospital.url)
    page.wait_for_selector("input[name=username]")
    picture(page, "1-sign-in")
    sign_in(page, "radiologist")
    page.wait_for_selector("text=CT CHEST WITH CONTRAST")
    picture(page, "2-worklist")

    open_study(page, hospital.slices)
    first = page.evaluate(CANVAS)
    assert first["levels"] > 40, "a picture, not a grey square"
    picture(page, "3-first-image")

    canvas = page.locator(".cornerstone-canvas").first.bounding_box()
    page.mouse.move(canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2)
    deadline = time.monotonic() + 240
    while page.evaluate(INDEX) < hospital.slices - 1 and time.monotonic() < deadline:
        if size == "phone":  # touch has no wheel: the slider and the arrow keys move
            page.keyboard.press("ArrowDown")
        else:
            page.mouse.wheel(0, 100)
    assert page.evaluate(INDEX) == hospital.slices - 1, "the last slice was reached"
    page.wait_for_function(f"({QUALITY})() === {FULL}")
    assert page.evaluate(CANVAS)["hash"] != first["hash"]
    picture(page, "4-last-slice")

    if size == "phone":
        page.click(".platform-open")
    panel = page.locator("platform-ground-truth:visible").first
    panel.get_by_label("Pneumonia").check()
    panel.get_by_label("Definite").check()
    panel.get_by_label("Notes").fill("seen on a screen")
    panel.get_by_role("button", name="VERIFY AS GROUND TRUTH").click()
    panel.locator(".history li").first.wait_for()
    picture(page, "5-verified")
    assert page.violations == [], "the page keeps to its own content security policy"
    assert started_by_event(hospital), "ImageVerified started the pipeline"


@pytest.fixture(autouse=True)
def one_label_is_enough(hospital: Any) -> Iterator[None]:
    """The trigger waits for 48 labelled studies; here there is one, so for these tests it is told to start at one."""
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
    """Whether a run appears; the browser told nobody but the API."""
    from local.console import wait_for

    running = "Executing"
    found = wait_for(
        "A run of the pipeline",
        lambda: [one for one in executions(hospital) if one["PipelineExecutionStatus"] == running] or None,
        seconds=120,
    )
    return bool(found)
