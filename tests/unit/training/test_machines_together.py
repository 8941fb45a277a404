"""Two real machines, as processes on the loopback, train one model: what is equal, what is shared, who writes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow

REPOSITORY = Path(__file__).resolve().parents[3]
WORDS = ["--backbone", "small_cnn", "--image-size", "32", "--epochs", "2", "--batch-size", "7", "--seed", "3"]
SCRIPT = """
import hashlib, json, os, sys
from pathlib import Path
from training import cluster, model, train
data, base, words = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
machines = cluster.join(cluster.cluster_of(os.environ))
build, fit, finish, seen = model.build, train.fit, train.finish, {}

def without_chance(*arguments):
    classifier = build(*arguments)
    for layer in classifier.model.layers:
        if "dropout" in layer.name:
            layer.rate = 0.0
        if "normalisation" in layer.name:
            layer.trainable = False  # each machine counts its own batch statistics
    return classifier

def run(name, together, *more):
    def watched(run):
        seen[name] = {"began": run.progress.epoch}
        fit(run)
        run.store.written()
        weights = b"".join(weight.tobytes() for weight in run.classifier.model.get_weights())
        seen[name] |= {"history": run.progress.history, "weights": hashlib.sha256(weights).hexdigest()}
    train.fit, train.join = watched, lambda _: together
    place = base / name.split("-")[0]
    train.main([*words, *more], train.TrainDirectories(
        data / "train", data / "validation", None, place / "model", place / "output", place / "checkpoints"))
    seen[name]["files"] = sorted(str(path.relative_to(place)) for path in place.glob("*/*.*"))
    return place

train.finish, model.build = (lambda *_: None), without_chance
run("exact", machines, "--augmentation", "none")
if machines.chief:
    run("alone", cluster.ALONE, "--augmentation", "none")
model.build = build
place = run("whole", machines, "--augmentation", "light")
if machines.chief:
    (place / "checkpoints/epoch-0002.json").unlink()
train.finish = finish
run("whole-resumed", machines, "--augmentation", "light")
metadata = place / "model/metadata.json"
seen["metadata"] = json.loads(metadata.read_text())["machines"] if metadata.is_file() else None
print("SEEN" + json.dumps(seen))
"""


@dataclass(frozen=True)
class Seen:
    """What each machine says of its runs."""

    chief: dict[str, Any]
    other: dict[str, Any]
    lines: tuple[str, str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, train_python: Path, split_writer: Callable[..., None]) -> Seen:
    base = tmp_path_factory.mktemp("machines")
    patients = {name: [f"{name[:2]}{number:030x}" for number in range(5)] for name in ("train", "validation", "test")}
    for name in ("train", "validation"):
        split_writer(base / "data" / name, name, patients, size=32)
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    workers = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    machines: list[subprocess.Popen[str]] = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(task),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": str(REPOSITORY),
        }
        command = [str(train_python), "-c", SCRIPT, str(base / "data"), str(base / str(index)), *WORDS]
        machines.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=base
            )
        )
    try:
        said = [machine.communicate(timeout=300) for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    for machine, (_, errors) in zip(machines, said, strict=True):
        assert machine.returncode == 0, errors[-3000:]
    chief, other = (json.loads(output.split("SEEN")[-1]) for output, _ in said)
    return Seen(chief, other, (said[0][0], said[1][0]))


def test_two_machines_learn_what_one_learns_from_the_same_batches(seen: Seen):
    together, alone = seen.chief["exact"]["history"], seen.chief["alone"]["history"]
    assert len(together) == len(alone) == 2
    for row, other in zip(together, alone, strict=True):
        assert row == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("run", ["exact", "whole", "whole-resumed"])
def test_all_machines_have_the_same_weights_and_decide_by_the_same_figures(seen: Seen, run: str):
    assert seen.chief[run]["weights"] == seen.other[run]["weights"]
    assert seen.chief[run]["history"] == seen.other[run]["history"]


def test_the_chief_alone_writes(seen: Seen):
    assert "checkpoints/epoch-0002.npz" in seen.chief["whole"]["files"]
    assert seen.other["whole-resumed"]["files"] == []
    assert (seen.chief["metadata"], seen.other["metadata"]) == (2, None)
    assert "[metric] epoch=2 " in seen.lines[0]
    assert "[metric]" not in seen.lines[1]


def test_a_job_resumes_on_all_machines_from_what_the_chief_has_kept(seen: Seen):
    for machine in (seen.chief, seen.other):
        assert (machine["whole"]["began"], machine["whole-resumed"]["began"]) == (0, 1)
        for row, other in zip(machine["whole"]["history"], machine["whole-resumed"]["history"], strict=True):
            assert row == pytest.approx(other, abs=1e-5)
