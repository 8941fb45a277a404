"""Step 1 end to end on tiny DICOM files, without TensorFlow: what is kept, left out, written and refused."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imaging.pixel_digest import pixel_digest
from training import dataset, preprocess, snapshot
from training.failure import DatasetError, reported
from training.pixels import AIR

_SPEC = importlib.util.spec_from_file_location("training_slices", Path(__file__).with_name("test_pixels.py"))
assert _SPEC is not None and _SPEC.loader is not None
slices: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slices)

ARGUMENTS = ["--image-size", "64", "--seed", "5"]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    return tmp_path


def key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cohort(patients: int = 12, per_patient: int = 2) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A snapshot and the objects it lists."""
    studies, objects = [], {}
    for number in range(patients):
        images = []
        for index in range(per_patient):
            stored = slices.chest(96)
            stored[:8, :8] = 100 + 10 * number + index
            uri = f"s3://preprocessed/deidentified/{number}/{index}.dcm"
            objects[uri] = slices.as_bytes(slices.ct_slice(stored))
            images.append({"image_key": key(f"image {number} {index}"), "uri": uri})
        studies.append(
            {
                "study_key": key(f"study {number}"),
                "patient_key": key(f"patient {number}"),
                "finding": "pneumonia" if number % 2 else "normal",
                "label_version": 1,
                "images": images,
            }
        )
    return frozen(studies), objects


def frozen(studies: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schema": "label-snapshot/1",
        "snapshot_id": "snapshot-1",
        "created_at": "2025-01-01T00:00:00Z",
        "label_watermark": "2025-01-01T00:00:00Z",
        "studies": studies,
        "sha256": snapshot.studies_digest(studies),
    }


def run(base: Path, document: dict[str, Any], fetch: Callable[[str], bytes]) -> None:
    directory = base / "processing/input/snapshot"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "snapshot-1.json").write_text(json.dumps(document))
    preprocess.main(ARGUMENTS, fetch=fetch)


def splits(base: Path) -> dict[str, dataset.Split]:
    return {name: dataset.open_split(base / "processing" / name) for name in ("train", "validation", "test")}


def test_every_image_is_on_one_side_with_its_label(base: Path):
    document, objects = cohort()
    run(base, document, objects.__getitem__)
    found = splits(base)
    images = [image for split in found.values() for image in split.arrays()["image_keys"].tolist()]
    assert sorted(images) == sorted(image["image_key"] for study in document["studies"] for image in study["images"])
    finding = {study["study_key"]: study["finding"] for study in document["studies"]}
    for split in found.values():
        columns = split.arrays()
        assert columns["images"].shape[1:] == (64, 64)
        assert columns["images"].dtype == np.float32
        for study, label in zip(columns["study_keys"].tolist(), columns["labels"].tolist(), strict=True):
            assert label == int(finding[study] == "pneumonia")


def test_an_image_whose_pixels_are_not_those_that_were_labelled_is_left_out_and_seen_by_the_gate(base: Path):
    from training import testset

    document, objects = cohort()
    for study in document["studies"]:
        for image in study["images"]:
            image["pixel_sha256"] = pixel_digest(objects[image["uri"]])
    document = frozen(document["studies"])
    run(base, document, objects.__getitem__)
    test = splits(base)["test"]
    whole = testset.described(test, test.arrays(), "none")
    assert (whole["changed"], len(whole["sha256"])) == (0, 64)
    victim = test.arrays()["image_keys"][0]
    (uri,) = (i["uri"] for study in document["studies"] for i in study["images"] if i["image_key"] == victim)
    other = slices.chest(96)
    other[40, 40] += 1
    run(base, document, {**objects, uri: slices.as_bytes(slices.ct_slice(other))}.__getitem__)
    test = splits(base)["test"]
    changed = testset.described(test, test.arrays(), "none")
    assert (changed["changed"], changed["images"]) == (1, whole["images"] - 1)
    assert changed["sha256"] != whole["sha256"]


def test_the_locked_patients_are_tested_and_no_other(base: Path, monkeypatch: pytest.MonkeyPatch):
    from training import gate
    from training.split import patient_digest

    document, objects = cohort()
    held = sorted(key(f"patient {number}") for number in (2, 5))
    lock = {"patients": [patient_digest(patient) for patient in held]}
    monkeypatch.setattr(gate, "load_plan", lambda: {"version": "1", "locked_test_sets": {"ours": lock}})
    monkeypatch.setattr(preprocess, "parse", lambda arguments, parse=preprocess.parse: parse([*arguments, *LOCK]))
    run(base, document, objects.__getitem__)
    found = splits(base)
    assert found["test"].patients() == held
    assert found["train"].patients() and found["validation"].patients()


LOCK = ["--locked-test-set", "ours"]


