"""The residual scan finds what matters and is not frightened by the standard's own words."""

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from imaging.parse import read
from imaging.profile import Option
from imaging.residual import Identifiers, harvest


@pytest.mark.parametrize(
    ("identifier", "text", "found"),
    [
        ("Quillfeather", b"seen by QUILLFEATHER today", True),
        ("Quillfeather", b"quillfeathers", True),
        ("Quillfeather", b"AMBROSEQUILLFEATHER1948", True),
        ("MRN0048151", b"xMRN0048151x", True),
        ("Young", b"YOUNGSTER", False),
        ("Young", b"for Mr Young.", True),
        ("123456", b"1.2.123456.7", False),
        ("123456", b"id 123456", True),
        ("12345", b"id 12345", False),
        ("Lee", b"Lee", False),
        ("CHEST", b"CHEST", False),
        ("Müller", b"M\xfcller", True),
        ("Müller", "Dr. MÜLLER".encode(), True),
        ("Müller", "Müller".encode("utf-16-le"), True),
        ("山田", "山田".encode("iso2022_jp"), True),
    ],
)
def test_short_words_are_met_as_words_and_long_names_anywhere(identifier: str, text: bytes, found: bool) -> None:
    identifiers = Identifiers()
    identifiers.add(identifier)
    assert identifiers.found_in(text) is found


def test_pixels_are_searched_for_longer_identifiers_only() -> None:
    identifiers = Identifiers()
    for value in ("Quillfeather", "Shor"):
        identifiers.add(value)
    assert identifiers.found_in_pixels(b"\xff\xfe COM Quillfeather \0\0")
    assert identifiers.found_in_pixels(b"xx QUILLFEATHER")
    assert not identifiers.found_in_pixels(b"Shor" + bytes(range(256)) * 10)


def test_harvest_takes_names_apart_and_descends(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    inner = Dataset()
    inner.PatientName = "Hidden^Deeply"
    data_set.ReferencedImageSequence = [inner]
    identifiers = harvest(read(to_bytes(data_set)).elements, frozenset())[0]
    for word in (b"Quillfeather", b"Ambrose", b"MRN0048151", b"ACC7734501", b"19480517", b"deeply"):
        assert identifiers.found_in(b"x " + word + b" y"), word
    assert "Quillfeather" not in repr(identifiers)


def test_what_an_option_keeps_is_not_harvested(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.InstitutionName = "Kingsmere General"
    elements = read(to_bytes(data_set)).elements
    assert harvest(elements, frozenset())[0].found_in(b"Kingsmere General")
    assert not harvest(elements, frozenset({Option.INSTITUTION}))[0].found_in(b"Kingsmere General")


def test_only_what_stands_in_kept_values_is_looked_for_while_cleaning(
    data_set: Dataset, to_bytes: Callable[..., bytes]
) -> None:
    data_set.BodyPartExamined = "AMBROSE"
    everything, in_kept_values = harvest(read(to_bytes(data_set)).elements, frozenset())
    assert everything.found_in(b"Quillfeather")
    assert in_kept_values.found_in(b"ambrose")
    assert not in_kept_values.found_in(b"Quillfeather")
