"""What training decides before TensorFlow is imported: data checks, phases, class weights, resume state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from training import train
from training.checkpoint import Progress
from training.dataset import Split, open_split
from training.failure import DatasetError, PatientLeakError, TrainingError

CONFIG = train.parse(["--backbone", "small_cnn", "--image-size", "64", "--epochs", "10"])
Writer = Callable[..., None]


def written(tmp_path: Path, writer: Writer, sides: dict[str, list[str]]) -> tuple[Split, Split]:
    for name in ("train", "validation"):
        writer(tmp_path / name, name, sides)
    return open_split(tmp_path / "train"), open_split(tmp_path / "validation")


def test_clean_splits_pass(tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]]):
    train.check_data(CONFIG, *written(tmp_path, split_writer, sides))


@pytest.mark.parametrize("other", ["validation", "test"])
def test_a_patient_on_two_sides_stops_training(
    tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]], other: str
):
    leaky = {**sides, other: [*sides[other], sides["train"][0]]}
    with pytest.raises(PatientLeakError, match=f"train and {other}"):
        train.check_data(CONFIG, *written(tmp_path, split_writer, leaky))


def test_the_check_reads_the_shards_and_not_the_manifests_word(
    tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]]
):
    split_writer(tmp_path / "train", "train", sides)
    split_writer(tmp_path / "validation", "validation", {**sides, "validation": sides["train"][:4]})
    honest, lying = open_split(tmp_path / "train"), open_split(tmp_path / "validation")
    lying.manifest["patients"] = sides
    with pytest.raises(PatientLeakError):
        train.check_data(CONFIG, honest, lying)


def test_channels_in_each_others_place_are_refused(tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]]):
    first, second = written(tmp_path, split_writer, sides)
    with pytest.raises(DatasetError, match="not train and validation"):
        train.check_data(CONFIG, second, first)


def test_images_of_another_size_are_refused(tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]]):
    with pytest.raises(DatasetError, match="64 pixel images, the model reads 96"):
        train.check_data(replace(CONFIG, image_size=96), *written(tmp_path, split_writer, sides))


def test_class_weights_make_both_findings_count_alike(
    tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]]
):
    split, _ = written(tmp_path, split_writer, sides)
    split.manifest["counts"] = {"normal": 30, "pneumonia": 10}
    weights = train.class_weights(split)
    assert weights == {0: pytest.approx(40 / 60), 1: pytest.approx(2.0)}
    assert weights[0] * 30 == pytest.approx(weights[1] * 10)


def test_random_weights_train_in_one_phase_and_pretrained_ones_in_two():
    assert [phase.name for phase in train.phases(CONFIG, pretrained=False)] == ["all layers"]
    head, tuning = train.phases(CONFIG, pretrained=True)
    assert (head.last_epoch, head.base_trainable) == (2, False)
    assert (tuning.last_epoch, tuning.base_trainable) == (10, True)
    assert tuning.learning_rate == pytest.approx(CONFIG.learning_rate / 10)


def test_early_stopping_counts_epochs_without_a_better_loss():
    progress = Progress("fingerprint")
    for loss in (0.7, 0.5, 0.6, 0.55):
        progress.record({"validation_loss": loss}, patience=2)
    assert (progress.best_epoch, progress.best_loss, progress.waited, progress.stopped) == (2, 0.5, 2, True)


def test_a_checkpoint_belongs_to_its_data_and_configuration(
    tmp_path: Path, split_writer: Writer, sides: dict[str, list[str]]
):
    splits = written(tmp_path, split_writer, sides)
    first = train.fingerprint_of(CONFIG, *splits)
    assert first == train.fingerprint_of(CONFIG, *splits)
    assert first != train.fingerprint_of(replace(CONFIG, learning_rate=0.5), *splits)
    assert first != train.fingerprint_of(CONFIG, *splits, "mixed_float16"), "another machine may choose otherwise"
    splits[0].manifest["shards"][0]["sha256"] = "another"
    assert first != train.fingerprint_of(CONFIG, *splits)


@pytest.mark.parametrize(
    ("backbone", "size", "told"), [("small_cnn", 96, True), ("resnet50", 224, True), ("resnet50", 512, False)]
)
def test_a_small_stand_in_says_so(capsys: pytest.CaptureFixture[str], backbone: str, size: int, told: bool):
    train.announce(replace(CONFIG, backbone=backbone, image_size=size))
    assert ("do not carry over" in capsys.readouterr().out) is told


def test_an_unknown_backbone_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        train.parse(["--backbone", "vgg16"])
    assert "vgg16" in capsys.readouterr().err


def test_the_weights_channel_holds_exactly_one_file(tmp_path: Path):
    assert train.weights_file(None) is None
    with pytest.raises(TrainingError, match="holds 0"):
        train.weights_file(tmp_path)
    (tmp_path / "notop.weights.h5").write_bytes(b"")
    assert train.weights_file(tmp_path) == tmp_path / "notop.weights.h5"
