"""Objects whose content cannot be cleaned by the header alone, and are therefore refused (PS3.15 E.3.1, E.1.1).

The Basic Profile leaves pixels to the Clean Pixel Data Option. Until pixels are searched for text, an object that
may show identifiers in them is refused unless the caller vouches for it: refusing costs one image of the research
set, letting it pass costs a patient's privacy.
"""

from typing import Final

from imaging.errors import ImageRejected, ReasonCode
from imaging.metadata import ImageMetadata
from imaging.parse import ParsedImage

_CLEANABLE: Final = ("Image Storage", "Segmentation Storage", "Parametric Map Storage", "RT Dose Storage")
_DOCUMENT: Final = ("Encapsulated",)
_REPORT: Final = (" SR ", "Structured Report", "Dose SR", "Key Object Selection", "CAD SR", "Report")
_PAINTED_CLASS: Final = ("Secondary Capture", "Ultrasound", "Visible Light", "VL ", "Video", "Ophthalmic", "Hardcopy")
_PAINTED_MODALITY: Final = frozenset(
    ("US", "IVUS", "BDUS", "SC", "OT", "XC", "ES", "GM", "OP", "OPT", "SM", "DOC", "HC", "DG", "EPS")
)
_OFTEN_PAINTED_MODALITY: Final = frozenset(("XA", "RF", "PX", "IO"))
_SCREEN: Final = frozenset(
    ("SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "DOSE_INFO", "DOSE REPORT", "REPORT", "PROTOCOL", "CAPTURE", "PASTED")
)
_GREYSCALE_MODALITY: Final = frozenset(["CT", "MR", "CR", "DX", "MG", "PT"])


def _refuse(code: ReasonCode, keyword: str, rule: str, sentence: str) -> None:
    raise ImageRejected(code, keyword, rule, sentence)


def refuse_uncleanable(metadata: ImageMetadata) -> None:
    """Refuse SOP Classes whose content the header profile does not reach.

    Raises:
        ImageRejected: ENCAPSULATED_DOCUMENT, STRUCTURED_REPORT or UNCLEANABLE_SOP_CLASS.
    """
    name = metadata.image.sop_class_name
    rule = "PS3.15 E.1.1"
    if any(word in name for word in _DOCUMENT):
        sentence = "an encapsulated document cannot be cleaned"
        _refuse(ReasonCode.ENCAPSULATED_DOCUMENT, "SOPClassUID", rule, sentence)
    if any(word in name for word in _REPORT):
        sentence = "the content of a structured report is not cleaned"
        _refuse(ReasonCode.STRUCTURED_REPORT, "SOPClassUID", "PS3.15 E.3.4", sentence)
    if not any(word in name for word in _CLEANABLE):
        sentence = "objects of this SOP Class are not cleaned"
        _refuse(ReasonCode.UNCLEANABLE_SOP_CLASS, "SOPClassUID", rule, sentence)


def refuse_pixel_risk(parsed: ParsedImage, metadata: ImageMetadata, *, pixels_known_clean: bool) -> None:
    """Refuse objects whose pixels may show identifiers, unless the caller vouches for the pixels.

    Raises:
        ImageRejected: BURNED_IN_ANNOTATION or PIXEL_RISK.
    """
    if pixels_known_clean:
        return
    rule = "PS3.15 E.3.1"
    burned_in = parsed.text(0x00280301).upper()
    if burned_in and burned_in != "NO":
        sentence = "the object says that text is burned into its pixels"
        _refuse(ReasonCode.BURNED_IN_ANNOTATION, "BurnedInAnnotation", rule, sentence)
    modality = metadata.series.modality
    if modality in _PAINTED_MODALITY or any(word in metadata.image.sop_class_name for word in _PAINTED_CLASS):
        sentence = "objects of this kind commonly show identifiers in their pixels"
        _refuse(ReasonCode.PIXEL_RISK, "Modality", rule, sentence)
    if modality in _OFTEN_PAINTED_MODALITY and burned_in != "NO":
        sentence = "objects of this modality need an explicit statement that no text is burned in"
        _refuse(ReasonCode.PIXEL_RISK, "BurnedInAnnotation", rule, sentence)
    kinds = {part.strip().upper() for part in parsed.text(0x00080008).split("\\")}
    if kinds & _SCREEN or parsed.element(0x00080064) is not None:
        sentence = "the image was captured from a screen or converted from another form"
        _refuse(ReasonCode.PIXEL_RISK, "ImageType", rule, sentence)
    if modality in _GREYSCALE_MODALITY and metadata.image.samples > 1:
        sentence = "a colour image of a greyscale modality is a rendered screen"
        _refuse(ReasonCode.PIXEL_RISK, "PhotometricInterpretation", rule, sentence)
