"""What the engine is told about changes."""

from __future__ import annotations

import pytest

from local.provider.differ import Difference, compare, compare_tags, differences, merged_tags
from local.provider.types import find
from local.provider.wire import UNKNOWN

TABLE = "aws:dynamodb/table:Table"
BASE = {"name": "t", "hashKey": "a", "__defaults": ["name"]}


def kind(token: str):
    found = find(token)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("p.a", "UPDATE")]),
        ({"a": 1}, {}, [("p.a", "DELETE")]),
        ({}, {"a.b": 1}, [('p["a.b"]', "ADD")]),
        ("x", UNKNOWN, [("p", "UPDATE")]),
        (None, UNKNOWN, [("p", "ADD")]),
        ({"a": 1}, {"a": 1, "b": UNKNOWN}, [("p.b", "ADD")]),
        ('{"a":1}', '{ "a": 1 }', []),
    ],
)
def test_each_changed_part_has_its_path_and_sign(old: object, new: object, expected: list[tuple[str, str]]) -> None:
    assert list(differences(old, new, "p")) == expected


def test_a_key_of_the_table_replaces_it_under_a_new_name() -> None:
    found = compare(kind(TABLE), BASE, {**BASE, "hashKey": "b"}, set())
    assert found.replaces == ["hashKey"]
    assert not found.delete_first


def test_a_given_name_that_stays_has_to_be_freed_first() -> None:
    named = {"name": "t", "hashKey": "a", "__defaults": []}
    assert compare(kind(TABLE), named, {**named, "hashKey": "b"}, set()).delete_first
    assert not compare(kind(TABLE), named, {**named, "hashKey": "b", "name": "u"}, set()).delete_first


def test_two_associations_of_one_subnet_never_stand_side_by_side() -> None:
    old = {"routeTableId": "r1", "subnetId": "s"}
    link = kind("aws:ec2/routeTableAssociation:RouteTableAssociation")
    assert compare(link, old, {**old, "routeTableId": "r2"}, set()).delete_first


def test_ignored_inputs_do_not_count() -> None:
    assert not compare(kind(TABLE), BASE, {**BASE, "hashKey": "b"}, {"hashKey"}).paths


def test_new_default_tags_show_as_a_change_of_the_output() -> None:
    table, state = kind(TABLE), {"tagsAll": {"own": "1"}}
    wanted = merged_tags(table, {"tags": {"own": "1"}}, {"project": "imaging"})
    found = Difference()
    compare_tags(table, state, wanted, found)
    assert found.paths == {"tagsAll": "UPDATE"}
    assert not found.replaces
    again = Difference()
    compare_tags(table, {"tagsAll": wanted}, wanted, again)
    assert not again.paths


def test_unknown_tags_make_all_tags_unknown() -> None:
    assert merged_tags(kind(TABLE), {"tags": UNKNOWN}, {"project": "imaging"}) is UNKNOWN
