"""What is measured in the browser: pixels on the canvas, never an event."""

from __future__ import annotations

import statistics
import time
from typing import Any

WATCH = """() => {
  const canvas = document.querySelector('.cornerstone-canvas');
  if (!canvas || !canvas.width) return null;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const levels = new Set();
  let hash = 2166136261;
  for (let i = 0; i < data.length; i += 4 * 7) {
    levels.add(data[i]);
    hash = Math.imul(hash ^ data[i], 16777619) >>> 0;
  }
  const viewport = window.cornerstone?.getRenderingEngines?.()[0]?.getViewports()[0];
  const id = viewport?.getCurrentImageId?.();
  const quality = id ? window.cornerstone.cache.getImage(id)?.imageQualityStatus ?? 0 : 0;
  return { levels: levels.size, hash, quality, index: viewport?.getCurrentImageIdIndex?.() ?? -1 };
}"""
JUMP = """index => {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
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
  history.pushState({}, '', `/viewer?StudyInstanceUIDs=${uid}`);
  dispatchEvent(new PopStateEvent('popstate'));
}"""
PICTURE_LEVELS = 40
FULL = 8


def throttle(page: Any, mbit: float, latency_ms: float) -> None:
    """4G by the browser's own network emulation."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    speed = mbit * 1e6 / 8
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": latency_ms, "downloadThroughput": speed, "uploadThroughput": speed},
    )


def until_pictures(page: Any, started: float, before: int | None, seconds: float = 120) -> dict[str, float]:
    """Milliseconds until any new picture is on the canvas, and until it is the full one."""
    found: dict[str, float] = {}
    while time.monotonic() - started < seconds:
        seen = page.evaluate(WATCH)
        if seen and seen["levels"] > PICTURE_LEVELS and seen["hash"] != before:
            now = (time.monotonic() - started) * 1000
            found.setdefault("first_ms", now)
            if seen["quality"] == FULL:
                return {**found, "full_ms": now}
        page.wait_for_timeout(15)
    return found


def open_study(page: Any, uid: str) -> dict[str, float]:
    """From the worklist, its code in the cache, to the picture."""
    started = time.monotonic()
    page.evaluate(OPEN, uid)
    return until_pictures(page, started, None)


def jumps(page: Any, indices: list[int]) -> dict[str, float]:
    """Medians over far slices that nobody has looked at."""
    firsts, fulls, steps = [], [], []
    for index in indices:
        before = page.evaluate(WATCH)["hash"]
        started = time.monotonic()
        page.evaluate(JUMP, index)
        found = until_pictures(page, started, before, 30)
        firsts.append(found.get("first_ms", float("nan")))
        fulls.append(found.get("full_ms", float("nan")))
        steps.append(page.evaluate(STEPS))
    fetched = [one for one in steps if one]
    return {
        "first_ms": statistics.median(firsts),
        "full_ms": statistics.median(fulls),
        "fetched": len(fetched),
        **{f"{name}_ms": statistics.median(one[name] for one in fetched) for name in (fetched[0] if fetched else ())},
    }


def scroll(page: Any, seconds: float) -> dict[str, float]:
    """Wheel notches as fast as the page takes them: how many slices were really shown, and pictures a second."""
    box = page.locator(".cornerstone-canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    started, notches, shown = time.monotonic(), 0, set()
    while time.monotonic() - started < seconds:
        page.mouse.wheel(0, 100)
        notches += 1
        seen = page.evaluate(WATCH)
        if seen and seen["quality"]:
            shown.add(seen["index"])
    return {"notches": notches, "slices_shown": len(shown), "per_second": len(shown) / (time.monotonic() - started)}


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
