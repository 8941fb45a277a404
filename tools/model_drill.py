"""A champion, a worse challenger, a better one, a rollback on the local stack: `make model-drill` (some eight minutes).

Three cohorts of invented patients go through the whole training pipeline: a small one, the same with half of its
labels wrong, and a larger one of other patients. After the first the change control plan locks its test set for two
runs: the same cohort again gives the same figures and passes, the wrong labels are a change of it and refused by that
clause too. Then a person takes the newest model back. Ends with 0 only if the registry, the endpoint and the record of
decisions say what they must.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from local.cloud import Cloud
from local.stack import LocalStack
from tools.drill_lock import LOCK, locked_test_set

RUN = Path(os.environ.get("IMAGING_RUN_DIR", ".run"))
SLICES = 3
FINDING_MM2 = 2000
"""Lobar pneumonia: what a small network can learn from some forty patients."""
SETTLED_SECONDS = 120


def main() -> int:
    """Every step, then what it left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=Path, default=Path(".cache/model-drill"), help="where the cohorts are kept")
    parser.add_argument(
        "--patients", type=int, default=36, help="of the champion's cohort; the larger one has a half more"
    )
    asked = parser.parse_args()
    up = (RUN / "aws" / "ready.json").is_file()
    if up and _served():
        raise SystemExit("a model is in service, and the drill's would be judged against it: make down, then again")
    small = _cohort(asked.cohorts / "small", asked.patients, seed=7)
    spoiled = _spoiled(small, asked.cohorts / "spoiled")
    larger = _cohort(asked.cohorts / "larger", asked.patients * 3 // 2, seed=8)
    before = len(_registry("history", "--json")) if up else 0

    champion = _trained("a champion", small)
    first = _version(champion)
    stack = LocalStack()
    pipeline, cloud = stack.outputs()["pipeline_name"], Cloud(stack.client_environment())
    with locked_test_set(cloud, pipeline, champion["model_package"]) as lock:
        print(f"\n== the plan locks the champion's test set: {lock['images']} images, {lock['sha256']} ==", flush=True)
        again = _trained("the same patients, seed and code again", small)
        worse = _trained("a worse challenger", spoiled)
    better = _trained("a better challenger", larger)
    same, second = _version(again), _version(better)
    judged = again["test_set"]
    print(_registry_text("compare", str(first), str(second)), flush=True)
    served = _served()
    _registry("rollback", str(first), "--reason", "drill: the newest model is taken back")
    _settled(first)
    print(_registry_text("history"), flush=True)
    said = [(entry["step"], int(entry["version"])) for entry in _registry("history", "--json")[before:]]
    wanted = [
        ("approved", first),
        ("deployed", first),
        ("approved", same),
        ("deployed", same),
        ("gate-refused", 0),
        ("approved", second),
        ("deployed", second),
        ("rolled-back", first),
        ("withdrawn", same),
        ("withdrawn", second),
        ("deployed", first),
    ]
    good = [
        _expect("the champion is registered", champion["decision"], good=champion["decision"] == "registered"),
        _expect(
            "the same again has the same figures",
            str(again["metrics"]["accuracy"]),
            good=again["metrics"] == champion["metrics"],
        ),
        _expect("the worse one is refused, with its clause", worse["reason"], good="(4.1 " in worse["reason"]),
        _expect("a changed test set is refused, with its clause", worse["reason"], good="(4.6 " in worse["reason"]),
        _expect(
            "the locked test set is the one that it is judged on",
            f"{judged['lock']} {judged['sha256']}",
            good=(judged["lock"], judged["sha256"]) == (LOCK, lock["sha256"]),
        ),
        _expect("the better one is promoted", f"version {served}", good=served == second),
        _expect("the rollback serves the champion", f"version {_served()}", good=_served() == first),
        _expect("every step is on record", json.dumps(said), good=said == wanted),
    ]
    return 0 if all(good) else 1


def _cohort(folder: Path, patients: int, *, seed: int) -> Path:
    """Invented patients with labels.csv, made once."""
    if not (folder / "labels.csv").is_file():
        command = [sys.executable, "-m", "local.cohort", "--out", str(folder), "--cache", ".cache"]
        command += ["--patients", str(patients), "--slices-per-patient", str(SLICES), "--seed", str(seed)]
        subprocess.run([*command, "--finding-mm2", str(FINDING_MM2)], check=True)
    return folder


def _spoiled(cohort: Path, folder: Path) -> Path:
    """The same images with shuffled labels."""
    shutil.copytree(cohort, folder, dirs_exist_ok=True)
    with (cohort / "labels.csv").open(newline="") as source:
        rows = list(csv.DictReader(source))
    labels = [row["label"] for row in rows]
    random.Random(5).shuffle(labels)  # noqa: S311 - not for security
    with (folder / "labels.csv").open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(["study_instance_uid", "label"])
        writer.writerows((row["study_instance_uid"], label) for row, label in zip(rows, labels, strict=True))
    return folder


def _trained(what: str, cohort: Path) -> dict[str, Any]:
    print(f"\n== {what} ==", flush=True)
    command = [sys.executable, "-m", "local", "train", str(cohort), "--fast", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        raise SystemExit(f"{what}: the training did not come to a decision; the lines above say why")
    said: dict[str, Any] = json.loads(done.stdout)
    print(f"{said['decision']}: {said.get('metrics', {}).get('accuracy')} {said['reason']}", flush=True)
    return said


def _version(said: dict[str, Any]) -> int:
    if not said.get("model_package"):
        raise SystemExit(f"nothing was registered: {said['reason']}")
    return int(said["model_package"].rpartition("/")[2])


def _registry_text(*words: str) -> str:
    command = [sys.executable, "-m", "operations", "--environment", str(RUN / "aws" / "ready.json"), "registry", *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _registry(*words: str) -> Any:
    return json.loads(_registry_text(*words))


def _served() -> int:
    return next((int(one["version"]) for one in _registry("list", "--json") if one["in_service"]), 0)


def _settled(version: int) -> None:
    end = time.monotonic() + SETTLED_SECONDS
    while _served() != version and time.monotonic() < end:
        time.sleep(3)


def _expect(what: str, found: str, *, good: bool) -> bool:
    print(f"  {'ok  ' if good else 'FAIL'} {what}: {found}", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
