"""Recall of burned-in text on a labelled set of our own: `python -m bench.deid.burned_in [--json FILE]`.

Runs in the environment of requirements/pixels.lock. Every picture carries invented identifiers at known places; a
cell is background x letter height x contrast, and a few have letters that are turned. For each object the whole way is
taken (`deidentify` with clean-pixel-data). Counted: labels whose ink was blanked, objects that were refused instead
(safe as well), samples outside all labels that changed, and labels that passed: ink left in an object that was not
refused.
"""

import argparse
import json
import random
import sys
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage

from imaging.deidentify import Options, deidentify
from imaging.errors import ImageRejected
from imaging.profile import Option

SIZE: Final = 384
BACKGROUNDS: Final = ("black", "speckle", "tissue", "bright")
HEIGHTS: Final = (9, 12, 18, 28)
CONTRASTS: Final = ("full", "half")
TURNS: Final = (1, 2, 3)
"""Quarters by which letters of 18 pixels are turned as well: scales and rulers are labelled along the edge."""
TEXTS: Final = (
    "QUILLFEATHER^AMBROSE",
    "Wexcombe, Odette",
    "MRN 0048151",
    "17.05.1948",
    "1948-05-17 10:11",
    "ACC7734501",
)
OPTIONS: Final = Options(chosen=frozenset({Option.PIXELS, Option.MODIFIED_DATES}))


@dataclass(frozen=True)
class Label:
    """A text and the box of its ink: left, top, right, bottom."""

    text: str
    box: tuple[int, int, int, int]


def background(kind: str, source: "np.random.Generator") -> "np.ndarray[Any, Any]":
    """What a scanner shows behind the text, uint8."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    if kind == "black":
        return np.zeros((SIZE, SIZE), np.uint8)
    if kind == "speckle":
        return np.clip(source.gamma(2.0, 14.0, (SIZE, SIZE)), 0, 160).astype(np.uint8)
    tissue = 70 + 40 * np.sin(rows / 37) * np.cos(columns / 29) + source.normal(0, 9, (SIZE, SIZE))
    return np.clip(tissue + (110 if kind == "bright" else 0), 0, 255).astype(np.uint8)


def picture(kind: str, height: int, contrast: str, seed: int) -> tuple["np.ndarray[Any, Any]", list[Label]]:
    """One labelled picture with three texts: in two corners and somewhere in between."""
    source = random.Random(f"{kind}/{height}/{contrast}/{seed}")  # noqa: S311 - a reproducible set
    base = background(kind, np.random.default_rng(source.randrange(1 << 30)))
    canvas = Image.fromarray(base)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(height)
    step = 255 if contrast == "full" else 110
    ink = max(int(base.mean()) - step, 0) if kind == "bright" else min(int(base.mean()) + step, 255)
    labels: list[Label] = []
    for text, row in zip(source.sample(TEXTS, 3), (8, SIZE // 2 - height, SIZE - 2 * height - 8), strict=True):
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        column = source.randrange(6, max(SIZE - int(right) - 6, 7))
        pen.text((column, row), text, font=font, fill=ink)
        labels.append(Label(text, (column + int(left), row + int(top), column + int(right) + 1, row + int(bottom) + 1)))
    return np.asarray(canvas), labels


def as_object(pixels: "np.ndarray[Any, Any]") -> bytes:
    """The picture as an ultrasound image."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.SOPClassUID, data_set.SOPInstanceUID, data_set.Modality = UltrasoundImageStorage, "1.2.826.7.1", "US"
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.PatientID = "1.2.826.7.2", "1.2.826.7.3", "X"
    data_set.Rows, data_set.Columns = pixels.shape
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit, data_set.PixelRepresentation = 7, 0
    data_set.PixelData = pixels.tobytes()
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()


def judge(pixels: "np.ndarray[Any, Any]", plain: "np.ndarray[Any, Any]", labels: list[Label]) -> dict[str, int]:
    """What became of the labels of one picture."""
    try:
        cleaned = pydicom.dcmread(BytesIO(deidentify(as_object(pixels), bytes(32), OPTIONS).data)).pixel_array
    except ImageRejected:
        return {"labels": len(labels), "refused": len(labels)}
    masked = passed = 0
    near = np.zeros(pixels.shape, bool)
    for label in labels:
        left, top, right, bottom = label.box
        inked = pixels[top:bottom, left:right] != plain[top:bottom, left:right]
        kept = (cleaned[top:bottom, left:right] == pixels[top:bottom, left:right]) & inked
        gone = 1 - int(kept.sum()) / max(int(inked.sum()), 1)
        uniform = float(cleaned[top:bottom, left:right].std()) < 1  # black over black ink: nothing to read either
        masked += int(gone >= 0.95 or uniform)
        passed += int(gone < 0.95 and not uniform)
        near[max(top - 12, 0) : bottom + 12, max(left - 12, 0) : right + 12] = True
    lost = int(((cleaned != pixels) & ~near).sum())
    return {"labels": len(labels), "masked": masked, "passed": passed, "samples lost elsewhere": lost}


def main() -> int:
    """Print the table by cell, and write it as JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2, help="pictures a cell")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind in BACKGROUNDS:
        for height in HEIGHTS:
            for contrast in CONTRASTS:
                rows.append(cell(kind, height, contrast, arguments.pictures))
                say(rows[-1])
    for turned in TURNS:
        for kind in ("black", "tissue"):
            rows.append(cell(kind, 18, "full", arguments.pictures, turned))
            say(rows[-1])
    total = {key: sum(row.get(key, 0) for row in rows) for key in ("labels", "masked", "refused", "passed")}
    total["recall"] = round(1 - total["passed"] / total["labels"], 4)
    sys.stdout.write(json.dumps({"all cells": total}) + "\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"cells": rows, "total": total}, indent=1) + "\n")
    return 0


def say(row: dict[str, Any]) -> None:
    """One line of the table as soon as it is known."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def turned_by(pixels: "np.ndarray[Any, Any]", labels: list[Label], quarters: int) -> tuple[Any, list[Label]]:
    """A square picture and its labels turned counter-clockwise by quarters."""
    for _ in range(quarters):
        labels = [Label(one.text, (one.box[1], SIZE - one.box[2], one.box[3], SIZE - one.box[0])) for one in labels]
    return np.ascontiguousarray(np.rot90(pixels, quarters)), labels


def cell(kind: str, height: int, contrast: str, pictures: int, turned: int = 0) -> dict[str, Any]:
    """One row of the table."""
    start = time.perf_counter()
    row: dict[str, Any] = {"background": kind, "letter height": height, "contrast": contrast}
    if turned:
        row["turned, degrees"] = 90 * turned
    for seed in range(pictures):
        pixels, labels = picture(kind, height, contrast, seed)
        source = random.Random(f"{kind}/{height}/{contrast}/{seed}")  # noqa: S311
        plain = background(kind, np.random.default_rng(source.randrange(1 << 30)))
        pixels, labels = turned_by(pixels, labels, turned)
        plain, _ = turned_by(plain, [], turned)
        for key, value in judge(pixels, plain, labels).items():
            row[key] = row.get(key, 0) + value
    row["seconds a picture"] = round((time.perf_counter() - start) / pictures, 1)
    return row


if __name__ == "__main__":
    raise SystemExit(main())
