"""The identifiers of an object, harvested before cleaning and searched for in what is about to leave.

A second line behind the profile: it finds a name that somebody typed into a field no table names. It searches
bytes, so it also sees compressed streams' comments, private leftovers and padding.
"""

import re
from collections.abc import Iterable
from typing import Final

from imaging.dictionary import PIXEL_DATA, is_private, keyword_of
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import Limits
from imaging.parse import every_element, read
from imaging.profile import Action, Retain, table
from imaging.structure import Element

_IDENTIFYING: Final = re.compile(
    r"(ID|IDs|Number|Numbers|Name|Names|Address|Physician|Identifier|BirthDate|UID|Telephone\w*|Telecom\w*)$"
)
_DESCRIPTIVE: Final = re.compile("Protocol|Body|Series|Acquisition|Instance|Model|Software|Algorithm|Frame|Type")
_TEXT: Final = frozenset(["PN", "LO", "SH", "LT", "ST", "UT", "UC", "UI", "DA", "UR", "IS"])
_SEPARATORS: Final = re.compile(rb"[\^=\\ ,;.\x1b]+")
_COMMON_WORDS: Final = frozenset(
    b"anon anonymous anonymized anonymised axial brain breast chest doctor head hospital knee localizer male female "
    b"none original other phantom patient pelvis primary secondary derived spine test unknown".split()
)
"""Words of the standard's own vocabulary and of de-identified input; meeting them again proves nothing."""
_MINIMUM_WORD: Final = 4
_MINIMUM_NUMBER: Final = 6
_MINIMUM_IN_PIXELS: Final = 6
_LONGEST: Final = 128
_PRINTABLE: Final = bytes(
    120 if chr(code).isalnum() or chr(code) in "^-_./ \x1b" else 0 for code in range(128)
) + bytes(128)
_RUN: Final = b"x" * 6
_OWN_DUMMIES: Final = frozenset((b"anonymized", b"19000101", b"000000"))
_WORD_BYTE: Final = rb"[0-9a-z\x80-\xff]"
_NUMBER_BYTE: Final = rb"[0-9a-z.\x80-\xff]"


class Identifiers:
    """Encoded identifiers of one object, lower case; never printed."""

    def __init__(self) -> None:
        self._values: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Identifiers({len(self._values)} hidden)"

    def add(self, value: bytes) -> None:
        """Remember one value if it is long enough to mean something when it is met again."""
        text = value.strip(b"\0 ").lower()
        minimum = _MINIMUM_NUMBER if text.isdigit() else _MINIMUM_WORD
        if len(text) >= minimum and text not in _COMMON_WORDS and text not in _OWN_DUMMIES:
            self._values.add(text)

    def found_in(self, text: bytes) -> bool:
        """Whether any identifier stands in these bytes as a word of its own."""
        lowered = text.lower()
        return any(_stands_in(value, lowered) for value in self._values)

    def found_in_pixels(self, pixels: bytes | memoryview) -> bool:
        """Whether any longer identifier stands anywhere in pixel bytes (comments of compressed streams)."""
        raw = bytes(pixels)
        # 16-bit samples hardly ever spell six letters in a row: one cheap pass instead of one a value
        spells = _RUN in raw.translate(_PRINTABLE)
        candidates = [
            value
            for value in self._values
            if len(value) >= _MINIMUM_IN_PIXELS and value[:2] != b"1." and (spells or not value.isascii())
        ]
        return any(value in raw or value.upper() in raw or value.title() in raw for value in candidates)


def _stands_in(value: bytes, lowered: bytes) -> bool:
    if value not in lowered:
        return False
    # a patient number inside a longer number or UID is chance, a name inside a longer word too
    edge = _NUMBER_BYTE if value[:1].isdigit() else _WORD_BYTE
    return re.search(rb"(?<!" + edge + rb")" + re.escape(value) + rb"(?!" + edge + rb")", lowered) is not None


def harvest(elements: Iterable[Element], retain: frozenset[Retain]) -> Identifiers:
    """Names, IDs, numbers, addresses, birth date and instance UIDs that the profile takes out of this object."""
    found = Identifiers()
    rules = table()
    for element in every_element(elements):
        if element.items is not None or is_private(element.tag) or element.vr not in _TEXT or not len(element.value):
            continue
        if element.vr == "DA" and Retain.FULL_DATES in retain:
            continue  # a newborn's birth date is the study date that is kept
        if element.vr == "PN":
            _add_name(found, bytes(element.value))
            continue
        rule = rules.get(element.tag)
        if rule is None or rule.action(retain) is Action.KEEP or len(element.value) > _LONGEST:
            continue
        keyword = keyword_of(element.tag)
        if _IDENTIFYING.search(keyword) and (element.vr == "UI" or not _DESCRIPTIVE.search(keyword)):
            for value in bytes(element.value).split(b"\\"):
                found.add(value)
    return found


def _add_name(found: Identifiers, name: bytes) -> None:
    for person in name.split(b"\\"):
        found.add(person)
        for word in _SEPARATORS.split(person):
            found.add(word)


def refuse_residue(identifiers: Identifiers, output: bytes, limits: Limits) -> None:
    """The last gate before cleaned bytes are handed over: they are read again, as a stranger would.

    Raises:
        ImageRejected: RESIDUAL_IDENTIFIER, or what `imaging.parse.read` finds wrong with the output.
    """
    parsed = read(output, limits)
    leaves = [element for element in every_element([*parsed.meta, *parsed.elements]) if element.items is None]
    pixels = b"".join(element.value for element in leaves if element.tag == PIXEL_DATA)
    # one separator between values, so that a value's last letter never joins the next tag's bytes
    values = b"\n".join(element.value for element in leaves if element.tag != PIXEL_DATA)
    if not parsed.preamble_blank or parsed.trailing_bytes or identifiers.found_in(values):
        sentence = "an identifier of the original is still in the header after cleaning"
        raise ImageRejected(ReasonCode.RESIDUAL_IDENTIFIER, "", "platform residual scan", sentence)
    if identifiers.found_in_pixels(pixels):
        sentence = "an identifier of the original is in the bytes of the pixel data"
        raise ImageRejected(ReasonCode.RESIDUAL_IDENTIFIER, "PixelData", "platform residual scan", sentence)
