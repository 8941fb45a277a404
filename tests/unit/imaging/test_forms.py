"""What a value must look like to stay, and that a value of megabytes is judged as quickly as it is read."""

from datetime import timedelta

import pytest

from imaging import free_text
from imaging.clean import Cleaner
from imaging.forms import Form, fits, form_of
from imaging.profile import Option
from imaging.pseudonym import Pseudonymizer
from imaging.residual import Identifiers
from imaging.structure import Element
from imaging.values import is_time


@pytest.mark.parametrize(
    ("form", "value", "stays"),
    [
        ("number", b"1.5\\-2E-3 \\ 4 ", True),
        ("number", b"555-0147-88", False),
        ("number", b"17.05.1948", False),
        ("term", b"ORIGINAL\\PRIMARY\\T2*\\", True),
        ("term", b"Chest", False),
        ("term", b"SEVENTEEN LETTERS", False),
        ("text", b"B70f", True),
        ("text", b"syngo 1.2.3.4", True),
        ("text", b"1.2.826.0.1.3680043.1", False),
        ("text", b"\x1b$B", False),
        ("text", b"B70f\0Wexcombe", False),
        ("text", b"Quillfeather^Q", False),
        ("text", b"q@wexcombe", False),
        ("text", b"Br40^3", True),
        ("binary", b"Wexcombe", False),
        ("binary", b"\x41\0\x42\0\x43\0\x44\0", True),
        ("floats", b"AAAABBBB", True),
        ("floats", b"Wexcombe of Thistlewood ", False),
        ("character set", b"\\ISO 2022 IR 87", True),
        ("character set", b"ISO_IR 100\\WEXCOMBE", False),
        ("media type", b"application/pdf ", True),
        ("media type", b"application/wexcombe", False),
        ("font", b"Helvetica-BoldOblique ", True),
        ("font", b"Arial,BoldItalic", True),
        ("font", b"TimesNewRomanPS-BoldMT", True),
        ("font", b"'DejaVu Sans', Verdana, sans-serif", True),
        ("font", b"Wexcombe", False),
        ("font", b"Arial Wexcombe", False),
        ("font", b"Helvetica, Thistlewood", False),
        ("font", b"", True),
        ("font", b"Arial" + b"Bold" * 100, False),
        ("", b"anything", True),
    ],
)
def test_a_value_has_the_form_or_not(form: Form, value: bytes, stays: bool) -> None:
    assert fits(form, value) is stays


@pytest.mark.parametrize(
    ("tag", "vr", "form"),
    [
        (0x00180015, "LO", "term"),
        (0x00180050, "DS", "number"),
        (0x00200013, "LO", "number"),
        (0x00181210, "SH", "text"),
        (0x00281054, "LO", "term"),
        (0x00189087, "FD", "binary"),
        (0x00540016, "FL", "floats"),
        (0x00700227, "LO", "font"),
        (0x00700229, "UN", "font"),
    ],
)
def test_the_definition_of_ps36_goes_before_what_an_object_declares(tag: int, vr: str, form: Form) -> None:
    assert form_of(tag, vr) == form


LONG = 4_000_000


@pytest.mark.parametrize("piece", [b" ", b"1", b"1.", b"1 ", b"\\", b"\\ ", b"12:", b"1.1", b"-"])
def test_a_hostile_value_of_megabytes_is_no_puzzle(piece: bytes) -> None:
    value = piece * (LONG // len(piece)) + b"X!"
    forms: tuple[Form, ...] = ("number", "term", "text")
    assert not any(fits(form, value) for form in forms if form != "text")
    fits("text", value)
    assert not is_time(value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("chest 3 axial", "chest 3 axial"),
        ("call 555 014 788 chest", "chest"),
        ("17.05.48", ""),
        ("slice 0.625mm", "slice 0.625mm"),
        ("5 mm", "5 mm"),
    ],
)
def test_numbers_side_by_side_are_not_kept(text: str, kept: str) -> None:
    assert free_text.reduced(text) == kept


def _entry(*elements: Element, options: frozenset[Option] = frozenset()) -> dict[int, bytes]:
    cleaner = Cleaner(Pseudonymizer(bytes(32)), "f" * 32, timedelta(days=31), options, Identifiers())
    (sequence,) = cleaner.data_set([Element(0x00082218, "SQ", items=[list(elements)])])
    assert sequence.items is not None
    return {element.tag: bytes(element.value) for element in sequence.items[0]}


SNOMED = Element(0x00080102, "SH", b"SCT ")
LOCAL = Element(0x00080102, "SH", b"99X ")


@pytest.mark.parametrize(
    ("scheme", "element", "stays"),
    [
        (SNOMED, Element(0x00080104, "LO", b"Chest "), True),
        (SNOMED, Element(0x00080104, "LO", b"Structure of left upper lobe of lung"), True),
        (SNOMED, Element(0x00080104, "LO", b"Chest of Wexcombe "), False),
        (SNOMED, Element(0x00080104, "LO", b"chest " * 100), False),
        (Element(0x00080102, "SH", b"UCUM"), Element(0x00080104, "LO", b"microvolt "), True),
        (SNOMED, Element(0x00080103, "SH", b"Wexcombe"), True),
        (LOCAL, Element(0x00080103, "SH", b"2.1 "), True),
        (LOCAL, Element(0x00080103, "SH", b"Wexcombe"), False),
        (LOCAL, Element(0x00080112, "LO", b"HL7 "), True),
        (LOCAL, Element(0x00080119, "UC", b"Wexcombe"), False),
        (LOCAL, Element(0x00080120, "UR", b"urn:oid:2.16.840"), True),
        (LOCAL, Element(0x00080120, "UR", b"urn:x:Wexcombe"), False),
        (LOCAL, Element(0x00080104, "LO", b""), True),
    ],
)
def test_a_coded_entry_says_what_its_scheme_says(scheme: Element, element: Element, stays: bool) -> None:
    found = _entry(scheme, element)[element.tag]
    assert (found == bytes(element.value)) is stays


def test_descriptors_are_cleaned_in_published_meanings_too_where_that_option_is_chosen() -> None:
    meaning = Element(0x00080104, "LO", b"Structure of arcuate uterus ")
    kept = _entry(SNOMED, meaning, options=frozenset({Option.DESCRIPTORS}))[meaning.tag]
    assert b"arcuate" not in kept
