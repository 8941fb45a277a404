"""Real files come from installed packages, differ in kind, and are copied unchanged."""

from pathlib import Path

from imaging.parse import read
from local.cohort.real_files import copy_real_files, find_real_files


def test_many_kinds_come_first() -> None:
    kinds = [
        (parsed.text(0x00020002), str(parsed.transfer_syntax))
        for parsed in (read(path.read_bytes()) for path in find_real_files()[:20])
    ]
    assert len(set(kinds)) == 20


def test_copies_are_limited_and_unchanged(tmp_path: Path) -> None:
    copies = copy_real_files(tmp_path / "real", 6)
    assert len(copies) == len(set(copies)) == 6
    assert [copy.read_bytes() for copy in copies] == [path.read_bytes() for path in find_real_files()[:6]]
