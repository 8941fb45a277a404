"""Licences: what a package states is found wherever it stands, and a copyleft one is told."""

from importlib import metadata
from pathlib import Path

import pytest

from tools import licences

NAME = "Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.0\n"


def package(folder: Path, stated: str, text: str = "") -> metadata.Distribution:
    info = folder / "some_thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(NAME + stated)
    (info / "LICENSE").write_text(text)
    (info / "RECORD").write_text("some_thing-1.0.dist-info/LICENSE,,\n")
    return next(iter(metadata.distributions(path=[str(folder)])))


@pytest.mark.parametrize(
    ("stated", "text", "licence"),
    [
        ("License-Expression: MIT AND PSF-2.0\n", "", "MIT AND PSF-2.0"),
        (
            "Classifier: License :: OSI Approved\nClassifier: License :: OSI Approved :: BSD License\n",
            "",
            "BSD License",
        ),
        ("License: GPL-3.0\n", "MIT License", "GPL-3.0"),
        ("", "  Apache License\n  Version 2.0, January 2004", "Apache-2.0"),
        ("", "All rights reserved.", ""),
    ],
)
def test_a_licence_is_read_where_the_package_states_it(tmp_path: Path, stated: str, text: str, licence: str) -> None:
    assert licences.of(package(tmp_path, stated, text)) == licence


def test_what_nobody_may_take_without_a_look_is_told(tmp_path: Path) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text("some-thing==1.0 \\\n    --hash=sha256:00\nother[extra]==2 ; python_version > '3'\nfree==3\n")
    packages = licences.locked([lock])
    assert packages == {("some-thing", "1.0"), ("other", "2"), ("free", "3")}
    known = {("some-thing", "1.0"): "LGPL-3.0", ("other", "2"): "", ("free", "3"): "MIT"}
    assert licences.faults(packages, known) == [
        "licence of other 2: none stated",
        "licence of some-thing 1.0: LGPL-3.0",
    ]
    assert len(licences.faults(packages, {})) == 3, "what is not in the table is not known"


def test_the_table_holds_every_package_of_the_lock_files_and_nothing_that_may_not_be_taken() -> None:
    root = Path(__file__).parents[3]
    packages, kept = licences.locked((root / "requirements").glob("*.lock")), licences.table(root)
    assert licences.faults(packages, kept) == []
    assert set(kept) == packages, "a package has gone: python -m tools.licences writes the table again"


def test_the_table_says_what_the_installed_packages_state() -> None:
    root = Path(__file__).parents[3]
    here, kept = licences.installed(root), licences.table(root)
    assert len(kept.keys() & here.keys()) > 100
    assert {one: here[one] for one in kept.keys() & here.keys()} == {
        one: kept[one] for one in kept.keys() & here.keys()
    }
