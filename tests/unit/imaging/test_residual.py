"""The residual scan finds what matters and is not frightened by the standard's own words."""

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from imaging.parse import read
from imaging.profile import Retain
from imaging.residual import Identifiers, harvest


@pytest.mark.parametrize(
    ("identifier", "text", "found"),
    [
        (b"Quillfeather", b"seen by QUILLFEATHER today", True),
        (b"Quillfeather", b"quillfeathers", False),
        (b"Young", b"YOUNGSTER", False),
        (b"Young", b"for Mr Young.", True),
        (b"123456", b"1.2.123456.7", False),
        (b"123456", b"id 123456", True),
        (b"12345", b"id 12345", False),
        (b"Lee", b"Lee", False),
        (b"CHEST", b"CHEST", False),
        (b"M\xfcller", b"M\xfcller", True),
    ],
)
def test_words_are_met_as_words(identifier: bytes, text: bytes, found: bool) -> None:
    identifiers = Identifiers()
    identifiers.add(identifier)
    assert identifiers.found_in(text) is found


def test_pixels_are_searched_for_longer_identifiers_only() -> None:
    identifiers = Identifiers()
    for value in (b"Quillfeather", b"Shor"):
        identifiers.add(value)
    assert identifiers.found_in_pixels(b"\xff\xfe COM Quillfeather \0\0")
    assert identifiers.found_in_pixels(b"xx QUILLFEATHER")
    assert not identifiers.found_in_pixels(b"Shor" + bytes(range(256)) * 10)


def test_harvest_takes_names_apart_and_descends(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    inner = Dataset()
    inner.PatientName = "Hidden^Deeply"
    data_set.ReferencedImageSequence = [inner]
    identifiers = harvest(read(to_bytes(data_set)).elements, frozenset())
    for word in (b"Quillfeather", b"Ambrose", b"MRN0048151", b"ACC7734501", b"19480517", b"deeply"):
        assert identifiers.found_in(b"x " + word + b" y"), word
    assert "Quillfeather" not in repr(identifiers)


def test_what_an_option_keeps_is_not_harvested(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.InstitutionName = "Kingsmere General"
    elements = read(to_bytes(data_set)).elements
    assert harvest(elements, frozenset()).found_in(b"Kingsmere General")
    assert not harvest(elements, frozenset({Retain.INSTITUTION})).found_in(b"Kingsmere General")
