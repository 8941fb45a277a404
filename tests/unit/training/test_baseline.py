"""The drift baseline: sums of images and predictions, and nothing of a single one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import appearance, baseline, pixels

_SPEC = importlib.util.spec_from_file_location("baseline_slices", Path(__file__).with_name("test_pixels.py"))
assert _SPEC is not None and _SPEC.loader is not None
slices: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slices)


def looks(**attributes: Any) -> dict[str, Any]:
    content = slices.as_bytes(slices.ct_slice(slices.chest(128), **attributes))
    return appearance.of_dicom(pixels.load(content), pixels.from_dicom(content, 64))


def test_an_appearance_names_the_machine_and_its_geometry() -> None:
    found = looks(Manufacturer=" Acme ", PixelSpacing=[0.7, 0.7], SliceThickness=2.5)
    assert (found["manufacturer"], found["spacing_mm"], found["slice_thickness_mm"]) == ("ACME", 0.7, 2.5)
    assert (found["size"], found["modality"]) == ("128x128", "CT")
    assert set(found) <= {*appearance.NUMBERS, *appearance.CATEGORIES}


def test_an_appearance_has_the_percentiles_that_numpy_has() -> None:
    prepared = np.random.default_rng(5).random((65, 65), np.float32)
    found = appearance.of_pixels(prepared)
    expected = np.percentile(prepared.astype(np.float64), appearance.INTENSITY_PERCENTS)
    assert [found[f"intensity_p{percent:02d}"] for percent in appearance.INTENSITY_PERCENTS] == pytest.approx(
        expected, abs=1e-5
    )


def test_what_a_header_does_not_say_is_left_out_or_unknown() -> None:
    found = looks()
    assert "slice_thickness_mm" not in found
    assert found["manufacturer"] == appearance.UNKNOWN


@pytest.mark.parametrize(("maker", "told"), [("ACME", "ACME"), ("JANE DOE", "other"), ("unknown", "unknown")])
def test_a_maker_that_the_model_has_not_met_is_not_repeated(maker: str, told: str) -> None:
    assert appearance.known_only({"manufacturer": maker}, ["ACME"])["manufacturer"] == told


def test_a_baseline_holds_sums_and_no_key() -> None:
    images = baseline.of_images([looks(Manufacturer="A"), looks(Manufacturer="B"), looks(Manufacturer="B")], 2)
    columns = {"patient_keys": np.array(["p" * 32, "q" * 32, "q" * 32])}
    found = baseline.of_model(images, columns, np.array([0.15, 0.65, 1.0]), 0.5, "s" * 32)
    assert found["images"]["categories"]["manufacturer"] == {"A": 1, "B": 2}
    assert found["predictions"]["categories"]["finding"] == {"normal": 1, "pneumonia": 2}
    assert found["predictions"]["histogram"]["counts"] == [0, 1, 0, 0, 0, 0, 1, 0, 0, 1]
    assert (found["predictions"]["patients"], found["images"]["patients"]) == (2, 2)
    assert "p" * 32 not in json.dumps(found)


def test_a_sketch_is_the_percentiles() -> None:
    assert baseline.sketch(range(101)) == [float(value) for value in range(101)]
