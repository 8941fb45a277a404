"""What a reader's hands and eyes do: tap, scroll, look at the pixels of the canvas."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

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
# SHA-256 of the values that Cornerstone has for the picture on the screen, and which instance it is
DECODED = """async () => {
  const id = window.cornerstone.getRenderingEngines()[0].getViewports()[0].getCurrentImageId();
  const values = window.cornerstone.cache.getImage(id).getPixelData();
  const digest = await crypto.subtle.digest('SHA-256', new Int16Array(values));
  const hex = [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return { instance: /instances\\/([\\d.]+)\\//.exec(id)[1], hex };
}"""
INDEX = "() => window.cornerstone.getRenderingEngines()[0].getViewports()[0].getCurrentImageIdIndex()"
FINGER_STEPS = 12


def until(page: Any, expression: str, wanted: Any, seconds: float = 120) -> None:
    """Wait for a value in the page: Playwright's own wait compiles text there, which the page's policy forbids."""
    deadline = time.monotonic() + seconds
    while (seen := page.evaluate(expression)) != wanted:
        assert time.monotonic() < deadline, f"{seen} instead of {wanted}"
        page.wait_for_timeout(50)


def open_study(page: Any, size: str, listed_name: str) -> None:
    """From the worklist into the study, by hand, and wait for the full picture."""
    row, viewer = page.get_by_role("cell", name=listed_name), page.get_by_role("button", name="Basic Viewer")
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


def open_panel(page: Any, size: str) -> Any:
    """The panel, its history loaded."""
    if size == "phone":
        open_sheet(page)
    panel = page.locator("platform-ground-truth:visible").first
    panel.get_by_text("Loading…").wait_for(state="hidden")
    return panel


def fill_in(panel: Any, finding: str, certainty: str, notes: str) -> None:
    """A read, as a reader enters it."""
    panel.get_by_label(finding).check()
    panel.get_by_label(certainty).check()
    panel.get_by_label("Notes").fill(notes)


def decoded_as_stored(page: Any, files: Path) -> bool:
    """Whether no value of the picture on the screen differs from the file that was uploaded."""
    seen = page.evaluate(DECODED)
    values = source(files, seen["instance"])
    return bool(hashlib.sha256(values.astype("<i2").tobytes()).hexdigest() == seen["hex"])


def source(files: Path, instance: str) -> Any:
    """Values of an instance as pydicom reads them from the file that was uploaded, rescaled."""
    from pydicom import dcmread

    heads = ((file, dcmread(file, specific_tags=["SOPInstanceUID"])) for file in files.iterdir())
    one = dcmread(next(file for file, head in heads if head.SOPInstanceUID == instance))
    return one.pixel_array * float(one.get("RescaleSlope", 1)) + float(one.get("RescaleIntercept", 0))


def barriers(page: Any) -> list[str]:
    """What axe-core finds against WCAG 2.2 A and AA in what is ours on the page; OHIF's own is as it was released."""
    from axe_playwright_python.sync_playwright import Axe

    ours = ["platform-ground-truth", ".platform-open", "dialog.platform-sheet", ".platform-quality"]
    present = [one for one in ours if page.locator(f"{one}:visible").count()]
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, context={"include": [[one] for one in present]}, options={"runOnly": rules})
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found.response["violations"]
        for node in one["nodes"]
    ]
