"""Walking and encoding are inverse, and the walker meets every malformed header with a refusal."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from imaging.errors import ImageRejected, ReasonCode
from imaging.limits import Limits
from imaging.parse import read
from imaging.structure import Element, Encoder, Walker

REAL_FILES = Path(pydicom.__file__).parent / "data"


def _leaves(elements: list[Element]) -> list[object]:
    return [
        (item.tag, item.vr, bytes(item.value)) if item.items is None else (item.tag, [_leaves(i) for i in item.items])
        for item in elements
    ]


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 0) -> list[Element]:
    tags = draw(st.lists(st.integers(0x00080001, 0x0050FFFF), max_size=5, unique=True))
    elements: list[Element] = []
    for tag in sorted(tags):
        if depth < 3 and draw(st.booleans()):
            items = draw(st.lists(data_sets(depth=depth + 1), max_size=3))
            elements.append(Element(tag, "SQ", items=items))
        else:
            elements.append(Element(tag, draw(st.sampled_from(["LO", "OB", "US", "UI"])), draw(st.binary(max_size=9))))
    return elements


@given(elements=data_sets(), little=st.booleans())
def test_what_is_encoded_is_walked_back(elements: list[Element], little: bool) -> None:
    encoded = Encoder(little=little).encode(elements, implicit=False)
    walker = Walker(memoryview(encoded), little=little, limits=Limits())
    assert _leaves(walker.walk(0, implicit=False)) == _leaves(elements)
    assert walker.end == len(encoded)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "rtplan.dcm", "nested_priv_SQ.dcm", "JPEG2000.dcm", "UN_sequence.dcm"]
)
def test_real_data_sets_survive_walking_and_encoding(name: str) -> None:
    parsed = read((REAL_FILES / "test_files" / name).read_bytes())
    again = Encoder(little=parsed.little).encode(parsed.elements, implicit=parsed.implicit)
    walker = Walker(memoryview(again), little=parsed.little, limits=Limits())
    assert _leaves(walker.walk(0, implicit=parsed.implicit)) == _leaves(parsed.elements)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"\x08\x00\x16\x00??\x02\x00ab", ReasonCode.MALFORMED, id="no such VR"),
        pytest.param(b"\x08\x00\x16\x00UI\xff\xff1.", ReasonCode.TRUNCATED, id="longer than the file"),
        pytest.param(b"\x08\x00\x16", ReasonCode.TRUNCATED, id="half a header"),
        pytest.param(b"\x08\x00\x16\x00OB\0\0\x01", ReasonCode.TRUNCATED, id="half a long header"),
        pytest.param(b"\x08\x00\x16\x00OB\0\0\xff\xff\xff\xff" + bytes(8), ReasonCode.MALFORMED, id="endless bytes"),
        pytest.param(b"\xfe\xff\x0d\xe0\0\0\0\0", ReasonCode.MALFORMED, id="stray delimiter"),
        pytest.param(b"\x08\x00\x40\x11SQ\0\0\x08\0\0\0abcdefgh", ReasonCode.MALFORMED, id="sequence of no items"),
        pytest.param(
            b"\x08\x00\x40\x11SQ\0\0\x08\0\0\0\xfe\xff\x00\xe0\x40\0\0\0", ReasonCode.TRUNCATED, id="item too long"
        ),
        pytest.param(
            b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0", ReasonCode.TRUNCATED, id="never closed"
        ),
        pytest.param(
            b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff",
            ReasonCode.MALFORMED,
            id="endless fragment",
        ),
    ],
)
def test_malformed_headers_are_refused(body: bytes, code: ReasonCode) -> None:
    with pytest.raises(ImageRejected) as caught:
        Walker(memoryview(body), little=True, limits=Limits()).walk(0, implicit=False)
    assert caught.value.code is code


def test_sequences_under_vr_unknown_are_seen(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    item = b"\x10\x00\x20\x00\x04\x00\x00\x00ABCD"
    body = b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item
    element = b"\x08\x00\x40\x11UN\0\0" + len(body).to_bytes(4, "little") + body
    (sequence,) = Walker(memoryview(element), little=True, limits=Limits()).walk(0, implicit=False)
    assert sequence.items is not None
    assert bytes(sequence.items[0][0].value) == b"ABCD"
    assert sequence.implicit
