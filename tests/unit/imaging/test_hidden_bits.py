"""Native samples keep every stored value, and one bit above those stored is seen, with numpy and without."""

import sys
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from imaging.deidentify import deidentify

KEY = bytes(range(32))


@pytest.mark.parametrize("numpy", [True, False], ids=["with numpy", "without"])
@pytest.mark.parametrize("order", [ExplicitVRLittleEndian, ExplicitVRBigEndian], ids=["little", "big"])
@pytest.mark.parametrize(("signed", "stored"), [(0, 12), (1, 12), (0, 10), (1, 16), (1, 8)], ids=str)
def test_samples_of_the_stored_bits_stay_as_they_are_and_one_bit_more_is_seen(
    data_set: Dataset,
    to_bytes: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    *,
    signed: int,
    stored: int,
    order: str,
    numpy: bool,
) -> None:
    if not numpy:
        monkeypatch.setitem(sys.modules, "numpy", None)  # as in a function, whose layer has none
    data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = stored, stored - 1, signed
    lowest, highest = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    byte_order = "little" if order == ExplicitVRLittleEndian else "big"

    def written(last: int) -> bytes:
        values = [lowest, highest, 0, 1] * 63 + [lowest, highest, 0, last]
        data_set.PixelData = b"".join((value & 0xFFFF).to_bytes(2, byte_order) for value in values)
        return to_bytes(data_set, order)

    counted = "pixel data, unused bits: remove"
    assert counted not in deidentify(written(highest), KEY).report.actions
    for beyond in (highest + 1, lowest - 1) if stored < 16 else ():
        assert counted in deidentify(written(beyond), KEY).report.actions
