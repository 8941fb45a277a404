"""The view of PS3.6 answers for known, unknown, private and ambiguous elements."""

import pytest

from imaging.dictionary import ALL_VRS, keyword_of, registered, uid_name, vr_of


@pytest.mark.parametrize(
    ("tag", "vr", "keyword"),
    [
        (0x00100010, "PN", "PatientName"),
        (0x00280106, "US", "SmallestImagePixelValue"),
        (0x7FE00010, "OB", "PixelData"),
        (0x00280000, "UL", "00280000"),
        (0x00091001, "", "00091001"),
        (0x00089999, "", "00089999"),
    ],
)
def test_elements_have_vr_and_keyword(tag: int, vr: str, keyword: str) -> None:
    assert (vr_of(tag), keyword_of(tag)) == (vr, keyword)


def test_uids_are_named_by_kind() -> None:
    assert uid_name("1.2.840.10008.5.1.4.1.1.2", "SOP Class") == "CT Image Storage"
    assert uid_name("1.2.840.10008.5.1.4.1.1.2", "Transfer Syntax") == ""
    assert len(registered("SOP Class")) > 150
    assert len(ALL_VRS) == 34, "PS3.5 Table 6.2-1"