def test_no_patient_is_on_two_sides_and_the_manifest_says_who_is_where(base: Path):
    document, objects = cohort()
    run(base, document, objects.__getitem__)
    found = splits(base)
    sides = {name: set(split.patients()) for name, split in found.items()}
    assert not sides["train"] & sides["test"]
    assert not sides["train"] & sides["validation"]
    assert not sides["validation"] & sides["test"]
    for split in found.values():
        assert {name: set(keys) for name, keys in split.manifest["patients"].items()} == sides


def test_two_runs_write_the_same_bytes(base: Path):
    document, objects = cohort()
    written = []
    for _ in range(2):
        run(base, document, objects.__getitem__)
        files = sorted((base / "processing").glob("t*/*"))
        written.append({path.name: path.read_bytes() for path in files})
    assert written[0] == written[1]


def test_unusable_images_are_left_out_and_counted(base: Path):
    document, objects = cohort(patients=18)
    spoiled = {study["images"][0]["uri"] for study in document["studies"][:4]}
    for uri in sorted(spoiled)[:2]:
        objects[uri] = slices.as_bytes(slices.ct_slice(slices.chest(96), Modality="MR"))
    for uri in sorted(spoiled)[2:]:
        objects[uri] = b"no dicom"
    run(base, document, objects.__getitem__)
    excluded: dict[str, int] = {}
    for split in splits(base).values():
        for code, count in split.manifest["excluded"].items():
            excluded[code] = excluded.get(code, 0) + count
        card = (split.directory / "dataset-card.md").read_text()
        assert all(f"{code}: {count}" in card for code, count in split.manifest["excluded"].items())
    assert excluded == {"wrong-modality": 2, "unreadable": 2}


def test_an_object_that_differs_from_the_snapshots_digest_is_left_out(base: Path):
    document, objects = cohort()
    study = document["studies"][0]
    for image in study["images"]:
        image["sha256"] = hashlib.sha256(objects[image["uri"]]).hexdigest()
    study["images"][0]["sha256"] = "0" * 64
    run(base, frozen(document["studies"]), objects.__getitem__)
    assert sum(split.manifest["excluded"].get("digest-mismatch", 0) for split in splits(base).values()) == 1


def test_a_snapshot_that_was_changed_after_it_was_frozen_is_refused(base: Path):
    document, objects = cohort()
    document["studies"][0]["finding"] = "pneumonia"
    with pytest.raises(DatasetError, match="changed after it was frozen"):
        run(base, document, objects.__getitem__)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda document: {**document, "schema": "label-snapshot/9"}, "schema"),
        (lambda document: frozen([{**document["studies"][0], "finding": "cold"}]), "cold"),
        (lambda document: frozen(document["studies"] + document["studies"][:1]), "twice"),
        (
            lambda document: frozen([study for study in document["studies"] if study["finding"] == "normal"]),
            "0 patients",
        ),
    ],
    ids=["schema", "finding", "duplicate", "one finding"],
)
def test_a_snapshot_that_cannot_be_trained_on_is_refused(base: Path, change: Callable[..., Any], sentence: str):
    document, objects = cohort()
    with pytest.raises(DatasetError, match=sentence):
        run(base, change(document), objects.__getitem__)


def test_a_side_without_a_usable_image_of_a_finding_is_refused(base: Path):
    document, objects = cohort()
    broken = {image["uri"] for s in document["studies"] if s["finding"] == "pneumonia" for image in s["images"]}
    with pytest.raises(DatasetError, match="no usable pneumonia image"):
        run(base, document, lambda uri: b"broken" if uri in broken else objects[uri])


def test_a_changed_shard_is_refused(base: Path):
    document, objects = cohort()
    run(base, document, objects.__getitem__)
    shard = base / "processing/test/shard-00000.npz"
    shard.write_bytes(shard.read_bytes() + b"x")
    with pytest.raises(DatasetError, match="changed"):
        dataset.open_split(base / "processing/test")


def test_shards_bound_what_is_held_in_memory(base: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dataset, "SHARD_IMAGES", 4)
    document, objects = cohort(patients=20)
    run(base, document, objects.__getitem__)
    train = splits(base)["train"]
    assert max(shard["images"] for shard in train.manifest["shards"]) == 4
    assert train.images == len(train.arrays()["labels"]) == 24


def test_a_refusal_is_written_where_sagemaker_looks_and_a_strange_error_is_only_named(base: Path):
    with pytest.raises(DatasetError), reported():
        raise DatasetError("one sentence for a person")
    assert (base / "output/failure").read_text() == "DatasetError: one sentence for a person"
    with pytest.raises(KeyError), reported():
        raise KeyError("DOE^JANE")
    assert "DOE" not in (base / "output/message").read_text()


def test_air_surrounds_what_is_padded():
    assert pytest.approx(0.2333, abs=1e-3) == AIR
