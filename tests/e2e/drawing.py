"""What is drawn, pixel by pixel: the canvas against the file that the scanner sent, the page around it loosely."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.e2e.browsing import source

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
COARSE = (64, 64)
LOOSELY = 6.0
"""Mean difference in grey levels of a page from the one in docs/, both at 64 by 64: fonts may differ, a layout not."""
# One pixel of the picture on one of the canvas, edges on edges: nothing is left to interpolation. Answers the part of
# the canvas that the picture covers as bytes, and which part of the picture it is.
DRAWN = """async range => {
  const viewport = window.cornerstone.getRenderingEngines()[0].getViewports()[0];
  const { canvas } = viewport;
  const { imageData } = viewport.getImageData();
  const [columns, rows] = imageData.getDimensions();
  const corner = () => viewport.worldToCanvas(imageData.indexToWorld([0, 0, 0])); // the middle of the first pixel
  const rendered = () => new Promise(done => {
    viewport.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', done, { once: true });
    viewport.render();
  });
  viewport.setProperties({ voiRange: range, interpolationType: 0 });
  viewport.setCamera({ parallelScale: canvas.height / 2 * imageData.getSpacing()[1] });
  const [x, y] = corner();
  const [panX, panY] = viewport.getPan();
  viewport.setPan([panX + Math.floor(x) + 0.5 - x, panY + Math.floor(y) + 0.5 - y]);
  await rendered();
  const [left, top] = corner().map(Math.floor);
  const [from, to] = [[Math.max(0, left), Math.max(0, top)],
    [Math.min(canvas.width, left + columns), Math.min(canvas.height, top + rows)]];
  const [width, height] = [to[0] - from[0], to[1] - from[1]];
  const { data } = canvas.getContext('2d').getImageData(from[0], from[1], width, height);
  let text = '';
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) throw new Error('no grey');
    text += String.fromCharCode(data[i]);
  }
  const end = viewport.worldToCanvas(imageData.indexToWorld([columns - 1, rows - 1, 0])).map(Math.floor);
  const instance = /instances\\/([\\d.]+)\\//.exec(viewport.getCurrentImageId())[1];
  viewport.resetProperties();
  viewport.resetCamera();
  await rendered();
  return { instance, grey: btoa(text), width, height, x: from[0] - left, y: from[1] - top,
    covered: [end[0] - left + 1, end[1] - top + 1] };
}"""


def differing_pixels(page: Any, files: Path, lowest: int) -> int:
    """How many pixels of the canvas, at 1:1, are not what the file's values are in a window of 256 from the lowest on.

    Such a window has a grey for each value (PS3.3 section C.11.2.1.3.2), so nothing is rounded and nothing may differ.
    """
    seen = page.evaluate(DRAWN, {"lower": lowest, "upper": lowest + 255})
    grey = np.frombuffer(base64.b64decode(seen["grey"]), np.uint8).reshape(seen["height"], seen["width"])
    values = source(files, seen["instance"])
    assert tuple(seen["covered"]) == values.shape[::-1], "one pixel of the picture on one of the canvas"
    assert grey.size > 100_000, "too little of the picture is to be seen"
    values = values[seen["y"] : seen["y"] + seen["height"], seen["x"] : seen["x"] + seen["width"]]
    return int((grey != np.clip(values - lowest, 0, 255)).sum())


def looks_like(page: Any, name: str) -> float:
    """How far the page is from its picture in docs/, the image itself left out, in grey levels on average."""
    box = page.locator(".cornerstone-canvas").first.bounding_box()
    left, top = round(box["x"]), round(box["y"])
    image = (left, top, left + round(box["width"]), top + round(box["height"]))
    now, before = _coarse(io.BytesIO(page.screenshot()), image), _coarse(PICTURES / f"viewer-{name}.jpg", image)
    return float(np.abs(now - before).mean())


def _coarse(file: Any, blank: tuple[int, int, int, int]) -> np.ndarray:
    page = Image.open(file).convert("L")
    page.paste(0, blank)
    return np.asarray(page.resize(COARSE, Image.Resampling.BOX), float)
