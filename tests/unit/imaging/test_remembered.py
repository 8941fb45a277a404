"""What is remembered of one object must never decide about another that differs in what the decision rests on."""

from collections.abc import Callable
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

from imaging.deidentify import Options, deidentify
from imaging.limits import Limits
from imaging.parse import read
from imaging.profile import Option
from imaging.residual import harvest
from imaging.structure import Element, Walker, remember

KEY = bytes(range(32))


def _cleaned(data: bytes, *options: Option) -> Dataset:
    return pydicom.dcmread(BytesIO(deidentify(data, KEY, Options(chosen=frozenset(options))).data))


def test_a_kept_value_goes_in_the_next_object_where_it_is_the_patients_name(
    data_set: Dataset, to_bytes: Callable[..., bytes]
) -> None:
    data_set.ConvolutionKernel, data_set.PatientName = "Thistlewood", "Quillfeather^Ambrose"
    assert _cleaned(to_bytes(data_set)).ConvolutionKernel == "Thistlewood"
    data_set.PatientName = "Thistlewood^Odette"
    assert _cleaned(to_bytes(data_set)).ConvolutionKernel == "ANONYMIZED"
    data_set.PatientName = "Quillfeather^Ambrose"
    assert _cleaned(to_bytes(data_set)).ConvolutionKernel == "Thistlewood"


def test_other_options_decide_anew(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.PatientAge, data_set.StationName = "042Y", "CTSCAN04"
    data = to_bytes(data_set)
    for _ in range(2):
        assert "PatientAge" not in _cleaned(data)
        assert _cleaned(data, Option.PATIENT).PatientAge == "042Y"
        assert _cleaned(data).get("StationName") != "CTSCAN04"
        assert _cleaned(data, Option.DEVICE).StationName == "CTSCAN04"


def test_the_same_bytes_are_another_element_in_the_other_byte_order() -> None:
    raw = b"\x08\x00\x18\x00LO\x00\x00"
    little, big = (
        Walker(memoryview(raw), little=order, limits=Limits()).walk(0, implicit=False)[0] for order in (True, False)
    )
    assert (little.tag, big.tag) == (0x00080018, 0x08001800)


def test_a_name_is_read_in_the_character_set_of_its_own_object(
    data_set: Dataset, to_bytes: Callable[..., bytes]
) -> None:
    """The bytes of one name are another name in each set."""
    names = {"ISO_IR 144": "iso8859_5", "ISO_IR 126": "iso8859_7"}
    for terms, encoding in names.items():
        data_set.SpecificCharacterSet, data_set.PatientName = terms, b"\xe1\xe4\xe5\xe7\xe9".decode(encoding)
        found, _ = harvest(read(to_bytes(data_set)).elements, frozenset())
        for other in names.values():
            written = b"\xe1\xe4\xe5\xe7\xe9".decode(other).encode()
            assert found.occurs_in(written) is (other == encoding)


def test_memory_is_bounded() -> None:
    memory: dict[bytes | memoryview, int] = {}
    for number in range(10):
        remember(memory, bytes((number,)), number, most=3)
        assert len(memory) <= 3
    assert memory[b"\x09"] == 9


def test_long_elements_and_those_behind_the_start_are_not_remembered() -> None:
    short = Element(0x00080060, "CS", b"CT")
    body = (
        b"\x08\x00\x60\x00CS\x02\x00CT"
        + b"\x10\x00\x00\x40LT\x00\x40"
        + b"x" * 0x4000
        + b"\x18\x00\x15\x00CS\x02\x00CT"
    )
    first, long, behind = Walker(memoryview(body), little=True, limits=Limits()).walk(0, implicit=False)
    assert (first.tag, first.value, first.met) == (short.tag, short.value, True)
    assert not long.met
    assert (behind.tag, bytes(behind.value), behind.met) == (0x00180015, b"CT", False)


def test_who_reads_no_report_need_not_pay_for_digests(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data = to_bytes(data_set)
    without, asked = deidentify(data, KEY, Options(digests=False)), deidentify(data, KEY)
    assert without.data == asked.data
    assert (without.report.input_sha256, without.report.output_sha256) == ("", "")
    assert without.report.actions == asked.report.actions
