"""De-identification by the Basic Application Level Confidentiality Profile (PS3.15 Annex E, edition 2026d).

`deidentify` gives a cleaned copy or refuses; there is nothing in between. The same input and key give the same
output in every process. Not done here and said so in the report: text burned into pixels (refused where it is to
be expected) and recognizable faces.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from imaging.clean import Cleaner
from imaging.dictionary import PIXEL_DATA
from imaging.limits import DEFAULT_LIMITS, Limits
from imaging.metadata import ImageMetadata, number
from imaging.parse import PREAMBLE_BYTES, ParsedImage, native_syntax, read
from imaging.pixel_risk import refuse_pixel_risk, refuse_uncleanable
from imaging.profile import EDITION, METHOD_CODES, Retain
from imaging.pseudonym import Pseudonymizer, PseudonymKeys, subject
from imaging.residual import harvest, refuse_residue
from imaging.structure import Bytes, Element, Encoder
from imaging.validate import check

IMPLEMENTATION_CLASS_UID: Final = "2.25.302610243587218416301265410376541283917"
IMPLEMENTATION_VERSION_NAME: Final = "HIMLOPS_DEID_1"
NOT_DONE: Final = ("clean pixel data", "clean recognizable visual features")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the profile is applied.

    Attributes:
        retain: options of the profile in force; the default keeps intervals by shifting dates per patient, an empty
            set removes dates.
        pixels_known_clean: the caller vouches that no identifier can be seen in the pixels.
        limits: bounds of reading.
    """

    retain: frozenset[Retain] = frozenset({Retain.MODIFIED_DATES})
    pixels_known_clean: bool = False
    limits: Limits = DEFAULT_LIMITS

    def __post_init__(self) -> None:
        if {Retain.FULL_DATES, Retain.MODIFIED_DATES} <= self.retain:
            raise ValueError("dates are either kept in full or modified, not both")


DEFAULT_OPTIONS: Final = Options()


@dataclass(frozen=True, kw_only=True)
class Report:
    """The audit record of one object; holds no identifier and no value of it.

    Attributes:
        counts: number of elements by what happened to them.
        attributes: action by keyword, for every attribute that was not kept.
        identifiers_searched: size of the harvest that the output was searched for.
        input_sha256, output_sha256: hex digests.
    """

    edition: str
    options: tuple[str, ...]
    counts: Mapping[str, int]
    attributes: Mapping[str, str]
    identifiers_searched: int
    not_done: tuple[str, ...]
    input_sha256: str
    output_sha256: str


@dataclass(frozen=True, kw_only=True)
class Deidentified:
    """A cleaned object, its pseudonyms and its audit record."""

    data: bytes = field(repr=False)
    keys: PseudonymKeys
    report: Report


def deidentify(data: bytes, key: bytes, options: Options = DEFAULT_OPTIONS) -> Deidentified:
    """Clean one Part 10 object.

    Args:
        data: the object as received.
        key: at least 32 secret bytes.
        options: options of the profile.

    Raises:
        ImageRejected: the object is not valid, cannot be cleaned, or an identifier remained.
        ValueError: the key is too short.
    """
    pseudonymizer = Pseudonymizer(key)
    parsed = read(data, options.limits)
    metadata = check(parsed, options.limits)
    refuse_uncleanable(metadata)
    refuse_pixel_risk(parsed, metadata, pixels_known_clean=options.pixels_known_clean)
    keys = _keys(pseudonymizer, metadata)
    identifiers = harvest(parsed.elements, options.retain)
    days = pseudonymizer.date_shift_days(subject(metadata.patient.patient_id, metadata.study.study_uid))
    cleaner = Cleaner(pseudonymizer, keys.patient, timedelta(days=days), options.retain, identifiers)
    elements = cleaner.data_set(parsed.elements)
    pixels = _without_hidden_bits(parsed, metadata)
    elements = _with_pixels(elements, pixels)
    elements = _with_statement(elements, options.retain, keys.patient)
    image_uid = metadata.image.image_uid
    replaced = image_uid if Retain.UIDS in options.retain else pseudonymizer.uid(image_uid)
    meta = _file_meta(metadata.image.sop_class, replaced, str(native_syntax(parsed)))
    body = Encoder(little=parsed.little).encode(elements, implicit=parsed.implicit)
    output = b"".join((bytes(PREAMBLE_BYTES), b"DICM", meta, body))
    refuse_residue(identifiers, output, options.limits)
    return Deidentified(
        data=output,
        keys=keys,
        report=Report(
            edition=f"PS3.15 {EDITION}",
            options=tuple(sorted(option.value for option in options.retain)),
            counts=dict(cleaner.counts),
            attributes=dict(sorted(cleaner.touched.items())),
            identifiers_searched=len(identifiers),
            not_done=NOT_DONE,
            input_sha256=hashlib.sha256(data).hexdigest(),
            output_sha256=hashlib.sha256(output).hexdigest(),
        ),
    )


