"""Stored frames as samples, and samples as the pictures that people see (PS3.18 8.3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from imaging import htj2k
from services.frame_proxy.errors import ProxyError
from services.frame_proxy.image_sets import EXPLICIT_VR_LITTLE_ENDIAN, Instance

Samples = NDArray[Any]
_JPEG: Final = "1.2.840.10008.1.2.4.50"
_JPEG_2000: Final = "1.2.840.10008.1.2.4.91"
_HTJ2K: Final = "1.2.840.10008.1.2.4.20"


@dataclass(frozen=True, kw_only=True)
class View:
    """How to render.

    Attributes:
        width, height: largest size in pixels, or 0.
        centre, width_of_window: VOI window in the unit of the image; None takes the image's own.
        media_type: image/jpeg or image/png.
        quality: of JPEG, 1 to 100.
    """

    width: int = 0
    height: int = 0
    centre: float | None = None
    width_of_window: float | None = None
    media_type: str = "image/jpeg"
    quality: int = 90


def decode(data: bytes | memoryview, instance: Instance, discard_levels: int = 0) -> Samples:
    """(rows, columns) or (rows, columns, samples) of the sample type that the instance names.

    Raises:
        ProxyError: 406 for syntaxes that are not decoded here (video); 502 for a frame that does not decode.
    """
    try:
        found = _decode(data, instance, discard_levels)
    except (ValueError, RuntimeError) as error:
        raise ProxyError(502, "UPSTREAM_FRAME", "a stored frame cannot be decoded") from error
    wanted = np.dtype(f"{'i' if instance.signed else 'u'}{max(1, instance.bits // 8)}")
    if found.dtype.itemsize == wanted.itemsize:
        return found.view(wanted)
    return found.astype(wanted)


def _decode(data: bytes | memoryview, instance: Instance, discard_levels: int) -> Samples:
    syntax = instance.stored_syntax
    if syntax.startswith(_HTJ2K):
        return htj2k.decode(bytes(data), discard_levels=discard_levels)
    if syntax == _JPEG:
        return imagecodecs.jpeg_decode(bytes(data))
    if syntax == _JPEG_2000:
        return imagecodecs.jpeg2k_decode(bytes(data))
    if syntax == EXPLICIT_VR_LITTLE_ENDIAN and instance.bits == 1:
        count = instance.rows * instance.columns
        return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:count].reshape(instance.rows, -1)
    if syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        flat = np.frombuffer(data, f"<u{instance.bits // 8}").reshape(instance.rows, instance.columns, -1)
        return flat[:, :, 0] if instance.samples == 1 else flat
    raise ProxyError(406, "NOT_ACCEPTABLE", "frames of this transfer syntax are not decoded here")


def native(samples: Samples) -> bytes:
    """Samples as Explicit VR Little Endian has them (PS3.5 8.1.1), colour by pixel."""
    return np.ascontiguousarray(samples, samples.dtype.newbyteorder("<")).tobytes()


def render(samples: Samples, attributes: dict[str, Any], view: View) -> bytes:
    """Samples as a JPEG or PNG without any metadata.

    Raises:
        ProxyError: 406 for what is neither greyscale nor RGB.
    """
    if samples.ndim == 2:
        picture = _grey(samples, attributes, view)
    elif samples.ndim == 3 and samples.shape[2] == 3 and samples.dtype.itemsize == 1:
        picture = samples.view(np.uint8)
    else:
        raise ProxyError(406, "NOT_ACCEPTABLE", "only greyscale and 8-bit colour can be rendered")
    picture = np.ascontiguousarray(_fit(picture, view))
    if view.media_type == "image/png":
        return bytes(cast("bytes", imagecodecs.png_encode(picture)))
    return bytes(cast("bytes", imagecodecs.jpeg_encode(picture, level=view.quality)))


def _grey(samples: Samples, attributes: dict[str, Any], view: View) -> Samples:
    """Modality LUT and VOI window, linear (PS3.3 C.11.1, C.11.2.1.2)."""
    if _text(attributes, "00280004") == "PALETTE COLOR":
        raise ProxyError(406, "NOT_ACCEPTABLE", "palette colour is not rendered")
    slope, intercept = _number(attributes, "00281053", 1.0) or 1.0, _number(attributes, "00281052", 0.0)
    values = samples.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    centre, width = view.centre, view.width_of_window
    if centre is None or width is None:
        centre, width = _number(attributes, "00281050", np.nan), _number(attributes, "00281051", np.nan)
    if not width > 0 or np.isnan(centre):
        low, high = float(values.min()), float(values.max())
        centre, width = (low + high) / 2, max(high - low, 1.0)
    grey = np.clip(np.rint((values - (centre - width / 2)) * (255.0 / width)), 0, 255).astype(np.uint8)
    return 255 - grey if _text(attributes, "00280004") == "MONOCHROME1" else grey


def _fit(picture: Samples, view: View) -> Samples:
    """Not larger than the view, by taking every n-th pixel's neighbourhood centre."""
    rows, columns = picture.shape[:2]
    scale = max(columns / view.width if view.width else 0, rows / view.height if view.height else 0)
    if scale <= 1:
        return picture
    tall, wide = max(1, round(rows / scale)), max(1, round(columns / scale))
    at_rows = np.minimum((np.arange(tall) + 0.5) * scale, rows - 1).astype(int)
    at_columns = np.minimum((np.arange(wide) + 0.5) * scale, columns - 1).astype(int)
    return picture[at_rows][:, at_columns]


def _number(attributes: dict[str, Any], tag: str, default: float) -> float:
    value = (attributes.get(tag, {}).get("Value") or [default])[0]
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def _text(attributes: dict[str, Any], tag: str) -> str:
    return str((attributes.get(tag, {}).get("Value") or [""])[0] or "")
