"""Pixel data without anything that is not pixels: unused bits, bytes after the last sample, comments, stray fragments.

Samples are never changed. Text drawn into the samples is the concern of `imaging.pixel_risk` and `imaging.masking`.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from imaging.dictionary import PIXEL_DATA
from imaging.embedded_metadata import CodestreamError, blank_metadata, blank_rle
from imaging.errors import ImageRejected, ReasonCode
from imaging.metadata import Image, number
from imaging.parse import ParsedImage
from imaging.structure import Bytes

RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
_JPEG_FAMILY: Final = (
    "1.2.840.10008.1.2.4.5",
    "1.2.840.10008.1.2.4.6",
    "1.2.840.10008.1.2.4.7",
    "1.2.840.10008.1.2.4.8",
)
_JPEG_2000: Final = frozenset(f"1.2.840.10008.1.2.4.{last}" for last in (90, 91, 92, 93, 201, 202, 203))
_STARTS: Final = (b"\xff\xd8", b"\xff\x4f", b"\0\0\0\x0cjP")
EXTENDED_OFFSETS: Final = (0x7FE00001, 0x7FE00002)
_CHUNK: Final = 16 * 1024 * 1024
_PIECE: Final = 64 * 1024
"""Looked at in one go: what is copied stays in the cache, and its memory is that of the piece before."""
_ITEM: Final = b"\xfe\xff\x00\xe0"
_HIGH_BITS: Final = "PS3.5 8.1.1"


@dataclass(frozen=True)
class CleanPixels:
    """The cleaned value of Pixel Data.

    Attributes:
        value: encoded value, as for `Element`.
        fragments: items of an encapsulated value, 0 for a native one.
        unchanged: the bytes are those of the input.
        spells_nothing: no run of samples can be read as text.
        removed: bytes blanked or cut by what they were.
    """

    value: Bytes
    fragments: int
    unchanged: bool
    spells_nothing: bool
    removed: dict[str, int]


def cleaned_pixels(parsed: ParsedImage, image: Image, hidden_bits: "HiddenBits | None" = None) -> CleanPixels | None:
    """The pixel value of an object as it may leave, None when it has none.

    Args:
        hidden_bits: tells whether a compressed frame decodes to samples with bits above those stored; without it
            a frame that could hold such bits is refused.

    Raises:
        ImageRejected: PIXEL_LENGTH, PIXEL_RISK or UNCLEANABLE_PIXELS.
    """
    element = parsed.element(PIXEL_DATA)
    if element is None:
        return None
    if element.fragments:
        return _encapsulated(parsed, image, element.value, hidden_bits)
    if parsed.transfer_syntax.is_encapsulated:
        raise _refused(ReasonCode.PIXEL_LENGTH, "PS3.5 A.4", "the encapsulated pixel data has no fragments")
    return _native(parsed, image, element.value)


HiddenBits = Callable[[bytes, int], bool]


def _refused(code: ReasonCode, rule: str, sentence: str) -> ImageRejected:
    return ImageRejected(code, "PixelData", rule, sentence)


def _native(parsed: ParsedImage, image: Image, value: Bytes) -> CleanPixels:
    bits = image.rows * image.columns * image.samples * image.frames * image.bits_allocated
    if image.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    expected = (bits + 7) // 8
    if len(value) < expected:
        sentence = "the pixel data is shorter than rows, columns, samples, frames and bits ask for"
        raise _refused(ReasonCode.PIXEL_LENGTH, _HIGH_BITS, sentence)
    removed: dict[str, int] = {}
    unchanged = True
    tail = bytes(value[expected:])
    if tail.strip(b"\0") or len(tail) > 1:
        removed["bytes after the last sample"] = len(tail) - tail.count(0)
        value, unchanged = bytes(value[:expected]) + bytes(expected % 2), False
    masked = _without_hidden_bits(value, expected, parsed, image)
    if masked is not None:
        removed["unused bits"] = 1
        value, unchanged = masked, False
    unsigned = number(parsed, 0x00280103) == 0
    spells_nothing = image.bits_allocated == 16 and image.bits_stored <= 13 and unsigned
    return CleanPixels(value, 0, unchanged, spells_nothing, removed)


def _without_hidden_bits(value: Bytes, size: int, parsed: ParsedImage, image: Image) -> bytes | None:
    """The samples with the bits outside Bits Stored cleared, where old overlays hide; None when there are none.

    Signed samples get their sign extended instead, as readers expect.
    """
    allocated, stored = image.bits_allocated, image.bits_stored
    lowest = number(parsed, 0x00280102) - stored + 1
    signed = number(parsed, 0x00280103) == 1
    if allocated in (1, stored) or allocated % 8:
        return None
    if lowest < 0 or lowest + stored > allocated or (signed and lowest > 0):
        raise _refused(ReasonCode.BAD_VALUE, _HIGH_BITS, "High Bit does not fit Bits Stored and Bits Allocated")
    if allocated == 16 and lowest == 0 and stored >= 8 and _samples_fit(value, size, stored, signed, parsed.little):
        return None
    order = "little" if parsed.little else "big"
    width = allocated // 8
    changed, parts = False, list[bytes]()
    for start in range(0, size, _CHUNK):
        chunk = bytes(value[start : min(start + _CHUNK, size)])
        masked = _masked(chunk, width, stored, lowest, order, signed=signed)
        changed = changed or masked != chunk
        parts.append(masked)
    return b"".join(parts) + bytes(value[size:]) if changed else None


def _samples_fit(value: Bytes, size: int, stored: int, signed: bool, little: bool) -> bool:
    """Whether no 16-bit sample has a bit set above those stored, or a sign that is not extended into them.

    By numpy at the speed of memory where something else has loaded it, which costs as much as a thousand images of
    half a megabyte; no function's layer has it.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return _high_bytes_fit(value, size, stored, signed, little)
    kind = ("<" if little else ">") + ("i2" if signed else "u2")
    samples = numpy.frombuffer(value, dtype=kind, count=size // 2)
    limit = 1 << (stored - signed)
    return bool(samples.max() < limit and (not signed or samples.min() >= -limit))


def _high_bytes_fit(value: Bytes, size: int, stored: int, signed: bool, little: bool) -> bool:
    """The same by a delete-translate of the high bytes, the quickest that the standard library has."""
    limit = 1 << (stored - 8)
    allowed = bytes(range(limit)) if not signed else bytes((*range(limit >> 1), *range(256 - (limit >> 1), 256)))
    if signed and stored == 8:
        return False  # the sign is in the low byte
    for start in range(0, size, _PIECE):
        chunk = bytes(value[start : min(start + _PIECE, size)])  # bytes are sliced by steps far faster than views
        if chunk[1 if little else 0 :: 2].translate(None, allowed):
            return False
    return True


def _masked(chunk: bytes, width: int, stored: int, lowest: int, order: str, *, signed: bool) -> bytes:
    """Whole-array arithmetic on one big integer: lanes never carry into each other, and no numpy is needed."""
    byte_order = "little" if order == "little" else "big"
    lanes = len(chunk) // width
    usable = chunk[: lanes * width]
    mask = int.from_bytes((((1 << stored) - 1) << lowest).to_bytes(width, byte_order) * lanes, byte_order)
    samples = int.from_bytes(usable, byte_order) & mask
    if signed:
        sign = int.from_bytes((1 << (stored - 1)).to_bytes(width, byte_order) * lanes, byte_order)
        samples |= (samples & sign) * (2 * ((1 << (8 * width - stored)) - 1))
    return samples.to_bytes(len(usable), byte_order) + bytes(len(chunk) - len(usable))


def _encapsulated(parsed: ParsedImage, image: Image, value: Bytes, hidden: HiddenBits | None) -> CleanPixels:
    table, *fragments = split_fragments(bytes(value))
    syntax = str(parsed.transfer_syntax)
    known = syntax == RLE_LOSSLESS or syntax in _JPEG_2000 or syntax.startswith(_JPEG_FAMILY)
    if not known:
        sentence = f"metadata inside {parsed.transfer_syntax.name or 'this transfer syntax'} cannot be cleaned"
        raise _refused(ReasonCode.UNCLEANABLE_PIXELS, "PS3.5 A.4", sentence)
    frames = _frames(fragments, is_rle=syntax == RLE_LOSSLESS)
    if len(frames) != max(image.frames, 1):
        sentence = "the encapsulated pixel data does not hold one codestream a frame"
        raise _refused(ReasonCode.PIXEL_LENGTH, "PS3.5 A.4", sentence)
    removed: dict[str, int] = {}
    cleaned: list[bytes] = []
    for frame in frames:
        blanked, parts = _clean_frame(frame, image, hidden, is_rle=syntax == RLE_LOSSLESS)
        cleaned += parts
        if blanked:
            removed["metadata in compressed frames"] = removed.get("metadata in compressed frames", 0) + blanked
    if table and (len(table) != 4 * len(frames) or not _true_offsets(table, frames)):
        removed["untrue offset table"] = len(table)
        table = b""
    encoded = b"".join(_ITEM + len(part).to_bytes(4, "little") + part for part in (table, *cleaned))
    return CleanPixels(encoded, 1 + len(cleaned), False, False, removed)


def split_fragments(value: bytes) -> list[bytes]:
    """The items of an encapsulated value, offset table first; `imaging.structure` has checked their lengths."""
    items: list[bytes] = []
    position = 0
    while position + 8 <= len(value):
        size = int.from_bytes(value[position + 4 : position + 8], "little")
        items.append(value[position + 8 : position + 8 + size])
        position += 8 + size
    return items


def extended_offsets_are_true(parsed: ParsedImage, pixels: CleanPixels | None) -> bool:
    """Whether the Extended Offset Table and its lengths say where the frames are, and nothing else (PS3.5 A.4)."""
    if pixels is None or not pixels.fragments:
        return False
    sizes = [len(frame) for frame in split_fragments(bytes(pixels.value))[1:]]
    starts = _positions(size + 8 for size in sizes)
    offsets, lengths = (_numbers(parsed, tag) for tag in EXTENDED_OFFSETS)
    # a length may leave out the byte that pads its frame
    return offsets == starts and [(length + 1) // 2 * 2 for length in lengths] == sizes


def _positions(sizes: Iterable[int]) -> list[int]:
    """Where each of things that follow each other begins; thousands of fragments must not cost millions of sums."""
    return [0, *accumulate(sizes)][:-1]


def _numbers(parsed: ParsedImage, tag: int) -> list[int]:
    element = parsed.element(tag)
    value = bytes(element.value) if element else b""
    return [int.from_bytes(value[at : at + 8], "little") for at in range(0, len(value), 8)]


def _true_offsets(table: bytes, frames: list[list[bytes]]) -> bool:
    position = 0
    for index, frame in enumerate(frames):
        if int.from_bytes(table[4 * index : 4 * index + 4], "little") != position:
            return False
        position += sum(8 + len(part) for part in frame)
    return True


def frames_of(value: bytes, *, is_rle: bool) -> list[list[bytes]]:
    """The frames of an encapsulated value, each as its fragments."""
    return _frames(split_fragments(value)[1:], is_rle=is_rle)


def _frames(fragments: list[bytes], *, is_rle: bool) -> list[list[bytes]]:
    """Fragments by frame: RLE has one each (PS3.5 A.4.2), the others start with their own marker."""
    if is_rle:
        return [[fragment] for fragment in fragments]
    frames: list[list[bytes]] = []
    for fragment in fragments:
        if not frames or fragment.startswith(_STARTS):
            frames.append([])
        frames[-1].append(fragment)
    return frames


def _clean_frame(
    parts: list[bytes], image: Image, hidden: HiddenBits | None, *, is_rle: bool
) -> tuple[int, list[bytes]]:
    """One frame, in fragments of the same sizes as before, and how many bytes were blanked."""
    frame = bytearray(b"".join(parts))
    try:
        if is_rle:
            stream, planes = blank_rle(frame, image.rows * image.columns)
            risky = _planes_hide_bits(planes, image)
        else:
            stream = blank_metadata(frame)
            could_hide = stream.precision > image.bits_stored
            risky = could_hide and (hidden is None or hidden(bytes(frame), image.bits_stored))
    except CodestreamError as error:
        raise _refused(ReasonCode.UNCLEANABLE_PIXELS, "PS3.5 A.4", f"a compressed frame is damaged: {error}") from None
    if risky:
        sentence = "compressed samples may hold bits above those stored, where old overlays hide"
        raise _refused(ReasonCode.PIXEL_RISK, _HIGH_BITS, sentence)
    sizes = [len(part) for part in parts]
    starts = _positions(sizes)
    return stream.blanked, [bytes(frame[start : start + size]) for start, size in zip(starts, sizes, strict=True)]


def _planes_hide_bits(planes: list[bytes], image: Image) -> bool:
    """Whether the most significant bytes of 16-bit samples use bits above those stored."""
    if image.bits_allocated != 16 or not 8 <= image.bits_stored < 16:
        return False
    limit = 1 << (image.bits_stored - 8)
    signed_too = bytes((*range(limit), *range(256 - (limit >> 1), 256)))
    return any(plane.translate(None, signed_too) for plane in planes[::2])
