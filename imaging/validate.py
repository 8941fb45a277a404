"""Whether an object may enter the platform: structure, identity, SOP Class, pixels.

`validate` never raises: the first broken rule makes the result invalid and names code, attribute and clause.
`check` is the same for callers that want the exception. Rules are a table, applied in order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imaging.dictionary import PIXEL_DATA, keyword_of, uid_name
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import DEFAULT_LIMITS, Limits
from imaging.metadata import ImageMetadata, extract
from imaging.parse import ParsedImage, read

_UID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_MODALITY: Final = re.compile(r"[A-Z0-9_ ]{1,16}")
_IDENTITY: Final = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
_PIXEL_ATTRIBUTES: Final = (0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103)
_PIXEL_ELEMENTS: Final = (PIXEL_DATA, 0x7FE00008, 0x7FE00009)
_BITS: Final = frozenset({1, 8, 16, 24, 32, 64})
_MODALITY_OF: Final = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.1": "CR",
}
"""Modality that PS3.3 fixes for a SOP Class (for example A.3.3 CT Image IOD)."""


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """The verdict on one object; carries no value of it except inside `metadata`, which is PHI.

    Attributes:
        valid: every rule held.
        reason_code, tag_keyword, rule, reason: of the first broken rule, "" when valid.
        metadata: the typed header when valid, else None.
    """

    valid: bool
    reason_code: str = ""
    tag_keyword: str = ""
    rule: str = ""
    reason: str = ""
    metadata: ImageMetadata | None = None


def validate(data: bytes | memoryview, limits: Limits = DEFAULT_LIMITS) -> ValidationResult:
    """Judge a Part 10 object; never raises on its content."""
    try:
        metadata = check(read(data, limits), limits)
    except ImageRejected as rejected:
        return ValidationResult(
            valid=False,
            reason_code=rejected.code.value,
            tag_keyword=rejected.tag_keyword,
            rule=rejected.rule,
            reason=rejected.sentence,
        )
    return ValidationResult(valid=True, metadata=metadata)


def check(parsed: ParsedImage, limits: Limits = DEFAULT_LIMITS) -> ImageMetadata:
    """Apply every rule to a parsed object and return its metadata.

    Raises:
        ImageRejected: the first rule that does not hold.
    """
    return _apply(parsed, limits, _IDENTITY, _RULES)


def check_for_cleaning(parsed: ParsedImage, limits: Limits = DEFAULT_LIMITS) -> ImageMetadata:
    """The rules without which cleaning could not tell what it has in hands; a faulty object can still be cleaned.

    Raises:
        ImageRejected: the first rule that does not hold.
    """
    _refuse_directory(parsed)
    for tag in _IDENTITY[:2]:
        if not parsed.text(tag):
            raise _absent(tag)
    return _apply(parsed, limits, (), (_sop_class_is_known, _pixel_module_is_sane))


def _apply(parsed: ParsedImage, limits: Limits, identity: tuple[int, ...], rules: "tuple[_Rule, ...]") -> ImageMetadata:
    _refuse_directory(parsed)
    for tag in identity:
        _check_uid(parsed, tag)
    metadata = extract(parsed)
    for rule in rules:
        rule(parsed, metadata, limits)
    return metadata


def _refuse_directory(parsed: ParsedImage) -> None:
    if uid_name(parsed.text(0x00020002), "SOP Class") == "Media Storage Directory Storage":
        sentence = "a media directory indexes images and is none"
        raise ImageRejected(ReasonCode.DICOM_DIRECTORY, "MediaStorageSOPClassUID", "PS3.10 8.6", sentence)


def _absent(tag: int) -> ImageRejected:
    sentence = "the attribute is required and is absent or empty"
    return ImageRejected(ReasonCode.MISSING_ATTRIBUTE, keyword_of(tag), "PS3.3 Type 1", sentence)


def _check_uid(parsed: ParsedImage, tag: int) -> None:
    uid = parsed.text(tag)
    if not uid:
        raise _absent(tag)
    if len(uid) > 64 or not _UID.fullmatch(uid):
        sentence = "the value is no valid unique identifier"
        raise ImageRejected(ReasonCode.BAD_UID, keyword_of(tag), "PS3.5 9.1", sentence)


def _file_meta_agrees(parsed: ParsedImage, metadata: ImageMetadata, _: Limits) -> None:
    # the instance UID may differ: tools that edit a data set often leave the old one, and nothing here trusts it
    declared = parsed.text(0x00020002)
    if declared and declared != metadata.image.sop_class:
        sentence = "the file meta information names another SOP Class than the data set"
        raise ImageRejected(ReasonCode.META_MISMATCH, "MediaStorageSOPClassUID", "PS3.10 7.1", sentence)


def _sop_class_is_known(_: ParsedImage, metadata: ImageMetadata, __: Limits) -> None:
    if not metadata.image.sop_class_name:
        sentence = "the SOP Class is not one of the standard"
        raise ImageRejected(ReasonCode.UNKNOWN_SOP_CLASS, "SOPClassUID", "PS3.4 B.5", sentence)


def _modality_fits(_: ParsedImage, metadata: ImageMetadata, __: Limits) -> None:
    modality = metadata.series.modality
    if not modality:
        if "Storage" in metadata.image.sop_class_name and "Directory" not in metadata.image.sop_class_name:
            sentence = "the attribute is required and is absent or empty"
            raise ImageRejected(ReasonCode.MISSING_ATTRIBUTE, "Modality", "PS3.3 C.7.3.1", sentence)
        return
    expected = _MODALITY_OF.get(metadata.image.sop_class, modality)
    if modality != expected or not _MODALITY.fullmatch(modality):
        sentence = "the modality is not the one of its SOP Class"
        raise ImageRejected(ReasonCode.BAD_VALUE, "Modality", "PS3.3 C.7.3.1.1.1", sentence)


def _pixels_are_there(parsed: ParsedImage, metadata: ImageMetadata, _: Limits) -> None:
    is_image = "Image Storage" in metadata.image.sop_class_name
    if is_image and not any(parsed.element(tag) for tag in _PIXEL_ELEMENTS):
        sentence = "an image object holds no pixel data"
        raise ImageRejected(ReasonCode.NO_PIXELS, "PixelData", "PS3.3 C.7.6.3", sentence)


def _pixel_module_is_sane(parsed: ParsedImage, metadata: ImageMetadata, limits: Limits) -> None:
    if parsed.element(PIXEL_DATA) is None:
        return
    for tag in _PIXEL_ATTRIBUTES:
        element = parsed.element(tag)
        if element is None or element.items is not None or not len(element.value):
            sentence = "the attribute is required with pixel data and is absent or empty"
            raise ImageRejected(ReasonCode.MISSING_ATTRIBUTE, keyword_of(tag), "PS3.3 C.7.6.3", sentence)
    image = metadata.image
    sane = {
        0x00280010: len(parsed_value(parsed, 0x00280010)) == 2 and image.rows > 0,
        0x00280011: len(parsed_value(parsed, 0x00280011)) == 2 and image.columns > 0,
        0x00280008: image.frames > 0,
        0x00280002: image.samples in (1, 3, 4),
        0x00280100: image.bits_allocated in _BITS,
        0x00280101: 0 < image.bits_stored <= image.bits_allocated,
    }
    for tag, holds in sane.items():
        if not holds:
            sentence = "the value is outside what the Image Pixel module allows"
            raise ImageRejected(ReasonCode.BAD_VALUE, keyword_of(tag), "PS3.3 C.7.6.3", sentence)
    if _matrix_bits(image.rows, image.columns, metadata) // 8 > limits.max_pixel_bytes:
        sentence = f"the decoded pixels would exceed {limits.max_pixel_bytes} bytes"
        raise ImageRejected(ReasonCode.PIXEL_LIMIT, "PixelData", "limit max_pixel_bytes", sentence)


def parsed_value(parsed: ParsedImage, tag: int) -> bytes:
    """The encoded value of a top-level element, b"" when absent or a sequence."""
    element = parsed.element(tag)
    return bytes(element.value) if element and element.items is None else b""


def _matrix_bits(rows: int, columns: int, metadata: ImageMetadata) -> int:
    image = metadata.image
    return rows * columns * image.samples * image.frames * image.bits_allocated


def _pixel_length_fits(parsed: ParsedImage, metadata: ImageMetadata, _: Limits) -> None:
    element = parsed.element(PIXEL_DATA)
    if element is None:
        return
    image = metadata.image
    if parsed.transfer_syntax.is_encapsulated:
        if element.fragments < 2 or len(element.value) <= 8 * element.fragments:
            sentence = "the encapsulated pixel data holds no compressed frame"
            raise ImageRejected(ReasonCode.PIXEL_LENGTH, "PixelData", "PS3.5 A.4", sentence)
        is_video = "MPEG" in parsed.transfer_syntax.name or "HEVC" in parsed.transfer_syntax.name
        if not is_video and element.fragments - 1 < image.frames:
            sentence = "the encapsulated pixel data holds fewer fragments than frames"
            raise ImageRejected(ReasonCode.PIXEL_LENGTH, "PixelData", "PS3.5 A.4", sentence)
        return
    bits = _matrix_bits(image.rows, image.columns, metadata)
    if image.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    expected = (bits + 7) // 8
    if element.fragments or len(element.value) not in (expected, expected + expected % 2):
        sentence = "the pixel data does not have the length that rows, columns, samples, frames and bits give"
        raise ImageRejected(ReasonCode.PIXEL_LENGTH, "PixelData", "PS3.5 8.1.1", sentence)


_Rule = Callable[[ParsedImage, ImageMetadata, Limits], None]
_RULES: Final[tuple[_Rule, ...]] = (
    _file_meta_agrees,
    _sop_class_is_known,
    _modality_fits,
    _pixels_are_there,
    _pixel_module_is_sane,
    _pixel_length_fits,
)
