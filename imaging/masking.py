"""The Clean Pixel Data Option (PS3.15 E.3.1): text drawn into samples is found and blanked, nothing else is touched.

Native samples are blanked in place. A compressed object in which text is found is decoded, blanked and written
native: its other samples stay what they decoded to. Where text stays readable the object is refused.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from imaging.decode import decode_frame
from imaging.embedded_metadata import CodestreamError, blank_rle
from imaging.errors import ImageRejected, ReasonCode
from imaging.metadata import Image, number
from imaging.parse import ParsedImage
from imaging.pixels import RLE_LOSSLESS, CleanPixels, frames_of
from imaging.structure import Element

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imaging.text_detection import Box

MAXIMUM_FRAMES: Final = 64
"""Frames searched in one object: a second or two each; a longer one is refused."""
_PASSES: Final = 3
_RULE: Final = "PS3.15 E.3.1"


class Engines(Protocol):
    """What finds text and what checks that none is left; `imaging.text_detection` is one."""

    def find_text(self, grey: "NDArray[np.uint8]", /) -> "list[Box]":
        """Where text stands in a frame."""
        ...

    def still_readable(self, grey: "NDArray[np.uint8]", /) -> bool:
        """Whether a word can be read in a frame."""
        ...


@dataclass(frozen=True)
class Masked:
    """The outcome for one object.

    Attributes:
        pixels: the value to write.
        regions: boxes blanked, all frames together.
        native: the value is native although the object was compressed.
        changed: elements that describe the new value.
    """

    pixels: CleanPixels
    regions: int
    native: bool
    changed: tuple[Element, ...]


def _refused(sentence: str) -> ImageRejected:
    return ImageRejected(ReasonCode.PIXEL_RISK, "PixelData", _RULE, sentence)


def mask_text(parsed: ParsedImage, image: Image, pixels: CleanPixels, engines: Engines) -> Masked:
    """Blank every text in every frame.

    Raises:
        ImageRejected: PIXEL_RISK when the samples cannot be searched or text stays readable.
    """
    if image.frames > MAXIMUM_FRAMES:
        raise _refused(f"more than {MAXIMUM_FRAMES} frames are not searched for text")
    if image.bits_allocated not in (8, 16):
        raise _refused("only samples of 8 or 16 bits can be searched for text")
    stack = _native(parsed, image, pixels) if pixels.fragments == 0 else _decoded(parsed, image, pixels)
    regions = sum(_mask_frame(frame, image, engines) for frame in stack)
    if not regions:
        return Masked(pixels, 0, False, ())
    if pixels.fragments == 0:
        return Masked(_with_value(pixels, _encoded(stack, parsed, image)), regions, False, ())
    value = b"".join(frame.astype(frame.dtype.newbyteorder("<")).tobytes() for frame in stack)
    colour = (Element(0x00280004, "CS", b"RGB "), Element(0x00280006, "US", b"\0\0")) if image.samples == 3 else ()
    return Masked(_with_value(pixels, value + bytes(len(value) % 2)), regions, True, colour)


def _with_value(pixels: CleanPixels, value: bytes) -> CleanPixels:
    return CleanPixels(value, 0, False, pixels.spells_nothing, pixels.removed)


def _native(parsed: ParsedImage, image: Image, pixels: CleanPixels) -> "list[NDArray[Any]]":
    """Frames as writable arrays of shape (rows, columns) or (rows, columns, samples)."""
    import numpy as np

    if image.photometric == "YBR_FULL_422":
        raise _refused("native samples of YBR_FULL_422 are not searched for text")
    signed = number(parsed, 0x00280103) == 1
    kind = f"{'<' if parsed.little else '>'}{'i' if signed else 'u'}{image.bits_allocated // 8}"
    count = image.frames * image.rows * image.columns * image.samples
    flat: NDArray[Any] = np.frombuffer(pixels.value, kind, count=count).copy()
    if image.samples == 1:
        return list(flat.reshape(image.frames, image.rows, image.columns))
    if _planar(parsed):
        return list(flat.reshape(image.frames, image.samples, image.rows, image.columns).transpose(0, 2, 3, 1))
    return list(flat.reshape(image.frames, image.rows, image.columns, image.samples))


def _planar(parsed: ParsedImage) -> bool:
    return number(parsed, 0x00280006) == 1


def _encoded(stack: "list[NDArray[Any]]", parsed: ParsedImage, image: Image) -> bytes:
    planar = image.samples > 1 and _planar(parsed)
    value = b"".join((frame.transpose(2, 0, 1) if planar else frame).tobytes() for frame in stack)
    return value + bytes(len(value) % 2)


def _decoded(parsed: ParsedImage, image: Image, pixels: CleanPixels) -> "list[NDArray[Any]]":
    import numpy as np

    is_rle = str(parsed.transfer_syntax) == RLE_LOSSLESS
    shape = (image.rows, image.columns) + ((image.samples,) if image.samples > 1 else ())
    stack: list[NDArray[Any]] = []
    for parts in frames_of(bytes(pixels.value), is_rle=is_rle):
        coded = b"".join(parts)
        try:
            frame = _from_planes(coded, image) if is_rle else decode_frame(coded)
        except (ValueError, CodestreamError):
            raise _refused("a compressed frame cannot be decoded to search it for text") from None
        if frame.shape != shape or frame.dtype.itemsize * 8 != image.bits_allocated:
            raise _refused("a compressed frame decodes to another shape than the header says")
        stack.append(np.array(frame))
    return stack


def _from_planes(coded: bytes, image: Image) -> "NDArray[Any]":
    """Samples from the byte planes of RLE, most significant first (PS3.5 G.2)."""
    import numpy as np

    _, planes = blank_rle(bytearray(coded), image.rows * image.columns)
    width = image.bits_allocated // 8
    if len(planes) != width * image.samples:
        raise ValueError("another number of segments than samples and bits ask for")
    bytes_by_plane: NDArray[Any] = np.stack([np.frombuffer(plane, np.uint8) for plane in planes], axis=-1)
    samples: NDArray[Any] = np.ascontiguousarray(bytes_by_plane).view(f">u{width}").astype(f"<u{width}")
    return samples.reshape((image.rows, image.columns) + ((image.samples,) if image.samples > 1 else ()))


def _mask_frame(frame: "NDArray[Any]", image: Image, engines: Engines) -> int:
    """Blank until nothing more is found; answers how many boxes it took."""
    regions = 0
    for _ in range(_PASSES):
        boxes = [box for view in _views(frame, image) for box in engines.find_text(view)]
        if not boxes:
            break
        for box in boxes:
            frame[box.top : box.bottom, box.left : box.right] = _blank(frame, image)
        regions += len(boxes)
    if any(engines.still_readable(view) for view in _views(frame, image)):
        raise _refused("text was found in the pixels that could not be blanked with certainty")
    return regions


def _blank(frame: "NDArray[Any]", image: Image) -> Any:
    """Black of the frame: the value that says least."""
    if image.photometric == "MONOCHROME1":
        return frame.max()
    if image.photometric.startswith("YBR"):
        return (0, 128, 128)[: image.samples]
    return frame.min() if image.photometric == "MONOCHROME2" else 0


def _views(frame: "NDArray[Any]", image: Image) -> "list[NDArray[np.uint8]]":
    """The frame as pictures of 8 bits: its whole range, and for deeper samples the range that most of them use."""
    import numpy as np

    luminance = frame[..., 0] if image.photometric.startswith("YBR") and frame.ndim == 3 else frame
    grey: NDArray[Any] = luminance.max(axis=2) if luminance.ndim == 3 else luminance
    ranges = [(float(grey.min()), float(grey.max()))]
    if image.bits_allocated == 16:
        ranges.append((float(np.percentile(grey, 1)), float(np.percentile(grey, 99))))
    return [
        np.clip((grey.astype(np.float32) - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
        for low, high in dict.fromkeys(ranges)
        if high > low
    ]
