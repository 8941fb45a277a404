"""Values survive the wire; secrets and unknowns keep what they are."""

from __future__ import annotations

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from local.provider import wire

scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_plain_values_come_back_as_they_went(value: object) -> None:
    def kept(item: object) -> object:  # a null inside an object is dropped, as the engine does
        if isinstance(item, dict):
            return {k: kept(v) for k, v in item.items() if v is not None}
        return [kept(i) for i in item] if isinstance(item, list) else item

    assert wire.decode(wire.encode(value)) == kept(value)


def test_a_secret_is_unwrapped_remembered_and_wrapped_again() -> None:
    sent = wire.encode_map({"password": "x", "plain": "y"}, {"password"})
    assert sent.fields["password"].struct_value.fields[wire.SIGNATURE].string_value == wire.SECRET
    assert wire.decode_map(sent) == {"password": "x", "plain": "y"}
    assert wire.secret_keys(sent) == {"password"}


def test_a_secret_deep_inside_makes_its_whole_property_secret() -> None:
    inner = wire.encode_map({"token": "x"}, {"token"})
    struct = struct_pb2.Struct(fields={"environment": struct_pb2.Value(struct_value=inner), "name": wire.encode("n")})
    assert wire.secret_keys(struct) == {"environment"}


def test_unknowns_are_recognised_and_never_read_as_a_truth() -> None:
    value = wire.decode(struct_pb2.Value(string_value=wire.UNKNOWN_TEXT))
    assert wire.has_unknown({"a": [1, {"b": value}]})
    with pytest.raises(TypeError, match="unknown"):
        bool(value)


def test_assets_are_equal_by_content_and_not_by_path() -> None:
    assert wire.Asset(hash="1", path="a") == wire.Asset(hash="1", path="b")
    assert wire.Asset(hash="1", path="a") != wire.Asset(hash="2", path="a")
    assert wire.Archive(hash="1") != wire.Asset(hash="1")
    archive = wire.Archive(hash="1", assets={"a.py": wire.Asset(hash="2", text="x")})
    assert wire.decode(wire.encode(archive)).assets["a.py"].text == "x"
