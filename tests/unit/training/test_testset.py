"""The test set's identity: a changed image, another label or another patient is seen, and the clause is quoted."""

from __future__ import annotations

import json
import runpy
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training import dataset, gate, testset
from training.failure import DatasetError
from training.split import patient_digest

COLUMNS = {
    "image_keys": np.array(["a", "b"]),
    "pixel_digests": np.array(["1" * 64, "2" * 64]),
    "labels": np.array([0, 1], np.int8),
}
LIMITS = gate.Limits(accuracy=0.8)


def report(**found: Any) -> dict[str, Any]:
    metrics = {"accuracy": {"value": 0.9, "interval": [0.8, 1.0]}}
    return {"metrics": metrics, "test_set": {"sha256": "d" * 64, "images": 2, "changed": 0, "lock": "none", **found}}


def plan(**locks: Any) -> dict[str, Any]:
    return {**gate.load_plan(), "locked_test_sets": locks}


def test_the_order_of_the_shards_does_not_change_the_digest() -> None:
    turned = {name: values[::-1] for name, values in COLUMNS.items()}
    assert testset.content_digest(turned) == testset.content_digest(COLUMNS)


def run_command() -> None:
    """`python -m training.testset`, here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the module is imported already
        runpy.run_module("training.testset", run_name="__main__")


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_another_pixel_label_or_key_is_another_digest(column: str) -> None:
    changed = {**COLUMNS, column: COLUMNS[column].copy()}
    changed[column][0] = changed[column][1]
    assert testset.content_digest(changed) != testset.content_digest(COLUMNS)


def test_a_changed_test_image_is_refused_with_the_clause() -> None:
    found = gate.decide(report(changed=1), LIMITS, plan())
    assert found["passed"] == 0
    assert found["reasons"] == [
        f"1 image(s) of the test set are not what was labelled ({plan()['acceptance']['clause_test_set']})"
    ]


def test_the_locked_test_set_passes_and_is_named_in_the_decision() -> None:
    lock = {"sha256": "d" * 64, "images": 2, "patients": []}
    found = gate.decide(report(lock="prod-2026"), LIMITS, plan(**{"prod-2026": lock}))
    assert (found["passed"], found["test_set"]["lock"]) == (1, "prod-2026")


@pytest.mark.parametrize(
    ("locks", "digest"),
    [({"prod-2026": {"sha256": "e" * 64}}, "d" * 64), ({}, "d" * 64), ({"prod-2026": {"sha256": "e" * 64}}, "")],
    ids=["another set", "no such lock", "set without digests"],
)
def test_any_other_test_set_than_the_locked_one_is_refused_with_the_clause(locks: Any, digest: str) -> None:
    found = gate.decide(report(lock="prod-2026", sha256=digest), LIMITS, plan(**locks))
    assert (found["passed"], len(found["reasons"])) == (0, 1)
    assert plan()["acceptance"]["clause_lock"] in found["sentence"]


def test_the_lock_decides_who_is_tested_however_the_cohort_grows() -> None:
    sides = {"train": ("a", "b"), "validation": ("c", "d"), "test": ("e", "f")}
    locked = frozenset({patient_digest("a"), patient_digest("d"), patient_digest("gone")})
    assert testset.with_lock(sides, locked) == {"train": ("b", "e", "f"), "validation": ("c",), "test": ("a", "d")}


def test_a_lock_that_the_plan_lacks_stops_the_run_before_it_costs_anything() -> None:
    with pytest.raises(DatasetError, match="no locked test set 'prod-2026'"):
        testset.locked_patients(plan(), "prod-2026")


def test_a_lock_is_written_from_a_runs_test_split(
    tmp_path: Path,
    split_writer: Callable[..., None],
    sides: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    split_writer(tmp_path / "test", "test", sides)
    with pytest.raises(DatasetError, match="digests"):
        testset.lock_of(tmp_path / "test")
    monkeypatch.setattr("sys.argv", ["testset", str(tmp_path / "test")])
    with pytest.raises(SystemExit, match="digests"):
        run_command()
    split = dataset.open_split(tmp_path / "test")
    columns = split.arrays()
    columns["pixel_digests"] = np.array([f"{number:064x}" for number in range(len(columns["labels"]))])
    manifest = {**split.manifest, "shards": [dataset.write_shard(tmp_path / "test", 0, columns)]}
    (tmp_path / "test" / "manifest.json").write_text(json.dumps(manifest))
    lock = testset.lock_of(tmp_path / "test")
    run_command()
    assert json.loads(capsys.readouterr().out) == lock, "what the command prints goes into the plan as it is"
    assert lock["sha256"] == testset.content_digest(columns)
    assert lock["patients"] == sorted(patient_digest(patient) for patient in sides["test"])
    split = dataset.open_split(tmp_path / "test")
    said = testset.described(split, columns, "prod-2026")
    decided = gate.decide({**report(), "test_set": said}, LIMITS, plan(**{"prod-2026": lock}))
    assert decided["passed"] == 1


def test_images_left_out_because_they_changed_are_counted() -> None:
    manifest = {"excluded": {"pixels-changed": 2, "digest-mismatch": 1, "constant": 4}}
    said = testset.described(SimpleNamespace(manifest=manifest), COLUMNS, "none")  # pyright: ignore[reportArgumentType]
    assert said["changed"] == 3
