"""A lock that a killed update left, with the real engine: seen, taken on record; a living update keeps its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.engine import environment

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """\
import pathlib, time
pathlib.Path("begun").touch()
time.sleep(60)
"""


class Place:
    """A project whose update takes a minute, on a file backend, and the command by which people unlock it."""

    def __init__(self, folder: Path) -> None:
        self.state, self.project = folder / "state", folder / "project"
        self.env = environment(state_dir=self.state, offline=True) | {"PYTHONPATH": str(ROOT)}
        self.project.mkdir()
        (self.project / "Pulumi.yaml").write_text("name: healthcare-imaging-mlops\nruntime: python\n")
        (self.project / "__main__.py").write_text(PROGRAM)
        self.pulumi("stack", "init", "dev")

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("pulumi", *arguments, "--non-interactive")

    def unlock(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "-m", "operations", "unlock", "--stack", "dev", *arguments)

    def update(self) -> subprocess.Popen[bytes]:
        """An update that holds the lock and does not end."""
        begun = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", "dev", "--non-interactive"],
            cwd=self.project, env=self.env, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not (self.project / "begun").exists():
            assert begun.poll() is None, "the update ended before its program began"
            time.sleep(0.05)
        return begun

    def locks(self) -> list[Path]:
        return list((self.state / ".pulumi" / "locks").rglob("*.json"))

    def records(self) -> list[Path]:
        return list((self.state / ".pulumi" / "operations").rglob("*.json"))

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.project, env=self.env, capture_output=True, text=True, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def update(place: Place) -> Iterator[subprocess.Popen[bytes]]:
    begun = place.update()
    yield begun
    if begun.poll() is None:
        kill(begun)


def kill(process: subprocess.Popen[bytes]) -> None:
    """As a machine that goes away does: the engine and what it started, without a word."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_the_lock_of_a_killed_update_is_shown_and_taken_and_the_next_update_runs(
    place: Place, update: subprocess.Popen[bytes]
) -> None:
    held = place.unlock("--confirm", "--reason", "impatience")
    assert held.returncode == 2
    assert f"Process {update.pid} of " in held.stderr
    assert "runs: wait until it has ended" in held.stderr
    assert (len(place.locks()), place.records()) == (1, [])

    kill(update)
    assert "currently locked" in place.pulumi("up", "--yes", "--stack", "dev").stderr
    looked = place.unlock()
    assert looked.returncode == 2
    assert f"process {update.pid} (which has ended)" in looked.stdout
    assert "Nothing was changed" in looked.stdout
    assert place.unlock("--confirm").returncode == 2, "a deed without a reason"
    assert (len(place.locks()), place.records()) == (1, [])

    taken = place.unlock("--confirm", "--reason", "its runner was recycled")
    assert taken.returncode == 0, taken.stderr
    assert place.locks() == []
    (record,) = (json.loads(path.read_text()) for path in place.records())
    assert (record["reason"], record["forced"]) == ("its runner was recycled", False)
    assert record["taken"][0]["pid"] == update.pid
    assert "@" in record["by"]
    (place.project / "__main__.py").write_text("")
    after = place.pulumi("up", "--yes", "--skip-preview", "--stack", "dev")
    assert after.returncode == 0, after.stderr
    assert "is not locked" in place.unlock().stdout
