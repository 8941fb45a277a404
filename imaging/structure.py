"""The data elements of an encoded data set, walked within bounds (PS3.5 section 7).

Lengths, nesting and element counts are checked before anything is allocated, and values stay views of the
input: a hostile object costs a refusal, not memory. Nothing here interprets values.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from imaging.dictionary import (
    ALL_VRS,
    ITEM,
    ITEM_DELIMITER,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_DELIMITER,
    is_private,
    keyword_of,
    vr_of,
)
from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import Limits

UNDEFINED: Final = 0xFFFFFFFF
_LONGEST_SHORT: Final = 0xFFFF
_PIXEL_GROUP: Final = PIXEL_DATA >> 16
_START: Final = 16 * 1024
"""Most headers end before: what lies there is copied at once, for pieces of views cost twice as much."""
_LONGEST_MET: Final = 128
_MOST_MET: Final = 8192
Bytes = memoryview | bytes


@dataclass(slots=True)
class Element:
    """One data element, never changed once it is made.

    Attributes:
        tag: group and element as one number.
        vr: as declared, or from PS3.6 in Implicit VR; "" when neither is known.
        value: encoded value; for encapsulated pixel data the items without the closing delimiter.
        items: the data sets of a sequence, None for anything else.
        implicit: items are encoded in Implicit VR (differs from the parent under VR UN, PS3.5 6.2.2).
        fragments: number of items of encapsulated pixel data, offset table included; 0 for native values.
        raw: the whole element as it was read, "" when it was made or changed here.
        met: short enough to be remembered: the same bytes give the same element again, from whatever object.
    """

    tag: int
    vr: str
    value: Bytes = b""
    items: "list[list[Element]] | None" = None
    implicit: bool = False
    fragments: int = 0
    raw: Bytes = b""
    met: bool = False


_Met = TypeVar("_Met")


class _Header(NamedTuple):
    tag: int
    vr: str
    length: int
    position: int


class _Order(NamedTuple):
    """How numbers are packed in one byte order: a tag, a 32-bit length, and whole element headers."""

    tag: struct.Struct
    length: struct.Struct
    implicit: struct.Struct
    short: struct.Struct
    long: struct.Struct

    @staticmethod
    def of(sign: str) -> "_Order":
        """The formats under a byte order as `struct` writes it."""
        return _Order(*(struct.Struct(sign + form) for form in ("HH", "L", "HHL", "HH2sH", "HH2sHL")))


_ORDERS: Final = {True: _Order.of("<"), False: _Order.of(">")}
"""By whether it is little endian."""
_VR_OF_BYTES: Final = {vr.encode(): vr for vr in ALL_VRS}
_SHORT_VRS: Final = {vr.encode(): vr for vr in ALL_VRS - LONG_VRS}
_MET: Final[dict[bool, dict[Bytes, Element]]] = {True: {}, False: {}}
"""Elements in Explicit VR by byte order and their bytes: the images of a series share nearly all of their headers."""
_LONG_VALUES: Final = {vr.encode(): vr for vr in LONG_VRS - {"SQ", "UN"}}
"""VRs with a 32-bit length whose value is never a sequence."""


def _malformed(tag: int, sentence: str) -> ImageRejected:
    return ImageRejected(ReasonCode.MALFORMED, keyword_of(tag), "PS3.5 7.1", sentence)


def _truncated(tag: int) -> ImageRejected:
    sentence = "the element claims more bytes than its data set holds"
    return ImageRejected(ReasonCode.TRUNCATED, keyword_of(tag), "PS3.5 7.1", sentence)


def remember(memory: dict[Bytes, _Met], key: Bytes, value: _Met, most: int = _MOST_MET) -> None:
    """Keep what a process works out of short elements, and forget all of it before it grows without bounds."""
    if len(memory) >= most:
        memory.clear()
    memory[key] = value


class Walker:
    """Walks one encoded data set; `end` is then where its last element stopped."""

    def __init__(self, data: memoryview, *, little: bool, limits: Limits) -> None:
        self._data = data
        self._start = bytes(data[:_START])
        self._met = _MET[little]
        self._limits = limits
        self._count = 0
        self._tag, self._long, _, self._short, _ = _ORDERS[little]
        self.end = 0

    def walk(self, start: int, *, implicit: bool) -> list[Element]:
        """All top-level elements from `start`; bytes after the pixel data that form no element are left unread."""
        elements: list[Element] = []
        position, end = start, len(self._data)
        while position < end:
            position = position if implicit else self._plain(elements, position, end)
            if position >= end or (elements and self._is_trailer(position, elements[-1].tag)):
                break
            element, position = self._element(position, end, implicit, 0)
            elements.append(element)
        self.end = position
        return elements

    def _plain(self, elements: list[Element], position: int, end: int) -> int:
        """Adds the elements that follow in Explicit VR and are no sequence, which most are, up to any other kind."""
        if elements and elements[-1].tag >= PIXEL_DATA:
            return position
        at_start = position < len(self._start)
        data, end = (self._start, min(end, len(self._start))) if at_start else (self._data, end)
        header, long_length, met = self._short.unpack_from, self._long.unpack_from, self._met
        most = len(elements) + self._limits.max_elements - self._count
        before = len(elements)
        while end - position >= 8 and len(elements) < most:
            group, number, code, length = header(data, position)
            vr, start = _SHORT_VRS.get(code), position + 8
            if vr is None:
                vr, start = _LONG_VALUES.get(code), position + 12
                if vr is None or start > end:
                    break
                (length,) = long_length(data, position + 8)
            stop = start + length
            if stop > end or length == UNDEFINED or not 0 < group < _PIXEL_GROUP:
                break
            raw = data[position:stop]
            element = met.get(raw) if at_start else None
            if element is None:
                is_short = at_start and len(raw) <= _LONGEST_MET
                element = Element(group << 16 | number, vr, data[start:stop], None, False, 0, raw, is_short)
                if is_short:
                    remember(met, raw, element)
            elements.append(element)
            position = stop
        self._count += len(elements) - before
        return position

    def _is_trailer(self, position: int, previous: int) -> bool:
        """Bytes that are no element of this data set: after the pixels anything odd, before them a second object."""
        if previous >= PIXEL_DATA:
            return not self._looks_like_element(position, previous)
        end = position + 132
        return bytes(self._data[end - 4 : end]) == b"DICM" and not any(self._data[position : position + 4])

    def _looks_like_element(self, position: int, previous: int) -> bool:
        if len(self._data) - position < 8:
            return False
        group, number = self._tag.unpack_from(self._data, position)
        tag = group << 16 | number
        return tag > previous and (0x7FE0 <= group <= 0x7FFF or group in (0xFFFA, 0xFFFC))

    def _header(self, position: int, end: int, implicit: bool) -> _Header:
        if end - position < 8:
            raise _truncated(0)
        group, number, code, length = self._short.unpack_from(self._data, position)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:
            (length,) = self._long.unpack_from(self._data, position + 4)
            return _Header(tag, "" if group & 1 else vr_of(tag), length, position + 8)
        vr = _VR_OF_BYTES.get(code)
        if vr is None:
            raise _malformed(tag, "the element declares no value representation of PS3.5 6.2")
        if vr not in LONG_VRS:
            return _Header(tag, vr, length, position + 8)
        if end - position < 12:
            raise _truncated(tag)
        (length,) = self._long.unpack_from(self._data, position + 8)
        return _Header(tag, vr, length, position + 12)

    def _element(self, position: int, end: int, implicit: bool, depth: int) -> tuple[Element, int]:
        self._count += 1
        if self._count > self._limits.max_elements:
            sentence = f"more than {self._limits.max_elements} data elements"
            raise ImageRejected(ReasonCode.ELEMENT_LIMIT, "", "limit max_elements", sentence)
        head = self._header(position, end, implicit)
        tag, vr, length, start = head
        if tag >> 16 == 0xFFFE:
            raise _malformed(tag, "a sequence delimiter stands where a data element was expected")
        if length == UNDEFINED:
            return self._undefined(head, end, implicit, depth)
        stop = start + length
        if stop > end:
            raise _truncated(tag)
        if vr == "SQ" or (vr == "UN" and not is_private(tag) and vr_of(tag) == "SQ"):
            nested_implicit = implicit or vr == "UN"
            items, position = self._items(head, stop, nested_implicit, depth, delimited=False)
            return Element(tag, vr, items=items, implicit=nested_implicit), position
        data = self._data
        return Element(tag, vr, data[start:stop], implicit=implicit, raw=data[position:stop]), stop

    def _undefined(self, head: _Header, end: int, implicit: bool, depth: int) -> tuple[Element, int]:
        if head.tag == PIXEL_DATA and not implicit and head.vr in ("OB", "OW"):
            return self._encapsulated(head, end)
        if head.vr not in ("SQ", "UN", ""):
            raise _malformed(head.tag, "only a sequence or encapsulated pixel data may have an undefined length")
        nested_implicit = implicit or head.vr == "UN"
        items, position = self._items(head, end, nested_implicit, depth, delimited=True)
        return Element(head.tag, head.vr or "SQ", items=items, implicit=nested_implicit), position

    def _items(
        self, head: _Header, end: int, implicit: bool, depth: int, *, delimited: bool
    ) -> tuple[list[list[Element]], int]:
        if depth >= self._limits.max_depth:
            sentence = f"sequences are nested deeper than {self._limits.max_depth} levels"
            raise ImageRejected(ReasonCode.NESTING_LIMIT, keyword_of(head.tag), "limit max_depth", sentence)
        items: list[list[Element]] = []
        position = head.position
        while delimited or position < end:
            item = self._header(position, end, implicit)
            if delimited and item.tag == SEQUENCE_DELIMITER:
                return items, item.position
            if item.tag != ITEM:
                raise _malformed(head.tag, "a sequence holds something that is no item")
            elements, position = self._item(item, end, implicit, depth + 1)
            items.append(elements)
        return items, position

    def _item(self, item: _Header, end: int, implicit: bool, depth: int) -> tuple[list[Element], int]:
        self._count += 1
        elements: list[Element] = []
        position = item.position
        if item.length != UNDEFINED:
            stop = position + item.length
            if stop > end:
                raise _truncated(ITEM)
            while position < stop:
                position = position if implicit else self._plain(elements, position, stop)
                if position < stop:
                    element, position = self._element(position, stop, implicit, depth)
                    elements.append(element)
            return elements, position
        while True:
            if end - position < 8:
                raise _truncated(ITEM)
            group, number = self._tag.unpack_from(self._data, position)
            if group << 16 | number == ITEM_DELIMITER:
                return elements, position + 8
            element, position = self._element(position, end, implicit, depth)
            elements.append(element)

    def _encapsulated(self, head: _Header, end: int) -> tuple[Element, int]:
        """Fragments of compressed frames (PS3.5 A.4); the offset table counts as the first."""
        position, fragments = head.position, 0
        while True:
            item = self._header(position, end, implicit=True)
            if item.tag == SEQUENCE_DELIMITER:
                value = self._data[head.position : position]
                return Element(head.tag, head.vr, value, fragments=fragments), item.position
            if item.tag != ITEM or item.length == UNDEFINED:
                raise _malformed(head.tag, "encapsulated pixel data holds something that is no fragment")
            position = item.position + item.length
            if position > end:
                raise _truncated(head.tag)
            fragments += 1


class Encoder:
    """Writes elements back in the encoding they were read from (PS3.5 7.1 to 7.5)."""

    def __init__(self, *, little: bool) -> None:
        _, _, self._implicit, self._short, self._long = _ORDERS[little]

    def encode(self, elements: list[Element], *, implicit: bool) -> bytes:
        """The encoded data set; sequences get defined lengths where their VR is known."""
        parts: list[Bytes] = []
        for element in elements:
            if element.raw:
                parts.append(element.raw)
            else:
                self._write(parts, element, implicit)
        return b"".join(parts)

    def around(self, element: Element, *, implicit: bool) -> tuple[bytes, bytes]:
        """What stands before and after the value of an element that is no sequence, for writing without a copy."""
        length = UNDEFINED if element.fragments else len(element.value)
        after = self._implicit.pack(0xFFFE, 0xE0DD, 0) if element.fragments else b""
        return self._head(element, length, implicit), after

    def _write(self, parts: list[Bytes], element: Element, implicit: bool) -> None:
        if element.items is not None:
            nested = implicit or element.vr == "UN"
            bodies = [self.encode(item, implicit=nested) for item in element.items]
            # only an undefined length tells a reader that an unknown element is a sequence (PS3.5 6.2.2)
            undefined = vr_of(element.tag) != "SQ" if implicit else element.vr == "UN"
            length = UNDEFINED if undefined else sum(len(body) + 8 for body in bodies)
            parts.append(self._head(element, length, implicit))
            for body in bodies:
                parts += (self._implicit.pack(0xFFFE, 0xE000, len(body)), body)
            if undefined:
                parts.append(self._implicit.pack(0xFFFE, 0xE0DD, 0))
            return
        length = UNDEFINED if element.fragments else len(element.value)
        parts += (self._head(element, length, implicit), element.value)
        if element.fragments:
            parts.append(self._implicit.pack(0xFFFE, 0xE0DD, 0))

    def _head(self, element: Element, length: int, implicit: bool) -> bytes:
        group, number = element.tag >> 16, element.tag & 0xFFFF
        if implicit:
            return self._implicit.pack(group, number, length)
        vr = element.vr.encode()
        if element.vr in LONG_VRS:
            return self._long.pack(group, number, vr, 0, length)
        if length > _LONGEST_SHORT:
            raise _malformed(element.tag, "the cleaned value is longer than its value representation allows")
        return self._short.pack(group, number, vr, length)
