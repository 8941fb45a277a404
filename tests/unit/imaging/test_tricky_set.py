"""The tricky set through the command line: no leak, no loss, one mapping of UIDs from two processes."""

import json
import subprocess
import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from bench.deid.leaks import leaks_in
from bench.deid.tricky import CASES, PLANTED_UID_ROOT, write_all
from imaging.deidentify import Options, deidentify
from imaging.errors import ImageRejected
from imaging.profile import Option
from imaging.pseudonym import Pseudonymizer

KEY = bytes(range(32))
TECHNICAL = ("Modality", "KVP", "SliceThickness", "PixelSpacing", "Manufacturer", "SOPClassUID", "Rows", "Columns")


@pytest.fixture(scope="session")
def tricky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tricky") / "in"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the values are wrong on purpose
        write_all(folder)
    return folder


@pytest.fixture(scope="session")
def runs(tricky: Path) -> list[tuple[Path, dict[str, dict[str, Any]]]]:
    """Two runs in processes of their own: output folder, and the report by input."""
    key = tricky.parent / "key"
    key.write_text(KEY.hex())
    results: list[tuple[Path, dict[str, dict[str, Any]]]] = []
    for run, workers in (("first", "1"), ("second", "2")):
        out, report = tricky.parent / run, tricky.parent / f"{run}.jsonl"
        command = [sys.executable, "-m", "imaging", "deidentify", str(tricky), str(out), "--profile", "basic"]
        command += ["--key-file", str(key), "--report", str(report), "--workers", workers]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        lines = [json.loads(line) for line in report.read_text().splitlines()]
        results.append((out, {Path(line["input"]).stem: line for line in lines}))
    return results


def _names() -> list[str]:
    from bench.deid import tricky_content, tricky_forms, tricky_headers, tricky_pixels, tricky_shapes  # noqa: F401 - they register

    return sorted(CASES)


NAMES = _names()


def test_the_set_is_large() -> None:
    assert len(NAMES) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_what_was_planted_is_gone_and_the_rest_is_there(
    name: str, tricky: Path, runs: list[tuple[Path, dict[str, dict[str, Any]]]]
) -> None:
    out, report = runs[0]
    line = report[name]
    before = (tricky / f"{name}.dcm").read_bytes()
    assert leaks_in(before), "the input must hold what is looked for"
    assert not leaks_in(json.dumps({**line, "input": ""}).encode())
    if line["status"] == "refused":
        assert CASES[name].may_refuse, line
        assert line["reason"]
        return
    after = (out / line["output"]).read_bytes()
    assert not leaks_in(after)
    assert not leaks_in(line["output"].encode())
    original, cleaned = pydicom.dcmread(BytesIO(before)), pydicom.dcmread(BytesIO(after))
    _every_value_is_readable(cleaned)
    assert not [tag for tag in cleaned.keys() if tag.is_private]  # noqa: SIM118
    for keyword in TECHNICAL:
        assert cleaned.get(keyword) == original.get(keyword), keyword
    assert cleaned.PatientIdentityRemoved == "YES"
    if CASES[name].samples_stay:
        mask = (1 << int(original.BitsStored)) - 1
        length = original.Rows * original.Columns * original.BitsAllocated // 8
        if not original.file_meta.TransferSyntaxUID.is_compressed:
            original.PixelData = original.PixelData[:length]
        assert np.array_equal(_pixels(original) & mask, _pixels(cleaned))


def _pixels(data_set: Dataset) -> Any:
    """Samples by an independent decoder where pydicom has none here."""
    syntax = str(data_set.file_meta.TransferSyntaxUID)
    decoders = {
        "1.2.840.10008.1.2.4.50": imagecodecs.jpeg8_decode,
        "1.2.840.10008.1.2.4.57": imagecodecs.ljpeg_decode,
        "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
        "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
    }
    if syntax not in decoders:
        return data_set.pixel_array
    value = data_set.PixelData
    table = int.from_bytes(value[4:8], "little")
    return decoders[syntax](value[16 + table :])


def _every_value_is_readable(data_set: Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for element in data_set.iterall():
            str(element.value)


def test_two_processes_give_the_same_bytes(runs: list[tuple[Path, dict[str, dict[str, Any]]]]) -> None:
    (first, one), (second, two) = runs
    assert {name: line["output"] for name, line in one.items()} == {name: line["output"] for name, line in two.items()}
    for line in one.values():
        if line["output"]:
            assert (first / line["output"]).read_bytes() == (second / line["output"]).read_bytes()
    expected = Pseudonymizer(KEY).uid(f"{PLANTED_UID_ROOT}.31")
    assert pydicom.dcmread(first / one["plain"]["output"]).SOPInstanceUID == expected
    reference = pydicom.dcmread(first / one["sequence-of-unknown-vr"]["output"])
    assert reference.ReferencedSeriesSequence[0].ReferencedSOPInstanceUID == expected


def test_a_report_keeps_a_valid_tree_with_and_without_its_content() -> None:
    data = CASES["structured-report"].make()
    plain = pydicom.dcmread(BytesIO(deidentify(data, KEY, Options(chosen=frozenset())).data))
    (only,) = plain.ContentSequence
    assert (only.ValueType, only.RelationshipType) == ("TEXT", "CONTAINS")
    assert plain.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    chosen = frozenset({Option.STRUCTURED_CONTENT, Option.DESCRIPTORS, Option.MODIFIED_DATES})
    result = deidentify(data, KEY, Options(chosen=chosen))
    assert not leaks_in(result.data)
    tree = pydicom.dcmread(BytesIO(result.data)).ContentSequence
    assert [item.ValueType for item in tree] == ["TEXT", "PNAME", "NUM", "TEXT"], "the birth date is removed"
    assert str(tree[2].MeasuredValueSequence[0].NumericValue) == "12.5"
    assert tree[0].ContentSequence[0].TextValue
    assert "113104" in str(pydicom.dcmread(BytesIO(result.data)).DeidentificationMethodCodeSequence)


KEEPING = {Option.FULL_DATES, Option.UIDS, Option.DEVICE, Option.INSTITUTION, Option.PATIENT, Option.SAFE_PRIVATE}
CLEANING = {Option.DESCRIPTORS, Option.STRUCTURED_CONTENT, Option.GRAPHICS, Option.MODIFIED_DATES}


@pytest.mark.parametrize("options", [KEEPING, CLEANING], ids=["all that keep", "all that clean"])
@pytest.mark.parametrize("name", NAMES)
def test_no_option_lets_a_name_through(name: str, options: set[Option]) -> None:
    """Options keep dates, UIDs, devices and institutions; the patient's name and number they never keep."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = CASES[name].make()
    try:
        result = deidentify(data, KEY, Options(chosen=frozenset(options)))
    except ImageRejected:
        return
    found = set(leaks_in(result.data))
    assert not found & {"Quillfeather", "Ambrose", "MRN0048151", "ACC7734501", "Müßlinger", "山田太郎", "Квиллфезер"}