def keys_of(metadata: ImageMetadata, key: bytes) -> PseudonymKeys:
    """The pseudonyms of a valid object without cleaning it."""
    return _keys(Pseudonymizer(key), metadata)


def _keys(pseudonymizer: Pseudonymizer, metadata: ImageMetadata) -> PseudonymKeys:
    return pseudonymizer.keys(
        patient_id=metadata.patient.patient_id,
        study_uid=metadata.study.study_uid,
        series_uid=metadata.series.series_uid,
        image_uid=metadata.image.image_uid,
    )


def _with_pixels(elements: list[Element], pixels: Bytes | None) -> list[Element]:
    """The elements with the pixel values replaced; a repeated pixel element is dropped."""
    kept = [element for element in elements if element.tag != PIXEL_DATA]
    first = next((element for element in elements if element.tag == PIXEL_DATA), None)
    if first is not None and pixels is not None:
        kept.append(Element(PIXEL_DATA, first.vr, pixels, fragments=first.fragments))
    return kept


def _text(tag: int, vr: str, value: str) -> Element:
    encoded = value.encode("ascii")
    return Element(tag, vr, encoded + (b"\0" if vr == "UI" else b" ") * (len(encoded) % 2))


def _with_statement(elements: list[Element], retain: frozenset[Retain], patient: str) -> list[Element]:
    """The elements in tag order with the attributes that say what was done (PS3.15 E.1.1); older claims go."""
    codes = [METHOD_CODES[None], *(METHOD_CODES[option] for option in sorted(retain))]
    items = [
        [_text(0x00080100, "SH", value), _text(0x00080102, "SH", "DCM"), _text(0x00080104, "LO", meaning)]
        for value, meaning in codes
    ]
    dates = "REMOVED"
    if Retain.FULL_DATES in retain:
        dates = "UNMODIFIED"
    elif Retain.MODIFIED_DATES in retain:
        dates = "MODIFIED"
    statement = [
        _text(0x00100010, "PN", patient),
        _text(0x00100020, "LO", patient),
        _text(0x00120062, "CS", "YES"),
        _text(0x00120063, "LO", f"DICOM PS3.15 {EDITION} Basic Profile by table E.1-1"),
        Element(0x00120064, "SQ", items=items),
        _text(0x00280303, "CS", dates),
    ]
    replaced = {element.tag for element in statement}
    kept = [element for element in elements if element.tag not in replaced]
    return sorted(kept + statement, key=lambda element: element.tag)


def _file_meta(sop_class: str, image_uid: str, transfer_syntax: str) -> bytes:
    """New file meta information (PS3.10 7.1): nothing of the old one survives, application titles above all."""
    elements = [
        Element(0x00020001, "OB", b"\0\1"),
        _text(0x00020002, "UI", sop_class),
        _text(0x00020003, "UI", image_uid),
        _text(0x00020010, "UI", transfer_syntax),
        _text(0x00020012, "UI", IMPLEMENTATION_CLASS_UID),
        _text(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME),
    ]
    encoder = Encoder(little=True)
    body = encoder.encode(elements, implicit=False)
    return encoder.encode([Element(0x00020000, "UL", len(body).to_bytes(4, "little"))], implicit=False) + body


def _without_hidden_bits(parsed: ParsedImage, metadata: ImageMetadata) -> Bytes | None:
    """Native pixel bytes with the bits outside Bits Stored cleared, where old overlays hide (PS3.5 8.1.1).

    Signed samples get their sign extended instead, as readers expect. Whole-array arithmetic on one big integer:
    lanes of 16 bits never carry into each other, and no numpy is needed.
    """
    element = parsed.element(PIXEL_DATA)
    if element is None:
        return None
    stored = metadata.image.bits_stored
    unused = 16 - stored
    if parsed.transfer_syntax.is_encapsulated or metadata.image.bits_allocated != 16 or unused == 0:
        return element.value
    lowest = number(parsed, 0x00280102) - stored + 1
    signed = number(parsed, 0x00280103) == 1
    order = "little" if parsed.little else "big"
    if lowest < 0 or lowest + stored > 16 or (signed and lowest > 0):
        return bytes(len(element.value))
    lanes = len(element.value) // 2
    mask = int.from_bytes((((1 << stored) - 1) << lowest).to_bytes(2, order) * lanes, order)
    samples = int.from_bytes(element.value, order) & mask
    if signed:
        sign = int.from_bytes((1 << (stored - 1)).to_bytes(2, order) * lanes, order)
        samples |= (samples & sign) * (2 * ((1 << unused) - 1))
    return samples.to_bytes(len(element.value), order)
