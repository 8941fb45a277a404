"""Bounded reading of DICOM Part 10 objects (PS3.10 section 7).

`read` refuses with `ImageRejected` and with nothing else, whatever the bytes are, in time and memory that the
limits bound. It looks at structure only; `imaging.validate` judges the attributes.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imaging.charset import decode_text, known_terms
from imaging.dictionary import (
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    LONG_VRS,
    TransferSyntax,
    keyword_of,
    registered,
)
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import DEFAULT_LIMITS, Limits
from imaging.structure import Element, Walker

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

PREAMBLE_BYTES: Final = 128
_EXECUTABLE: Final = (b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa")
TRANSFER_SYNTAX_UID: Final = 0x00020010
SPECIFIC_CHARACTER_SET: Final = 0x00080005
_ELEMENT: Final = struct.Struct("<HH2sH")
_LONG_FORM: Final = frozenset(vr.encode() for vr in LONG_VRS)
_NO_OBJECT_SYNTAX: Final = ("JPIP", "SMPTE", "Papyrus", "MIME", "XML")
"""JPIP keeps the pixels behind an address outside the object (PS3.5 A.6), the others encode no Part 10 data set."""
TRANSFER_SYNTAXES: Final = frozenset(
    uid for uid, name in registered("Transfer Syntax").items() if not any(word in name for word in _NO_OBJECT_SYNTAX)
)


@dataclass(slots=True)
class ParsedImage:
    """An object whose structure has been checked.

    Attributes:
        meta: file meta elements (group 0002), Explicit VR Little Endian.
        elements: top-level elements of the data set, in file order.
        transfer_syntax: TransferSyntax as declared in the file meta.
        implicit, little: encoding of the data set.
        source: the bytes the elements are views of (inflated when the object was deflated).
        trailing_bytes: bytes after the last element, which no reader should trust.
    """

    meta: list[Element]
    elements: list[Element]
    transfer_syntax: TransferSyntax
    implicit: bool
    little: bool
    source: memoryview
    body_start: int
    trailing_bytes: int
    preamble_blank: bool
    _index: dict[int, Element] = field(default_factory=dict[int, Element])
    _terms: list[str] | None = None

    def __post_init__(self) -> None:
        self._index = {element.tag: element for element in reversed(self.elements)}
        self._index.update({element.tag: element for element in reversed(self.meta)})

    def element(self, tag: int) -> Element | None:
        """The top-level or file meta element of this tag; the first when a faulty object repeats it."""
        return self._index.get(tag)

    def text(self, tag: int) -> str:
        """The value as text without padding, "" when absent or empty; character set by (0008,0005)."""
        element = self._index.get(tag)
        if element is None or element.items is not None:
            return ""
        return decode_text(bytes(element.value), element.vr, self.character_sets)

    @property
    def character_sets(self) -> list[str]:
        """Defined terms of (0008,0005), unknown ones left out; the default repertoire is ""."""
        if self._terms is None:
            element = self._index.get(SPECIFIC_CHARACTER_SET)
            self._terms = known_terms(bytes(element.value) if element and element.items is None else b"")
        return self._terms

    def dataset(self) -> "FileDataset":
        """The same object for pydicom; values are only decoded when touched, and may then raise."""
        from io import BytesIO

        from pydicom.dataset import FileDataset, FileMetaDataset
        from pydicom.filereader import read_dataset
        from pydicom.uid import UID

        body = BytesIO(self.source[self.body_start : len(self.source) - self.trailing_bytes])
        inner = read_dataset(body, self.implicit, self.little)
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = UID(self.transfer_syntax)
        for tag in (0x00020002, 0x00020003):
            if self.text(tag):
                setattr(meta, keyword_of(tag), self.text(tag))
        return FileDataset(
            BytesIO(), inner, b"\0" * PREAMBLE_BYTES, meta, is_implicit_VR=self.implicit, is_little_endian=self.little
        )


def every_element(elements: Iterable[Element]) -> Iterator[Element]:
    """Each element of a data set, sequences descended in order."""
    for element in elements:
        yield element
        for item in element.items or ():
            yield from every_element(item)


def read(data: bytes | memoryview, limits: Limits = DEFAULT_LIMITS) -> ParsedImage:
    """Check the structure of a Part 10 object and find its elements.

    Raises:
        ImageRejected: EMPTY, TOO_LARGE, NOT_DICOM, EXECUTABLE_PREAMBLE, TRUNCATED, MALFORMED, MISSING_ATTRIBUTE,
            UNSUPPORTED_TRANSFER_SYNTAX, INFLATE_LIMIT, NESTING_LIMIT or ELEMENT_LIMIT.
    """
    view = memoryview(data)
    _check_envelope(view, limits)
    meta, body_start = _file_meta(view, limits)
    syntax = _transfer_syntax(meta)
    preamble_blank = not any(view[:PREAMBLE_BYTES])
    if syntax == DEFLATED:
        view, body_start = _inflate(view[body_start:], limits), 0
    implicit, little = syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG
    walker = Walker(view, little=little, limits=limits)
    elements = walker.walk(body_start, implicit=implicit)
    if not elements:
        raise ImageRejected(ReasonCode.TRUNCATED, "", "PS3.10 7", "the object ends after its file meta information")
    return ParsedImage(
        meta=meta,
        elements=elements,
        transfer_syntax=syntax,
        implicit=implicit,
        little=little,
        source=view,
        body_start=body_start,
        trailing_bytes=len(view) - walker.end,
        preamble_blank=preamble_blank,
    )


def _check_envelope(view: memoryview, limits: Limits) -> None:
    if not len(view):
        raise ImageRejected(ReasonCode.EMPTY, "", "PS3.10 7.1", "the object has no bytes")
    if len(view) > limits.max_bytes:
        sentence = f"the object is larger than {limits.max_bytes} bytes"
        raise ImageRejected(ReasonCode.TOO_LARGE, "", "limit max_bytes", sentence)
    if bytes(view[PREAMBLE_BYTES : PREAMBLE_BYTES + 4]) != b"DICM":
        sentence = "the prefix DICM is not at byte 128"
        raise ImageRejected(ReasonCode.NOT_DICOM, "", "PS3.10 7.1", sentence)
    if bytes(view[:4]).startswith(_EXECUTABLE):
        sentence = "the preamble makes the object an executable file as well"
        raise ImageRejected(ReasonCode.EXECUTABLE_PREAMBLE, "", "PS3.10 7.5, CVE-2019-11687", sentence)


def _file_meta(view: memoryview, limits: Limits) -> tuple[list[Element], int]:
    """Group 0002, which ends where another group starts: its declared length is not to be trusted."""
    position = PREAMBLE_BYTES + 4
    end = position
    while len(view) - end >= 8:
        group, _, vr, length = _ELEMENT.unpack_from(view, end)
        if group != 2:
            break
        end += 12 + int.from_bytes(view[end + 8 : end + 12], "little") if vr in _LONG_FORM else 8 + length
    if end > len(view):
        sentence = "the object ends inside its file meta information"
        raise ImageRejected(ReasonCode.TRUNCATED, "", "PS3.10 7.1", sentence)
    meta = Walker(view[:end], little=True, limits=limits).walk(position, implicit=False)
    return meta, end


def _transfer_syntax(meta: list[Element]) -> TransferSyntax:
    for element in meta:
        if element.tag == TRANSFER_SYNTAX_UID and element.items is None:
            uid = bytes(element.value).rstrip(b"\0 ").decode("latin-1")
            if uid in TRANSFER_SYNTAXES:
                return TransferSyntax(uid)
            sentence = "the transfer syntax is not one this platform reads"
            raise ImageRejected(
                ReasonCode.UNSUPPORTED_TRANSFER_SYNTAX, "TransferSyntaxUID", "PS3.5 section 10", sentence
            )
    sentence = "the file meta information names no transfer syntax"
    raise ImageRejected(ReasonCode.MISSING_ATTRIBUTE, "TransferSyntaxUID", "PS3.10 7.1", sentence)


def _inflate(deflated: memoryview, limits: Limits) -> memoryview:
    """The inflated data set, never more than the limits allow (a bomb costs its limit, not its claim)."""
    ceiling = min(limits.max_inflated_bytes, limits.max_inflate_ratio * len(deflated) + 4096)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(deflated, ceiling + 1)
    except zlib.error:
        sentence = "the deflated data set is damaged"
        raise ImageRejected(ReasonCode.MALFORMED, "", "PS3.5 A.5", sentence) from None
    if len(inflated) > ceiling:
        sentence = "the deflated data set grows beyond what an image needs"
        raise ImageRejected(ReasonCode.INFLATE_LIMIT, "", "limits max_inflated_bytes, max_inflate_ratio", sentence)
    if not inflater.eof:
        raise ImageRejected(ReasonCode.TRUNCATED, "", "PS3.5 A.5", "the deflated data set is not complete")
    return memoryview(inflated)
