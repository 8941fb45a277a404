"""De-identification by the Basic Application Level Confidentiality Profile (PS3.15 Annex E, edition 2026d).

`deidentify` gives a cleaned copy or refuses; there is nothing in between. The same input and key give the same
output in every process. Recognizable faces are not removed, and the report says so.
"""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from imaging import decode, text_detection
from imaging.clean import Cleaner
from imaging.dictionary import DEFLATED, EXPLICIT_LITTLE, PIXEL_DATA, TransferSyntax
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import DEFAULT_LIMITS, Limits
from imaging.metadata import ImageMetadata
from imaging.parse import PREAMBLE_BYTES, ParsedImage, read
from imaging.pixel_digest import Picture, picture_of
from imaging.pixel_risk import pixel_risk, refuse_uncleanable
from imaging.pixels import EXTENDED_OFFSETS, CleanPixels, cleaned_pixels, extended_offsets_are_true
from imaging.profile import EDITION, Option
from imaging.pseudonym import Pseudonymizer, PseudonymKeys, pseudonymizer, subject
from imaging.residual import harvest, refuse_residue
from imaging.statement import file_meta, with_statement
from imaging.structure import Bytes, Element, Encoder
from imaging.validate import check_for_cleaning

NOT_DONE: Final = "clean recognizable visual features"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the profile is applied.

    Attributes:
        chosen: options of the profile in force; the default keeps intervals by shifting dates per patient, an empty
            set removes dates.
        pixels_known_clean: the caller vouches that no identifier can be seen in the pixels.
        limits: bounds of reading.
        digests: the report names input and output by their SHA-256. Half of the work where pixels are native: who
            writes no report can do without.
    """

    chosen: frozenset[Option] = frozenset({Option.MODIFIED_DATES})
    pixels_known_clean: bool = False
    limits: Limits = DEFAULT_LIMITS
    digests: bool = True

    def __post_init__(self) -> None:
        if {Option.FULL_DATES, Option.MODIFIED_DATES} <= self.chosen:
            raise ValueError("dates are either kept in full or modified, not both")


DEFAULT_OPTIONS: Final = Options()


@dataclass(frozen=True, kw_only=True)
class Report:
    """The audit record of one object; holds no identifier and no value of it.

    Attributes:
        options: what was really applied, by the names of `Option`.
        actions: number of elements by rule and action.
        attributes: action by keyword, for every attribute that was not kept.
        identifiers_searched: size of the harvest that the output was searched for.
        input_sha256, output_sha256: hex digests, "" where none were asked for.
    """

    edition: str
    options: tuple[str, ...]
    actions: Mapping[str, int]
    attributes: Mapping[str, str]
    identifiers_searched: int
    not_done: tuple[str, ...]
    input_sha256: str
    output_sha256: str

    def as_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True)
class CleanedObject:
    """A cleaned object as the pieces it is written from; `deidentify` joins them.

    Attributes:
        head: everything before the pixel value (all of a deflated object).
        pixels: the pixel value, a view of the input's bytes where nothing in it changed.
        tail: what follows the pixel value.
    """

    head: bytes = field(repr=False)
    pixels: Bytes = field(repr=False)
    tail: bytes = field(repr=False)
    keys: PseudonymKeys
    report: Report
    picture: Picture = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Deidentified:
    """A cleaned object, its pseudonyms and its audit record."""

    data: bytes = field(repr=False)
    keys: PseudonymKeys
    report: Report
    picture: Picture = field(repr=False)

    def pixel_digest(self) -> str:
        """`imaging.pixel_digest.pixel_digest` of `data`, from the pixels that were at hand when it was cleaned."""
        return self.picture.digest(lambda: self.data)


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
    cleaned = clean(data, key, options)
    return Deidentified(
        data=b"".join((cleaned.head, cleaned.pixels, cleaned.tail)),
        keys=cleaned.keys,
        report=cleaned.report,
        picture=cleaned.picture,
    )


def clean(data: bytes | memoryview, key: bytes, options: Options = DEFAULT_OPTIONS) -> CleanedObject:
    """`deidentify` without a copy of the pixels, for callers that write to a file."""
    pseudonyms = pseudonymizer(key)
    parsed = read(data, options.limits)
    metadata = check_for_cleaning(parsed, options.limits)
    refuse_uncleanable(metadata)
    keys = _keys(pseudonyms, metadata)
    identifiers, in_kept_values = harvest(parsed.elements, options.chosen)
    work = _pixels(parsed, metadata, options)
    pixels, applied = work.pixels, work.applied
    days = pseudonyms.date_shift_days(subject(metadata.patient.patient_id, metadata.study.study_uid))
    shift = timedelta(days=days)
    cleaner = Cleaner(pseudonyms, keys.patient, shift, options.chosen, in_kept_values, little=parsed.little)
    elements = [element for element in cleaner.data_set(parsed.elements) if element.tag != PIXEL_DATA]
    rewritten = {element.tag for element in work.changed} | _untrue_offsets(parsed, pixels)
    elements = [element for element in elements if element.tag not in rewritten] + list(work.changed)
    statement = with_statement(elements, applied, keys.patient, text_was_masked=Option.PIXELS in applied)
    image_uid = metadata.image.image_uid
    replaced = image_uid if Option.UIDS in options.chosen else cleaner.uid(image_uid.encode()).decode()
    header = Encoder(little=parsed.little).encode(statement, implicit=parsed.implicit)

    def meta(syntax: TransferSyntax) -> bytes:
        return bytes(PREAMBLE_BYTES) + b"DICM" + file_meta(metadata.image.sop_class, replaced, syntax)

    deflated = parsed.transfer_syntax == DEFLATED
    searched = meta(EXPLICIT_LITTLE if deflated else work.syntax) + header
    value = pixels.value if pixels else b""
    refuse_residue(identifiers, searched, value, options.limits, pixels_clean=pixels is None or pixels.spells_nothing)
    before, after = _pixel_element(parsed, pixels)
    pieces: tuple[bytes, Bytes, bytes] = (searched + before, value, after)
    if deflated:
        deflater = zlib.compressobj(6, wbits=-zlib.MAX_WBITS)
        body = deflater.compress(b"".join((header + before, value, after))) + deflater.flush()
        pieces = (meta(DEFLATED) + body + bytes(len(body) % 2), b"", b"")
    for what, count in (pixels.removed if pixels else {}).items():
        cleaner.counts[f"pixel data, {what}: remove"] += count
    if work.regions:
        cleaner.counts["text in pixels: blank"] += work.regions
    if parsed.trailing_bytes:
        cleaner.counts["bytes after the data set: remove"] += parsed.trailing_bytes
    return CleanedObject(
        head=pieces[0],
        pixels=pieces[1],
        tail=pieces[2],
        keys=keys,
        picture=picture_of(parsed, value, compressed=work.syntax.is_encapsulated),
        report=Report(
            edition=f"PS3.15 {EDITION}",
            options=tuple(sorted(option.value for option in applied)),
            actions=dict(sorted(cleaner.counts.items())),
            attributes=dict(sorted(cleaner.touched.items())),
            identifiers_searched=len(identifiers),
            not_done=(NOT_DONE,) if Option.PIXELS in applied else (NOT_DONE, "clean pixel data"),
            input_sha256=_digest((data,)) if options.digests else "",
            output_sha256=_digest(pieces) if options.digests else "",
        ),
    )


def _digest(pieces: tuple[Bytes, ...]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True)
class _PixelWork:
    """What became of the pixels: their value, the options that were applied, and what the header must now say."""

    pixels: CleanPixels | None
    applied: frozenset[Option]
    syntax: TransferSyntax
    changed: tuple[Element, ...] = ()
    regions: int = 0


def _pixels(parsed: ParsedImage, metadata: ImageMetadata, options: Options) -> _PixelWork:
    """Clean what surrounds the samples, and the samples themselves where the option asks for it."""
    without = options.chosen - {Option.PIXELS}
    wanted = Option.PIXELS in options.chosen
    risk = None if options.pixels_known_clean else pixel_risk(parsed, metadata)
    if risk is not None and not wanted:
        raise risk
    pixels = cleaned_pixels(parsed, metadata.image, decode.has_hidden_bits if decode.available() else None)
    if pixels is None or not wanted:
        return _PixelWork(pixels, without, parsed.transfer_syntax)
    if not text_detection.available():
        sentence = "the engines that find text in pixels are not installed here (requirements/pixels.in)"
        raise ImageRejected(ReasonCode.PIXEL_RISK, "PixelData", "PS3.15 E.3.1", sentence)
    from imaging.masking import mask_text

    masked = mask_text(parsed, metadata.image, pixels, text_detection)
    syntax = EXPLICIT_LITTLE if masked.native else parsed.transfer_syntax
    return _PixelWork(masked.pixels, options.chosen, syntax, masked.changed, masked.regions)


def _untrue_offsets(parsed: ParsedImage, pixels: CleanPixels | None) -> frozenset[int]:
    """The tags of an Extended Offset Table that does not fit the frames: it could hold anything."""
    present = frozenset(tag for tag in EXTENDED_OFFSETS if parsed.element(tag) is not None)
    return frozenset() if not present or extended_offsets_are_true(parsed, pixels) else present


def _pixel_element(parsed: ParsedImage, pixels: CleanPixels | None) -> tuple[bytes, bytes]:
    """The encoded header of Pixel Data, and what closes it."""
    original = parsed.element(PIXEL_DATA)
    if pixels is None or original is None:
        return b"", b""
    encoder = Encoder(little=parsed.little)
    element = Element(PIXEL_DATA, original.vr, pixels.value, fragments=pixels.fragments)
    return encoder.around(element, implicit=parsed.implicit)


def keys_of(metadata: ImageMetadata, key: bytes) -> PseudonymKeys:
    """The pseudonyms of a valid object without cleaning it."""
    return _keys(pseudonymizer(key), metadata)


def _keys(pseudonyms: Pseudonymizer, metadata: ImageMetadata) -> PseudonymKeys:
    return pseudonyms.keys(
        patient_id=metadata.patient.patient_id,
        study_uid=metadata.study.study_uid,
        series_uid=metadata.series.series_uid,
        image_uid=metadata.image.image_uid,
    )
