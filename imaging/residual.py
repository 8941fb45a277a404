"""The identifiers of an object, harvested before cleaning and searched for in what is about to leave.

A second line behind the profile: it finds a name that somebody typed into a field no table names. It searches
bytes in every encoding a reader might apply, so it also sees compressed streams' comments and padding.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from imaging.charset import decode_text, known_terms
from imaging.dictionary import PIXEL_DATA, is_private, is_standard_uid, keyword_of
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import Limits
from imaging.parse import SPECIFIC_CHARACTER_SET, every_element, read
from imaging.profile import Action, Option, table
from imaging.structure import Bytes, Element, remember

_IDENTIFYING: Final = re.compile(
    r"(ID|IDs|Number|Numbers|Name|Names|Address|Physician|Identifier|BirthDate|UID|Telephone\w*|Telecom\w*)$"
)
_DESCRIPTIVE: Final = re.compile("Protocol|Body|Series|Acquisition|Instance|Model|Software|Algorithm|Frame|Type")
_TEXT: Final = frozenset(["PN", "LO", "SH", "LT", "ST", "UT", "UC", "UI", "DA", "UR", "IS"])
_SEPARATORS: Final = re.compile(r"[\^=\\ ,;.]+")
_COMMON_WORDS: Final = frozenset(
    (
        *("anon", "anonymous", "anonymized", "anonymised", "axial", "brain", "breast", "chest", "derived", "doctor"),
        *("female", "head", "hospital", "knee", "localizer", "male", "none", "original", "other", "patient", "pelvis"),
        *("phantom", "primary", "secondary", "spine", "test", "unknown", "text", "code", "image", "container", "slice"),
        *("contains", "verified", "complete", "partial", "left", "right", "true", "false", "empty", "none", "nobody"),
    )
)
"""Words of the standard's own vocabulary and of de-identified input; meeting them again proves nothing."""
_MINIMUM_WORD: Final = 4
_MINIMUM_NUMBER: Final = 6
_MINIMUM_IN_PIXELS: Final = 6
_MINIMUM_IN_WORD: Final = 6
"""Letters of a name that are no chance even in the middle of a word: AMBROSE1948, QUILLFEATHERS."""
_LONGEST: Final = 128
_MOST_HEARD: Final = 1024
"""Values remembered; a name in other letters than ASCII takes twenty kilobytes in all encodings."""
_BIRTH_DATE: Final = 0x00100030
_ENCODINGS: Final = (
    *("utf-8", "utf-16-le", "utf-16-be", "latin-1", "iso8859_2", "iso8859_3", "iso8859_4", "iso8859_5", "iso8859_6"),
    *("iso8859_7", "iso8859_8", "iso8859_9", "iso8859_11", "iso8859_15", "iso2022_jp", "shift_jis", "euc_jp"),
    *("euc_kr", "gb18030"),
)
_PRINTABLE: Final = bytes(
    120 if chr(code).isalnum() or chr(code) in "^-_./ \x1b" else 0 for code in range(128)
) + bytes(128)
_RUN: Final = b"x" * 6
_OWN_DUMMIES: Final = frozenset(("anonymized", "19000101", "000000"))
_WORD_BYTE: Final = rb"[0-9a-z\x80-\xff]"
_NUMBER_BYTE: Final = rb"[0-9a-z.\x80-\xff]"


