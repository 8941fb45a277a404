"""The scripts in the training environment, as SageMaker starts them: kill, resume, export, evaluate, float16, ResNet.

Few processes, because importing TensorFlow costs seconds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import package
from training.dataset import open_split
from training.names import metric_pattern

pytestmark = pytest.mark.tensorflow

EPOCHS = 4
HYPERPARAMETERS = {
    "augmentation": "light",
    "backbone": "small_cnn",
    "batch-size": "8",
    "epochs": str(EPOCHS),
    "image-size": "64",
    "learning-rate": "0.003",
    "patience": "50",
    "seed": "3",
}


@dataclass(frozen=True)
class Job:
    """A container's directories with the packaged code in them."""

    base: Path
    python: Path

    @property
    def code(self) -> Path:
        return self.base / "code"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SAGEMAKER_BASE_DIR": str(self.base),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": "",
        }

    def train_command(self) -> list[str]:
        arguments = [word for name, value in HYPERPARAMETERS.items() for word in (f"--{name}", value)]
        return [str(self.python), "train.py", *arguments]

    def run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.code, env=self.environment(), capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, train_python: Path) -> Job:
    base = tmp_path_factory.mktemp("ml")
    built = package.build(base / "package")
    with tarfile.open(built.path) as archive:
        archive.extractall(base / "code", filter="data")
    return Job(base, train_python)


def _metric(line: str, name: str) -> float:
    return float(re.findall(metric_pattern(name), line)[0])


