"""HTJ2K frames are lossless and their prefixes are whole images of lower resolution."""

import numpy as np
import pytest

from imaging.htj2k import decode, encode, level_ranges

RNG = np.random.default_rng(5)
RAMP = (np.add.outer(np.arange(256), np.arange(256)) * 7 + RNG.integers(0, 40, (256, 256))).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_frames_come_back_bit_for_bit(dtype: str) -> None:
    pixels = RAMP.astype(dtype)
    assert np.array_equal(decode(encode(pixels)), pixels)


def test_each_prefix_decodes_to_its_resolution() -> None:
    frame = encode(RAMP)
    ends = level_ranges(frame)
    assert ends == sorted(ends)
    assert ends[-1] == len(frame)
    assert len(ends) == 6
    for resolution, end in enumerate(ends):
        discard = 5 - resolution
        assert np.array_equal(decode(frame[:end], discard_levels=discard), decode(frame, discard_levels=discard))
    assert ends[3] < len(frame) / 4


@pytest.mark.parametrize(
    "data", [b"", b"not a frame", bytes(64), encode(RAMP)[:40]], ids=["empty", "text", "zeros", "cut"]
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)
    with pytest.raises(ValueError):
        level_ranges(data)
