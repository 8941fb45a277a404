"""HTJ2K frames are lossless; test_codestream.py has their prefixes."""

import numpy as np
import pytest

from imaging.htj2k import decode, encode

RNG = np.random.default_rng(5)
RAMP = (np.add.outer(np.arange(256), np.arange(256)) * 7 + RNG.integers(0, 40, (256, 256))).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_frames_come_back_bit_for_bit(dtype: str) -> None:
    pixels = RAMP.astype(dtype)
    assert np.array_equal(decode(encode(pixels)), pixels)


@pytest.mark.parametrize(
    "data", [b"", b"not a frame", bytes(64), encode(RAMP)[:40]], ids=["empty", "text", "zeros", "cut"]
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)
