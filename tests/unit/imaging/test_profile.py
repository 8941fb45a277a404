"""The table is whole, and the options choose as PS3.15 says."""

import json
from importlib.resources import files

import pytest

from imaging.profile import EDITION, METHOD_CODES, Action, Option, content_table, safe_private, table

PATIENT_NAME, PATIENT_ID, STUDY_UID, STUDY_DATE = 0x00100010, 0x00100020, 0x0020000D, 0x00080020


def test_table_is_the_whole_edition() -> None:
    document = json.loads(files("imaging").joinpath(f"data/ps3_15_{EDITION}.json").read_text())
    assert document["edition"] == EDITION
    assert len(document["rules"]) == 657, "Table E.1-1 of 2026d: 653 tags, curves, two overlay rows, private"
    assert len(table()) == 653
    assert len(document["origin_sha256"]) == len(document["part15_xml_sha256"]) == 64


@pytest.mark.parametrize(
    ("tag", "retain", "action"),
    [
        (PATIENT_NAME, [], Action.EMPTY),
        (PATIENT_NAME, list(Option)[1:], Action.EMPTY),
        (PATIENT_ID, [], Action.DUMMY),
        (STUDY_UID, [], Action.REPLACE_UID),
        (STUDY_UID, [Option.UIDS], Action.KEEP),
        (STUDY_DATE, [], Action.EMPTY),
        (STUDY_DATE, [Option.MODIFIED_DATES], Action.SHIFT),
        (STUDY_DATE, [Option.FULL_DATES], Action.KEEP),
        (0x00101010, [], Action.REMOVE),
        (0x00101010, [Option.PATIENT], Action.KEEP),
        (0x00080080, [], Action.DUMMY),
        (0x00080080, [Option.INSTITUTION], Action.KEEP),
        (0x00181000, [Option.DEVICE], Action.KEEP),
    ],
)
def test_action_follows_table_and_options(tag: int, retain: list[Option], action: Action) -> None:
    assert table()[tag].action(frozenset(retain)) is action


def test_every_row_has_an_action_under_every_single_option() -> None:
    for rule in table().values():
        for option in Option:
            assert rule.action(frozenset({option})) in Action


def test_every_option_has_its_code_of_cid_7050() -> None:
    assert {code for code, _ in METHOD_CODES.values()} == {f"1131{last:02}" for last in range(13) if last != 2}
    assert set(METHOD_CODES) == {None, *Option}
    assert all(len(meaning) <= 64 for _, meaning in METHOD_CODES.values()), "LO holds 64 characters"


def test_content_items_and_safe_private_elements_come_with_the_table() -> None:
    assert len(content_table()) == 214, "Table E.3.4-1"
    assert content_table()["121114", "DCM", "PNAME"].action(frozenset()) is Action.DUMMY
    assert content_table()["121120", "DCM", "COMPOSITE"].action(frozenset({Option.UIDS})) is Action.KEEP
    assert safe_private()[0x0019, 0x0C, "SIEMENS MR HEADER"] == "IS"