class Identifiers:
    """Encoded identifiers of one object, lower case; never printed."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._values: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not self._values

    def __repr__(self) -> str:
        return f"Identifiers({len(self._texts)} hidden)"

    def add(self, value: str, encoded: bytes = b"") -> None:
        """Remember one value, in every encoding, if it is long enough to mean something when it is met again."""
        text = value.strip("\0 ").lower()
        minimum = _MINIMUM_NUMBER if text.isdigit() else _MINIMUM_WORD if text.isascii() else 2
        if len(text) < minimum or text in _COMMON_WORDS or text in _OWN_DUMMIES or text in self._texts:
            return
        self._texts.add(text)
        if text.isascii():
            self._values.add(text.encode())
            if not text.replace(".", "").isdigit():
                self._values.add(text.encode("utf-16-le"))
        else:  # only ASCII letters lose their case when bytes are lowered
            written = {value.strip("\0 "), text, text.upper(), text.title()}
            self._values.update(_encoded(word, name) for word in written for name in _ENCODINGS)
        self._values.add(encoded.strip(b"\0 ").lower())
        self._values.discard(b"")

    def merge(self, others: "Identifiers") -> None:
        """Remember all of another object's or value's as well."""
        self._texts |= others._texts
        self._values |= others._values

    def among(self, kept: bytes) -> "Identifiers":
        """Those that stand anywhere in the bytes that may stay: usually none, which makes cleaning quick."""
        lowered = kept.lower()
        few = Identifiers()
        few._values = {value for value in self._values if value in lowered}
        return few

    def found_in(self, text: bytes) -> bool:
        """Whether any identifier stands in these bytes: short ones and numbers as words of their own."""
        if not self._values:
            return False
        lowered = text.lower()
        return any(_stands_in(value, lowered) for value in self._values)

    def occurs_in(self, data: bytes) -> bool:
        """Whether any identifier's bytes occur anywhere, words or not: quick, and never misses."""
        lowered = data.lower()
        return any(value in lowered for value in self._values)

    def found_in_pixels(self, pixels: Bytes) -> bool:
        """Whether any longer identifier stands anywhere in pixel bytes (comments of compressed streams)."""
        raw = bytes(pixels)
        # samples hardly ever spell six letters in a row: three cheap passes instead of one a value
        spells = any(_RUN in part.translate(_PRINTABLE) for part in (raw, raw[::2], raw[1::2]))
        candidates = [
            value
            for value in self._values
            if len(value) >= _MINIMUM_IN_PIXELS and value[:2] != b"1." and (spells or not value.isascii())
        ]
        return any(value in raw or value.upper() in raw or value.title() in raw for value in candidates)


def _encoded(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding).lower()
    except UnicodeEncodeError:
        return b""


def _stands_in(value: bytes, lowered: bytes) -> bool:
    if value not in lowered:
        return False
    is_number = not value.replace(b".", b"").translate(None, b"0123456789")
    if not value.isascii() or b"\0" in value or (len(value) >= _MINIMUM_IN_WORD and not is_number):
        return True
    # a patient number inside a longer number or UID is chance, a short name inside a longer word too
    edge = _NUMBER_BYTE if value[:1].isdigit() else _WORD_BYTE
    return re.search(rb"(?<!" + edge + rb")" + re.escape(value) + rb"(?!" + edge + rb")", lowered) is not None


def harvest(elements: Iterable[Element], options: frozenset[Option]) -> tuple[Identifiers, Identifiers]:
    """Names, IDs, numbers, addresses, birth date and instance UIDs that the profile takes out of this object.

    Returns:
        All of them, and those among them that also stand in values which the profile would keep.
    """
    found = Identifiers()
    kept: list[Bytes] = []
    _harvest(elements, options, found, [""], kept)
    return found, found.among(b"\n".join(kept))


def _harvest(
    elements: Iterable[Element], options: frozenset[Option], found: Identifiers, terms: list[str], kept: list[Bytes]
) -> None:
    heard = _memory(options, tuple(terms))
    for element in elements:
        if element.items is not None:
            for item in element.items:
                _harvest(item, options, found, terms, kept)
            continue
        if not element.value:
            continue
        known = heard.get(element.raw) if element.met else None
        if known is None:
            known = _hear(element, options, terms)
            if element.met:
                remember(heard, element.raw, known, _MOST_HEARD)
        if known.stays:
            kept.append(element.value)
        if known.told is not None:
            found.merge(known.told)
        elif element.tag == SPECIFIC_CHARACTER_SET:
            terms = known_terms(bytes(element.value))
            heard = _memory(options, tuple(terms))


class _Heard(NamedTuple):
    """What one value is worth: whether the profile keeps it, and whom it names, None when nobody."""

    stays: bool
    told: Identifiers | None


