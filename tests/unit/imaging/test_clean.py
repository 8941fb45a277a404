"""Single elements meet the action that table and stricter rules give them."""

from datetime import timedelta

import pytest

from imaging.clean import Cleaner
from imaging.profile import Option
from imaging.pseudonym import Pseudonymizer
from imaging.residual import Identifiers
from imaging.structure import Element


def _cleaned(element: Element, retain: frozenset[Option] = frozenset({Option.MODIFIED_DATES})) -> Element | None:
    cleaner = Cleaner(Pseudonymizer(bytes(32)), "f" * 32, timedelta(days=31), retain, Identifiers())
    kept = cleaner.data_set([element])
    return kept[0] if kept else None


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DA", b"20250309", b"20250206"),
        ("DA", b"20250309\\20250310", b"20250206\\20250207 "),
        ("DA", b"2025.03.09", b"20250206"),
        ("DA", b"", b""),
        ("DA", b"20251399", b"19000101"),
        ("DA", b"Mr Smith", b"19000101"),
        ("DT", b"20250309101112.25+0100", b"20250206101112.25+0100"),
        ("DT", b"202503", b"202501"),
        ("TM", b"101112", b"101112"),
        ("TM", b"at ten", b""),
    ],
    ids=str,
)
def test_times_are_shifted_or_lost(vr: str, value: bytes, expected: bytes) -> None:
    tag = {"DA": 0x00080020, "DT": 0x0008002A, "TM": 0x00080030}[vr]
    cleaned = _cleaned(Element(tag, vr, value))
    assert cleaned is not None
    assert bytes(cleaned.value) == expected


@pytest.mark.parametrize(
    "element",
    [
        pytest.param(Element(0x00091001, "LO", b"x "), id="private"),
        pytest.param(Element(0x60020010, "US", b"\1\0"), id="overlay"),
        pytest.param(Element(0x50103000, "OW", b"\1\0"), id="curve"),
        pytest.param(Element(0x00080000, "UL", bytes(4)), id="group length"),
        pytest.param(Element(0x00041130, "CS", b"x "), id="directory group"),
        pytest.param(Element(0x00089999, "LO", b"x "), id="not in PS3.6"),
        pytest.param(Element(0x00280010, "LT", b"some prose"), id="prose for a number"),
        pytest.param(Element(0x00420010, "ST", b"a title "), id="unlisted long text"),
        pytest.param(Element(0x00081140, "LO", b"no sequence "), id="text for a sequence"),
    ],
)
def test_what_nobody_vouches_for_is_dropped(element: Element) -> None:
    assert _cleaned(element) is None


@pytest.mark.parametrize(
    ("tag", "vr", "value", "expected"),
    [
        (0x00180050, "DS", b"2.5 ", b"2.5 "),
        (0x00180050, "DS", b"two and a half", b"0 "),
        (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.2\0"),
        (0x00080060, "CS", b"CT", b"CT"),
        (0x00080050, "SH", b"ACC1", b""),
        (0x00181030, "LO", b"for Mr Smith", b"ANONYMIZED"),
        (0x00100010, "PN", b"Smith^J ", b"f" * 32),
    ],
    ids=str,
)
def test_values_are_kept_emptied_or_replaced(tag: int, vr: str, value: bytes, expected: bytes) -> None:
    cleaned = _cleaned(Element(tag, vr, value))
    assert cleaned is not None
    assert bytes(cleaned.value) == expected


def test_uids_outside_the_standard_are_replaced_even_where_no_row_names_them() -> None:
    cleaned = _cleaned(Element(0x00080117, "UI", b"1.2.3.4\\1.2.840.10008.6.1.1"))
    assert cleaned is not None
    first, second = bytes(cleaned.value).rstrip(b"\0").split(b"\\")
    assert first.startswith(b"2.25.")
    assert second == b"1.2.840.10008.6.1.1"