def _killed_after(job: Job, epochs: int) -> list[str]:
    """Metric lines of a training process that gets SIGKILL right after an epoch, like a lost Spot instance."""
    lines: list[str] = []
    process = subprocess.Popen(
        job.train_command(),
        cwd=job.code,
        env=job.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            lines.append(line)
            if f"[metric] epoch={epochs} " in line:
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
    assert process.returncode == -signal.SIGKILL, "".join(lines)[-3000:]
    return [line for line in lines if line.startswith("[metric]")]


@dataclass(frozen=True)
class Trained:
    """What the killed and the resumed run said, and the newest whole epoch that the killed one left."""

    before: list[str]
    after: str
    left: int


@pytest.fixture(scope="module")
def trained(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("training_fixtures", Path(__file__).with_name("conftest.py"))
    assert spec is not None and spec.loader is not None
    fixtures: Any = module_from_spec(spec)
    spec.loader.exec_module(fixtures)
    sides = fixtures.three_sides()
    for name in ("train", "validation"):
        fixtures.write_split(job.base / "input/data" / name, name, sides)
    fixtures.write_split(job.base / "processing/input/test", "test", sides)
    before = _killed_after(job, 2)
    left = max(int(note.stem.removeprefix("epoch-")) for note in (job.base / "checkpoints").glob("epoch-*.json"))
    return Trained(before, job.run(job.train_command()), left)


def test_a_killed_job_resumes_after_its_last_whole_epoch(job: Job, trained: Trained):
    assert trained.left in {1, 2}, "the second is written while the third trains"
    assert f"[train] resuming after epoch {trained.left}," in trained.after
    assert "[metric] epoch=1 " not in trained.after
    assert f"[metric] epoch={EPOCHS} " in trained.after


def test_the_resumed_job_remembers_what_the_killed_one_reached(job: Job, trained: Trained):
    history = json.loads((job.base / "output/data/history.json").read_text())
    assert len(history) == EPOCHS
    for row, line in zip(history, trained.before[: trained.left], strict=False):
        assert row["validation_loss"] == pytest.approx(_metric(line, "validation_loss"), abs=1e-6)
    best = min(range(EPOCHS), key=lambda epoch: history[epoch]["validation_loss"])
    metadata = json.loads((job.base / "model/metadata.json").read_text())
    assert metadata["best_epoch"] == best + 1
    assert metadata["best_validation_loss"] == pytest.approx(history[best]["validation_loss"])
    assert (job.base / "output/data/curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_resumed_job_ends_like_one_that_was_never_interrupted(job: Job, trained: Trained, tmp_path: Path):
    whole = Job(tmp_path, job.python)
    shutil.copytree(job.code, whole.code)
    shutil.copytree(job.base / "input", tmp_path / "input")
    whole.run(whole.train_command())
    first, second = (json.loads((base / "output/data/history.json").read_text()) for base in (job.base, tmp_path))
    assert [row.keys() for row in first] == [row.keys() for row in second]
    for row, other in zip(first, second, strict=True):
        assert row == pytest.approx(other, abs=1e-4)
    kept = [json.loads((base / "model/metadata.json").read_text())["best_epoch"] for base in (job.base, tmp_path)]
    assert kept[0] == kept[1]


def test_the_stand_in_says_that_it_is_one(trained: Trained):
    assert "trains small_cnn at 64 pixels by configuration" in trained.after


def test_the_artifact_has_what_serving_and_judging_need(job: Job, trained: Trained):
    model = job.base / "model"
    for name in ("1/saved_model.pb", "model.onnx", "metadata.json", "code/inference.py", "code/requirements.txt"):
        assert (model / name).is_file(), name
    metadata = json.loads((model / "metadata.json").read_text())
    assert metadata["input"] == {
        "name": "image",
        "shape": [None, 64, 64, 1],
        "dtype": "float32",
        "range": [0.0, 1.0],
    }
    assert len(metadata["seen_patients"]) == 12
    assert {"python", "keras", "tensorflow", "numpy"} <= set(metadata["versions"])
    assert metadata["precision"]["policy"] == "float32"


def test_the_evaluation_judges_the_artifact_on_the_held_out_patients(job: Job, trained: Trained):
    target = job.base / "processing/input/model"
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target / "model.tar.gz", "w:gz") as archive:
        for path in sorted((job.base / "model").iterdir()):
            archive.add(path, arcname=path.name)
    code = job.base / "processing/input/code"
    shutil.copytree(job.base / "package", code)
    output = job.run([str(job.python), str(code / "bootstrap.py"), "training.evaluate", "--seed", "3"])
    report = json.loads((job.base / "processing/evaluation/evaluation.json").read_text())
    assert report["counts"] == {"images": 16, "studies": 4, "patients": 4, "positive_images": 8}
    assert 0.0 <= report["metrics"]["accuracy"]["value"] <= 1.0
    assert "4 held-out patients" in output
    for name in ("roc.png", "confusion.png", "reliability.png", "grad-cam.png"):
        assert (job.base / "processing/evaluation" / name).read_bytes().startswith(b"\x89PNG")
    rows = json.loads((job.base / "processing/evaluation/predictions.json").read_text())
    labels = open_split(job.base / "processing/input/test").arrays()["labels"]
    called = np.array([row["probability"] >= 0.5 for row in rows])
    truth = np.array([row["finding"] == "pneumonia" for row in rows])
    assert truth.sum() == labels.sum()
    assert report["metrics"]["accuracy"]["value"] == pytest.approx(float((called == truth).mean()), abs=1e-6)


MIXED = """
import json, sys
from pathlib import Path
import keras, onnx
from training import train
base, arguments = Path(sys.argv[1]), sys.argv[2:]
data = Path(sys.argv[1] + "-data")
def run():
    train.main(arguments, train.TrainDirectories(
        data / "train", data / "validation", None, base / "model", base / "output", base / "checkpoints"))
    return json.loads((base / "output/history.json").read_text())
whole = run()
(base / "checkpoints/epoch-0002.json").unlink()
resumed = run()
graph = onnx.load(str(base / "model/model.onnx")).graph
print(json.dumps({"whole": whole, "resumed": resumed, "types": sorted({one.data_type for one in graph.initializer}),
                  "ends": [one.type.tensor_type.elem_type for one in (*graph.input, *graph.output)],
                  "half": [onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT]}))
"""


def test_mixed_precision_resumes_with_its_loss_scale_and_exports_float32(
    job: Job, split_writer: Callable[..., None], sides: dict[str, list[str]], tmp_path: Path
):
    for name in ("train", "validation"):  # tiny: a CPU computes float16 in software
        split_writer(tmp_path / "mixed-data" / name, name, sides, size=32)
    words = [*job.train_command()[2:], "--epochs", "2", "--image-size", "32", "--batch-size", "2"]
    words += ["--precision", "mixed_float16"]
    output = job.run([str(job.python), "-c", MIXED, str(tmp_path / "mixed"), *words])
    assert output.count("precision=mixed_float16") == 2
    assert "[train] resuming after epoch 1" in output
    said = json.loads(output.splitlines()[-1])
    for row, other in zip(said["whole"], said["resumed"], strict=True):
        assert row == pytest.approx(other, abs=1e-3)
    half, single = said["half"]
    assert half not in said["types"]
    assert said["ends"] == [single, single]
    told = json.loads((tmp_path / "mixed/model/metadata.json").read_text())["precision"]
    assert (told["asked"], told["policy"], told["exported"], told["gpus"]) == (
        "mixed_float16",
        "mixed_float16",
        "float32",
        [],
    )
    assert 0.0 < told["largest_difference"] < 0.05


RESNET = """
import json, sys
from pathlib import Path
import numpy as np, keras
from training import model
from training.export import export
keras.utils.set_random_seed(1)
built = model.build("resnet50", 64)
built.model.compile(optimizer="adam", loss="binary_crossentropy", run_eagerly=True)  # one step: compiling costs more
images = np.random.default_rng(1).random((4, 64, 64, 1), np.float32)
losses = [float(built.model.train_on_batch(images, np.array([[0], [1], [0], [1]], np.float32)))]
target = Path(sys.argv[1])
export(built.model, target, {"config": {}}, images[..., 0])
weights = target / "notop.weights.h5"
staged = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg")
staged.save_weights(weights)
pretrained = model.build("resnet50", 64, weights)
pretrained.base.trainable = False
from training.explain import heat_maps
maps = heat_maps(target / "1", images)
print(json.dumps({"loss": losses[0], "maps": maps.shape, "range": [float(maps.min()), float(maps.max())],
                  "parameters": built.model.count_params(),
                  "head": len(pretrained.model.trainable_variables)}))
"""


def test_resnet50_builds_learns_a_step_takes_staged_weights_and_exports(job: Job, tmp_path: Path):
    said = json.loads(job.run([str(job.python), "-c", RESNET, str(tmp_path / "model")]).splitlines()[-1])
    assert np.isfinite(said["loss"])
    assert 23_000_000 < said["parameters"] < 24_000_000, "ResNet-50 without its ImageNet head has 23.6 million"
    assert said["head"] == 2, "with frozen staged weights only the head's kernel and bias learn"
    assert (tmp_path / "model/1/saved_model.pb").is_file()
    assert said["maps"] == [4, 2, 2], "the last convolution halves 64 pixels five times"
    assert said["range"][0] >= 0.0
    assert said["range"][1] == pytest.approx(1.0, abs=1e-3)
    assert (tmp_path / "model/model.onnx").stat().st_size > 90_000_000
