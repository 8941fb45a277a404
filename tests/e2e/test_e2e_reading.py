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
FINGER_STEPS = 12


def until(page: Any, expression: str, wanted: Any, seconds: float = 120) -> None:
    """Wait for a value in the page: Playwright's own wait compiles text there, which the page's policy forbids."""
    deadline = time.monotonic() + seconds
    while (seen := page.evaluate(expression)) != wanted:
        assert time.monotonic() < deadline, f"{seen} instead of {wanted}"
        page.wait_for_timeout(50)


def open_study(page: Any, size: str, family_name: str) -> None:
    """From the worklist into the study, by hand, and wait for the full picture."""
    row, viewer = page.get_by_role("cell", name=family_name), page.get_by_role("button", name="Basic Viewer")
    for place in (row, viewer):
        place.tap() if size == "phone" else place.click()
    until(page, QUALITY, FULL)


def drag_to_the_end(page: Any, box: Any, last: int, seconds: float) -> None:
    """One finger down the picture, again and again: what Playwright has for touch is a tap."""
    touch = page.context.new_cdp_session(page)
    x, top, length = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.2, box["height"] * 0.6
    deadline = time.monotonic() + seconds
    while page.evaluate(INDEX) < last and time.monotonic() < deadline:
        for step in range(FINGER_STEPS + 1):
            kind = "touchMove" if step else "touchStart"
            point = {"x": x, "y": top + length * step / FINGER_STEPS}
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(100)


def open_sheet(page: Any) -> None:
    """Tap for the panel; a tap while the stack still rolls only stops it (Chromium), so the finger taps again."""
    for _ in range(5):
        page.tap(".platform-open")
        page.wait_for_timeout(1000)
        if page.locator("dialog.platform-sheet[open]").count():
            return


def wheel_to_the_end(page: Any, box: Any, last: int, seconds: float) -> set[int]:
    """The wheel, notch by notch; answers the slices that came by."""
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    deadline = time.monotonic() + seconds
    seen = {0}
    while max(seen) < last and time.monotonic() < deadline:
        page.mouse.wheel(0, 100)
        seen.add(page.evaluate(INDEX))
    return seen


def test_a_radiologist_signs_in_reads_400_slices_and_verifies(
    hospital: Any, page: Any, size: str, sign_in: Any, picture: Any
) -> None:
    page.goto(hospital.url)
    page.wait_for_selector("input[name=username]")
    picture(page, "1-sign-in")
    sign_in(page, "radiologist")
    page.get_by_role("cell", name=hospital.family_name).wait_for()
    picture(page, "2-worklist")

    open_study(page, size, hospital.family_name)
    until(page, f"() => ({CANVAS})().levels > 40", True)  # a picture, not a grey square
    first = page.evaluate(CANVAS)
    picture(page, "3-first-image")

    box, last = page.locator(".cornerstone-canvas").first.bounding_box(), hospital.slices - 1
    (drag_to_the_end if size == "phone" else wheel_to_the_end)(page, box, last, 240)
    assert page.evaluate(INDEX) == last, "the last slice was reached"
    until(page, QUALITY, FULL)
    assert page.evaluate(CANVAS)["hash"] != first["hash"]
    picture(page, "4-last-slice")

    if size == "phone":
        open_sheet(page)
    panel = page.locator("platform-ground-truth:visible").first
    panel.get_by_label("Pneumonia").check()
    panel.get_by_label("Definite").check()
    panel.get_by_label("Notes").fill("seen on a screen")
    panel.get_by_text("Loading…").wait_for(state="hidden")  # the history is there
    before = panel.locator(".history li").count()
    panel.get_by_role("button", name="VERIFY AS GROUND TRUTH").click()
    panel.locator(".history li").nth(before).wait_for()
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