@lru_cache(maxsize=4)
def _memory(_: frozenset[Option], __: tuple[str, ...]) -> dict[Bytes, _Heard]:
    """By the bytes of short elements, under options and character sets: the images of a study tell nearly the same."""
    return {}


def _hear(element: Element, options: frozenset[Option], terms: list[str]) -> _Heard:
    role = _role(element.tag, element.vr, options)
    told = _told(element.tag, element.vr, bytes(element.value), tuple(terms)) if role.tells else None
    return _Heard(role.stays, told)


class _Role(NamedTuple):
    """Whether the profile keeps values of an attribute, and whether they tell who the patient is."""

    stays: bool
    tells: bool


@lru_cache(maxsize=8192)
def _role(tag: int, vr: str, options: frozenset[Option]) -> _Role:
    if tag == PIXEL_DATA or (is_private(tag) and Option.SAFE_PRIVATE not in options):
        return _Role(False, False)
    rule = table().get(tag)
    stays = rule is None or rule.action(options) in (Action.KEEP, Action.CLEAN)
    if vr == "PN":
        return _Role(stays, True)
    # a newborn's birth date is the study date that the full dates option keeps
    silent = stays or vr not in _TEXT or (vr == "DA" and Option.FULL_DATES in options)
    keyword = keyword_of(tag)
    names_somebody = _IDENTIFYING.search(keyword) and (vr == "UI" or not _DESCRIPTIVE.search(keyword))
    return _Role(stays, not silent and bool(names_somebody))


def _told(tag: int, vr: str, value: bytes, terms: tuple[str, ...]) -> Identifiers:
    """What one value tells."""
    found = Identifiers()
    if vr == "PN":
        _add_name(found, value, terms)
    elif len(value) <= _LONGEST:
        for part in value.split(b"\\"):
            if not is_standard_uid(part.strip(b"\0 ")):
                found.add(decode_text(part, vr, terms), part)
        if tag == _BIRTH_DATE and len(value.strip()) == 8:
            _add_birth_date(found, value.decode("latin-1"))
    return found


def _add_birth_date(found: Identifiers, date: str) -> None:
    """The ways a birth date is written in prose."""
    year, month, day = date[:4], date[4:6], date[6:8]
    for written in (f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}", f"{day}/{month}/{year}"):
        found.add(written)


def _add_name(found: Identifiers, name: bytes, terms: tuple[str, ...]) -> None:
    for person in name.split(b"\\"):
        text = decode_text(person, "PN", terms)
        found.add(text, person)
        for group in text.split("="):
            found.add(group)
            for word in _SEPARATORS.split(group):
                found.add(word)


def refuse_residue(identifiers: Identifiers, head: bytes, pixels: Bytes, limits: Limits, *, pixels_clean: bool) -> None:
    """The last gate before cleaned bytes are handed over.

    The header is searched as bytes first, which cannot miss; only when something is met is it read again, as a
    stranger would, to see whether it stands as a word of its own.

    Args:
        head: everything of the output but the top-level pixel value, not deflated.
        pixels: the top-level pixel value.
        pixels_clean: no sample can spell text, as for 12 bits in 16.

    Raises:
        ImageRejected: RESIDUAL_IDENTIFIER.
    """
    if identifiers.occurs_in(head) and _stands_in_values(identifiers, head, limits):
        sentence = "an identifier of the original is still in the header after cleaning"
        raise ImageRejected(ReasonCode.RESIDUAL_IDENTIFIER, "", "platform residual scan", sentence)
    if not pixels_clean and identifiers.found_in_pixels(pixels):
        sentence = "an identifier of the original is in the bytes of the pixel data"
        raise ImageRejected(ReasonCode.RESIDUAL_IDENTIFIER, "PixelData", "platform residual scan", sentence)


def _stands_in_values(identifiers: Identifiers, head: bytes, limits: Limits) -> bool:
    """Whether an identifier stands in a value; a separator keeps values from joining the next tag's bytes."""
    try:
        parsed = read(head, limits)
    except ImageRejected:
        return True
    leaves = (element for element in every_element([*parsed.meta, *parsed.elements]) if element.items is None)
    return identifiers.found_in(b"\n".join(element.value for element in leaves))
