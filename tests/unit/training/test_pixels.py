"""From DICOM bytes to the model's input: units, window, geometry, and every reason to leave an image out."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from training import pixels
from training.pixels import UnusableImageError


def ct_slice(stored: np.ndarray, **changed: Any) -> Dataset:
    """A minimal CT image of int16 stored values; `changed` sets or (None) deletes attributes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.PhotometricInterpretation = "CT", "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-1024"
    dataset.PixelData = stored.astype("<i2").tobytes()
    for name, value in changed.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    return dataset


def as_bytes(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def chest(edge: int = 128) -> np.ndarray:
    """Stored values (slope 2, intercept -1024) of a body (0 HU) with an air-filled square (-900 HU)."""
    stored = np.full((edge, edge), 512)
    stored[edge // 4 : edge // 2, edge // 4 : edge // 2] = 62
    return stored


def test_stored_values_become_hounsfield_units():
    hounsfield = pixels.hounsfield_units(ct_slice(chest()))
    assert hounsfield.dtype == np.float32
    assert (hounsfield[0, 0], hounsfield[40, 40]) == (0.0, -900.0)


@pytest.mark.parametrize(
    ("hounsfield", "expected"),
    [(-2000, 0.0), (-1350, 0.0), (-600, 0.5), (-1000, pixels.AIR), (150, 1.0), (3000, 1.0)],
)
def test_the_lung_window_maps_and_clips(hounsfield: float, expected: float):
    assert pixels.lung_window(np.array([[hounsfield]], np.float32))[0, 0] == pytest.approx(expected, abs=1e-6)


def test_the_output_is_a_square_between_0_and_1():
    image = pixels.from_dicom(as_bytes(ct_slice(chest(256))), 96)
    assert image.shape == (96, 96)
    assert image.dtype == np.float32
    assert 0.0 <= image.min() < image.max() <= 1.0


def test_resampling_keeps_the_mean_and_skips_no_pixel():
    image = np.zeros((512, 512), np.float32)
    image[257, 301] = 1.0
    small = pixels.square(image, 64)
    assert small.sum() * 64 == pytest.approx(1.0, rel=0.05), "a single bright pixel must not fall between the samples"


@pytest.mark.parametrize("size", [64, 200, 512])
def test_a_constant_stays_constant_at_every_size(size: int):
    assert pixels.square(np.full((128, 128), 0.25, np.float32), size) == pytest.approx(0.25, abs=1e-5)


def test_a_rectangle_is_padded_with_air_in_the_middle():
    squared = pixels.square(np.ones((64, 128), np.float32), 128)
    assert squared[64].min() == 1.0
    assert squared[0] == pytest.approx(pixels.AIR)
    assert squared[127] == pytest.approx(pixels.AIR)


NOT_FINITE = float("inf")


@pytest.mark.parametrize(
    ("stored", "changed", "code"),
    [
        (chest(), {"Modality": "MR"}, "wrong-modality"),
        (chest(), {"NumberOfFrames": 2}, "multi-frame"),
        (chest(), {"RescaleSlope": None}, "missing-rescale"),
        (chest(32), {}, "too-small"),
        (np.full((128, 128), 512), {}, "constant"),
        (np.full((128, 128), 30000), {}, "constant"),
        (chest(), {"PixelData": b"\x00\x00"}, "unreadable"),
        (chest(), {"PixelData": None}, "unreadable"),
    ],
    ids=["MR", "multi-frame", "no slope", "thumbnail", "blank", "saturated", "short pixels", "no pixels"],
)
def test_an_unusable_image_is_refused_with_a_code(stored: np.ndarray, changed: dict[str, Any], code: str):
    with pytest.raises(UnusableImageError) as caught:
        pixels.from_dicom(as_bytes(ct_slice(stored, **changed)), 64)
    assert caught.value.code == code


def test_values_that_are_not_finite_are_refused():
    hounsfield = np.full((128, 128), -500.0, np.float32)
    hounsfield[3, 3] = np.nan
    with pytest.raises(UnusableImageError) as caught:
        pixels.check_quality(hounsfield)
    assert caught.value.code == "not-finite"


@pytest.mark.parametrize("content", [b"", b"not dicom at all", b"\x00" * 200], ids=["empty", "text", "zeros"])
def test_what_is_no_dicom_is_unreadable(content: bytes):
    with pytest.raises(UnusableImageError) as caught:
        pixels.from_dicom(content, 64)
    assert caught.value.code == "unreadable"
