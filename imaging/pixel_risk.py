"""Objects whose content cannot be cleaned by the header alone, and are therefore refused (PS3.15 E.3.1, E.1.1).

The Basic Profile leaves pixels to the Clean Pixel Data Option. Until pixels are searched for text, an object that
may show identifiers in them is refused unless the caller vouches for it: refusing costs one image of the research
set, letting it pass costs a patient's privacy.
"""

from typing import Final

from imaging.dictionary import PIXEL_DATA
from imaging.errors import ImageRejected, ReasonCode
from imaging.metadata import ImageMetadata
from imaging.parse import ParsedImage

_PAINTED_CLASS: Final = ("Secondary Capture", "Ultrasound", "Visible Light", "VL ", "Video", "Ophthalmic", "Hardcopy")
_PAINTED_MODALITY: Final = frozenset(
    ("US", "IVUS", "BDUS", "SC", "OT", "XC", "ES", "GM", "OP", "OPT", "SM", "DOC", "HC", "DG", "EPS")
)
_OFTEN_PAINTED_MODALITY: Final = frozenset(("XA", "RF", "PX", "IO"))
_SCREEN: Final = frozenset(
    ("SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "DOSE_INFO", "DOSE REPORT", "REPORT", "PROTOCOL", "CAPTURE", "PASTED")
)
_GREYSCALE_MODALITY: Final = frozenset(["CT", "MR", "CR", "DX", "MG", "PT"])


def refuse_uncleanable(metadata: ImageMetadata) -> None:
    """Refuse SOP Classes of which nothing would be left, or that index other objects.

    Raises:
        ImageRejected: UNCLEANABLE_SOP_CLASS.
    """
    if "Storage" not in metadata.image.sop_class_name or "Raw Data" in metadata.image.sop_class_name:
        sentence = "objects of this SOP Class consist of private or administrative data"
        raise ImageRejected(ReasonCode.UNCLEANABLE_SOP_CLASS, "SOPClassUID", "PS3.15 E.1.1", sentence)


def pixel_risk(parsed: ParsedImage, metadata: ImageMetadata) -> ImageRejected | None:
    """The refusal that an object deserves because its pixels may show identifiers, None when nothing says so."""
    if parsed.element(PIXEL_DATA) is None:
        return None
    for rule in (_flagged, _painted_kind, _screen, _rendered):
        found = rule(parsed, metadata)
        if found:
            code, keyword, sentence = found
            return ImageRejected(code, keyword, "PS3.15 E.3.1", sentence)
    return None


_Finding = tuple[ReasonCode, str, str]


def _flagged(parsed: ParsedImage, _: ImageMetadata) -> _Finding | None:
    burned_in = parsed.text(0x00280301).upper()
    if burned_in and burned_in != "NO":
        return ReasonCode.BURNED_IN_ANNOTATION, "BurnedInAnnotation", "the object says that text is burned in"
    return None


def _painted_kind(parsed: ParsedImage, metadata: ImageMetadata) -> _Finding | None:
    modality, name = metadata.series.modality, metadata.image.sop_class_name
    if modality in _PAINTED_MODALITY or any(word in name for word in _PAINTED_CLASS):
        return ReasonCode.PIXEL_RISK, "Modality", "objects of this kind commonly show identifiers in their pixels"
    if modality in _OFTEN_PAINTED_MODALITY and parsed.text(0x00280301).upper() != "NO":
        sentence = "objects of this modality need an explicit statement that no text is burned in"
        return ReasonCode.PIXEL_RISK, "BurnedInAnnotation", sentence
    return None


def _screen(parsed: ParsedImage, _: ImageMetadata) -> _Finding | None:
    kinds = {part.strip().upper() for part in parsed.text(0x00080008).split("\\")}
    if kinds & _SCREEN or parsed.element(0x00080064) is not None:
        return ReasonCode.PIXEL_RISK, "ImageType", "the image was captured from a screen or converted"
    return None


def _rendered(_: ParsedImage, metadata: ImageMetadata) -> _Finding | None:
    if metadata.series.modality in _GREYSCALE_MODALITY and metadata.image.samples > 1:
        sentence = "a colour image of a greyscale modality is a rendered screen"
        return ReasonCode.PIXEL_RISK, "PhotometricInterpretation", sentence
    return None
