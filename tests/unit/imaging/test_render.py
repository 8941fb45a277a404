"""Pictures show the window that was asked for and carry nothing but pixels."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from imaging.render import LUNG, Window, to_grey, to_png, values_of

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def _decode_png(data: bytes) -> np.ndarray:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    columns, rows, depth, colour = struct.unpack(">LLBB", data[16:26])
    assert (depth, colour) == (8, 0)
    size = struct.unpack(">L", data[33:37])[0]
    lines = zlib.decompress(data[41 : 41 + size])
    return np.frombuffer(lines, np.uint8).reshape(rows, columns + 1)[:, 1:]


def test_window_maps_its_ends_to_black_and_white() -> None:
    values = np.array([[-2000, -1250, -500, 250, 3000]])
    assert to_grey(values, LUNG).tolist() == [[0, 0, 128, 255, 255]]


def test_png_holds_the_windowed_values() -> None:
    values = np.arange(-1000, 1000).reshape(40, 50)
    assert np.array_equal(_decode_png(to_png(values, Window(0, 2000))), to_grey(values, Window(0, 2000)))


def test_data_set_is_drawn_in_hounsfield_units_without_its_identity() -> None:
    data_set = pydicom.dcmread(TEST_FILES / "CT_small.dcm")
    values = values_of(data_set)
    assert values.min() < -800
    png = to_png(data_set)
    assert np.array_equal(_decode_png(png), to_grey(values))
    assert str(data_set.PatientName).encode() not in png
    assert [png[at : at + 4] for at in (12, 37)] == [b"IHDR", b"IDAT"]


def test_inverted_photometry_is_shown_as_meant(ct: Callable[..., bytes]) -> None:
    plain = pydicom.dcmread(BytesIO(ct()))
    inverted = pydicom.dcmread(BytesIO(ct(PhotometricInterpretation="MONOCHROME1")))
    assert np.array_equal(255 - _decode_png(to_png(plain)), _decode_png(to_png(inverted)))


def test_objects_without_pixels_and_colour_are_refused(ct: Callable[..., bytes]) -> None:
    with pytest.raises(ValueError, match="cannot be decoded"):
        to_png(pydicom.dcmread(BytesIO(ct(PixelData=None))))
    with pytest.raises(ValueError, match="greyscale"):
        to_png(np.zeros((4, 4, 3)))
