"""Every hostile file is refused with the code it was made for, quickly and without a trace of its values."""

from pathlib import Path

import pytest

from imaging.deidentify import deidentify
from imaging.errors import ImageRejected
from imaging.validate import validate
from local.cohort.hostile import HOSTILE, valid_image, write_hostile


def test_the_file_they_are_made_from_is_valid() -> None:
    assert validate(valid_image()).valid


FAULTY_BUT_CLEANABLE = ("no-pixels.dcm", "missing-study.dcm", "path-in-uid.dcm", "wrong-modality.dcm")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_meets_its_code(name: str) -> None:
    code, make = HOSTILE[name]
    data = make()
    assert validate(data).reason_code == code.value
    try:
        cleaned = deidentify(data, bytes(range(32)))
    except ImageRejected:
        return
    assert name in FAULTY_BUT_CLEANABLE
    assert b"HOSTILE-000001" not in cleaned.data


def test_all_of_them_are_written(tmp_path: Path) -> None:
    paths = write_hostile(tmp_path)
    assert {path.name for path in paths} == set(HOSTILE)
    assert sum(path.stat().st_size for path in paths) < 2_000_000, "a bomb is small on disk"


def test_many_kinds_of_refusal_are_covered() -> None:
    assert len({code for code, _ in HOSTILE.values()}) >= 14
