"""What HTJ2K saves on the real chest CT: bytes of every lossless form of the same slices, in one run.

The peers are what an archive would hold otherwise: Explicit VR Little Endian (16 bits a pixel, the size on the wire),
JPEG-LS, JPEG 2000 and gzip of the raw samples. HTJ2K is made by the encoder that the local HealthImaging stand-in
uses, with its settings; every frame is decoded again and compared.

    .venv/bin/python -m bench.storage --every 4
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import imagecodecs
import numpy as np

from local.cohort.anatomy import load
from local.healthimaging.pixels import encode

CACHE: Final = Path(__file__).resolve().parents[2] / ".cache"


def _raw(frame: np.ndarray) -> bytes:
    return frame.tobytes()


FORMS: Final[dict[str, tuple[Callable[[np.ndarray], bytes], Callable[[bytes], Any] | None]]] = {
    "Explicit VR Little Endian": (_raw, None),
    "HTJ2K lossless RPCL": (lambda frame: encode(frame)[0], imagecodecs.htj2k_decode),
    "JPEG-LS lossless": (lambda frame: bytes(imagecodecs.jpegls_encode(frame)), imagecodecs.jpegls_decode),
    "JPEG 2000 lossless": (
        lambda frame: bytes(imagecodecs.jpeg2k_encode(frame, level=0, reversible=True)),
        imagecodecs.jpeg2k_decode,
    ),
    "gzip -6": (lambda frame: zlib.compress(frame.tobytes(), 6), None),
}


def sizes(frames: np.ndarray) -> dict[str, int]:
    """Bytes of all frames in every form. Raises ValueError when a form does not give the frame back."""
    total = dict.fromkeys(FORMS, 0)
    for frame in frames:
        for name, (written, decode) in FORMS.items():
            data = written(frame)
            if decode is not None and not np.array_equal(decode(data), frame):
                raise ValueError(f"{name} does not give the frame back")
            total[name] += len(data)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.storage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th slice (default: all)")
    parser.add_argument("--json", action="store_true", help="figures as JSON instead of a table")
    given = parser.parse_args()
    frames = load(CACHE).hounsfield[:: given.every].astype(np.uint16)
    found = sizes(frames)
    raw = found["Explicit VR Little Endian"]
    if given.json:
        ratios = {name: round(size / raw, 4) for name, size in found.items()}
        sys.stdout.write(json.dumps({"slices": len(frames), "bytes": found, "fraction_of_raw": ratios}) + "\n")
        return 0
    sys.stdout.write(f"{len(frames)} slices of 512 x 512, 16 bits\n")
    for name, size in found.items():
        sys.stdout.write(f"{name:28} {size / 1e6:8.2f} MB  {size / raw:6.1%} of raw, {1 - size / raw:6.1%} saved\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
