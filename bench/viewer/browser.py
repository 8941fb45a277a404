"""What is measured in the browser: pixels on the canvas, never an event (look.js looks at them)."""

from __future__ import annotations

import contextlib
import statistics
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import TimeoutError as NotInTimeError

FULL = 8
"""Cornerstone's ImageQualityStatus.FULL_RESOLUTION, as look.js has it."""
LOOK = Path(__file__).with_name("look.js").read_text()
JUMP = """index => {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  bench.begin();
  const steps = window.benchSteps = { start: performance.now() };
  viewport.element.addEventListener('CORNERSTONE_STACK_NEW_IMAGE', () => {
    steps.decoded = performance.now();
    const drawn = () => { steps.drawn = performance.now(); };
    viewport.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', drawn, { once: true });
  }, { once: true });
  viewport.setImageIdIndex(index);
}"""
# Where the time of the first picture went, in ms after the jump; nothing is asked for where the slice was there already
STEPS = """() => {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  const [, uid] = /instances\\/([\\d.]+)\\//.exec(viewport.getCurrentImageId());
  const { start, decoded, drawn } = window.benchSteps;
  const loaded = performance.getEntriesByType('resource');
  const asked = loaded.find(one => one.name.includes(uid) && one.startTime >= start);
  const since = { asked: asked?.startTime, answered: asked?.responseEnd, decoded, drawn };
  return asked && Object.fromEntries(Object.entries(since).map(([name, at]) => [name, at - start]));
}"""
OPEN = """uid => {
  bench.begin();
  history.pushState({}, '', `/viewer?StudyInstanceUIDs=${uid}`);
  dispatchEvent(new PopStateEvent('popstate'));
}"""
SEEN = "() => ({ start: bench.start, first: bench.first, full: bench.full, costs: bench.costs })"
SCROLL = "() => { bench.begin(); bench.scrolling = true; }"
SCROLLED = "() => { bench.on = bench.scrolling = false; return { slices: bench.slices.size, costs: bench.costs }; }"


class WrongPictureError(RuntimeError):
    """What was on the canvas when the clock stopped is not the full picture of the slice that was asked for."""


def throttle(page: Any, mbit: float, latency_ms: float) -> None:
    """4G by the browser's own network emulation."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    speed = mbit * 1e6 / 8
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": latency_ms, "downloadThroughput": speed, "uploadThroughput": speed},
    )


def pictures(page: Any, index: int | None = None, started: float | None = None, seconds: float = 120) -> dict[str, Any]:
    """Milliseconds until any new picture is on the canvas, and until it is the full one; then every pixel is checked.

    Args:
        index: the slice that it has to be, where one was asked for.
        started: epoch, ms; else when the page itself began.

    Raises WrongPictureError.
    """
    with contextlib.suppress(NotInTimeError):
        page.wait_for_function("() => window.bench?.full", timeout=seconds * 1000, polling=50)
    seen = page.evaluate(SEEN)
    began = seen["start"] if started is None else started
    found = {f"{name}_ms": seen[name] - began for name in ("first", "full") if seen.get(name)}
    if "full_ms" in found:
        checked = page.evaluate("() => bench.check()")
        if not checked["same"] or checked.get("quality") != FULL or index not in (None, checked["index"]):
            raise WrongPictureError(f"not the full picture of slice {index}: {checked}")
    return {**found, **looks(seen["costs"])}


def looks(costs: list[float]) -> dict[str, float]:
    """What the looking itself cost the page."""
    return {"one_look_ms": statistics.median(costs), "looks": len(costs)} if costs else {}


def open_study(page: Any, uid: str) -> dict[str, float]:
    """From the worklist, its code in the cache, to the picture."""
    page.evaluate(OPEN, uid)
    return pictures(page)


def jumps(page: Any, indices: list[int]) -> dict[str, float]:
    """Medians over far slices that nobody has looked at."""
    found, steps = [], []
    for index in indices:
        page.evaluate(JUMP, index)
        found.append(pictures(page, index, seconds=30))
        steps.append(page.evaluate(STEPS))
    fetched = [one for one in steps if one]
    return {
        **medians(found),
        "fetched": len(fetched),
        **{f"{name}_ms": statistics.median(one[name] for one in fetched) for name in (fetched[0] if fetched else ())},
    }


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure; one that was not reached within its time counts as never."""
    names = dict.fromkeys(name for one in found for name in one)
    return {name: statistics.median(one.get(name, float("inf")) for one in found) for name in names}


def scroll(page: Any, seconds: float) -> dict[str, float]:
    """Wheel notches as fast as the page takes them: how many slices were really shown, and pictures a second."""
    box = page.locator(".cornerstone-canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.evaluate(SCROLL)
    started, notches = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        page.mouse.wheel(0, 100)
        notches += 1
    took = time.monotonic() - started
    page.wait_for_timeout(500)  # what the last notch asked for
    seen = page.evaluate(SCROLLED)
    return {
        "notches": notches,
        "slices_shown": seen["slices"],
        "per_second": seen["slices"] / took,
        **looks(seen["costs"]),
    }


MPR = "() => window.commandsManager.runCommand('toggleHangingProtocol', { protocolId: 'mpr' })"
FILLED = """() => {
  const ids = window.cornerstone.cache.getVolumes?.()[0]?.imageIds ?? [];
  const qualities = ids.map(id => window.cornerstone.cache.getImage(id)?.imageQualityStatus ?? 0);
  return { all: ids.length, some: qualities.filter(q => q > 0).length, full: qualities.filter(q => q === 8).length };
}"""


def planes(page: Any, seconds: float = 90) -> dict[str, float]:
    """From the stack to three planes: milliseconds until every slice has some data, and until all are whole."""
    started = time.monotonic()
    page.evaluate(MPR)
    found: dict[str, float] = {}
    while time.monotonic() - started < seconds:
        seen = page.evaluate(FILLED)
        now = (time.monotonic() - started) * 1000
        if seen["all"] and seen["some"] == seen["all"]:
            found.setdefault("all_have_data_ms", now)
        if seen["all"] and seen["full"] == seen["all"]:
            return {**found, "all_whole_ms": now}
        page.wait_for_timeout(100)
    return found
