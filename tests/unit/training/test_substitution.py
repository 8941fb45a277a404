"""Sentinels are replaced purely, anywhere in the definition, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.substitution import UnresolvedSentinelError, sentinel, substitute


def test_a_list_is_spliced_where_its_sentinel_is_an_element():
    body = {"Subnets": ["@@subnets@@", "subnet-z"]}
    assert substitute(body, {"@@subnets@@": ["subnet-a", "subnet-b"]}) == {
        "Subnets": ["subnet-a", "subnet-b", "subnet-z"]
    }


def test_a_string_is_replaced_inside_a_longer_string():
    assert substitute(["s3://@@bucket@@/runs"], {"@@bucket@@": "b"}) == ["s3://b/runs"]


def test_a_list_cannot_become_part_of_a_string():
    with pytest.raises(UnresolvedSentinelError, match="list"):
        substitute({"Uri": "s3://@@subnets@@/x"}, {"@@subnets@@": ["a", "b"]})


def test_a_sentinel_without_a_value_is_refused():
    with pytest.raises(UnresolvedSentinelError, match="@@key@@"):
        substitute({"KmsKeyId": "@@key@@"}, {})


@pytest.mark.parametrize("name", ["", "Upper", "has space", "-leading", "under_score"])
def test_a_sentinel_name_outside_the_alphabet_is_refused(name: str):
    with pytest.raises(ValueError, match="sentinel"):
        sentinel(name)


def test_the_given_definition_is_left_as_it_was():
    body = {"Subnets": ["@@subnets@@"]}
    substitute(body, {"@@subnets@@": ["a"]})
    assert body == {"Subnets": ["@@subnets@@"]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(alphabet="abc/:.@-", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=20,
).filter(lambda value: "@@" not in repr(value))


@given(JSON)
def test_what_has_no_sentinel_comes_back_equal(value: object):
    assert substitute(value, {"@@unused@@": "x"}) == value
