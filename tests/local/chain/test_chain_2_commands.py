"""The commands of day two as people type them, on the running stack (docs/COMMANDS.md names who runs the others)."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydicom.data import get_testdata_file

from local.cloud import Cloud
from local.console import wait_for
from local.demo.clients import sign_in
from local.demo.people import demo_people
from local.engine.paths import ROOT
from local.stack import LocalStack
from tests.local.chain.conftest import free_port, run_command

pytestmark = [pytest.mark.local, pytest.mark.engine]


@pytest.fixture
def environment(stack: LocalStack) -> dict[str, str]:
    """Where the commands find this stack and not the user's own."""
    return {"IMAGING_RUN_DIR": str(stack.run), "PORT": str(stack.aws.port)}


def make(words: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run_command("make", "--silent", *words.split(), environment=environment)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("reconcile", "difference"),
        ("redrive", "dead_letters"),
        ("keys-local", "365"),
        ("unlock-local", "local is not locked."),
    ],
)
def test_a_command_says_what_it_found(environment: dict[str, str], words: str, said: str) -> None:
    done = make(words, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout


def test_the_outputs_are_json_for_other_programs(environment: dict[str, str], out: dict) -> None:
    done = make("outputs", environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["api_url"] == out["api_url"]
    assert {"demo_users", "client_environment"} <= told.keys()


def test_the_doctor_finds_nothing_but_the_alarms_that_the_chain_earned(environment: dict[str, str]) -> None:
    done = make("doctor JSON=1", environment)
    faults = [one for one in json.loads(done.stdout) if one["state"] == "fault"]
    assert [one for one in faults if not one["message"].startswith("sounding: ")] == []
    assert bool(done.returncode) == bool(faults), done.stderr  # make's own code for a fault of the recipe is 2


def _hear_interrupts() -> None:
    """As at a terminal: a shell that runs the tests in the background has its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def until_interrupted(command: list[str], environment: Mapping[str, str], shown: Path) -> Iterator[None]:
    """A command that runs until Ctrl-C; it has to end by that without a traceback."""
    with shown.open("wb") as output:
        begun = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_hear_interrupts,  # noqa: PLW1509 - one line, and no thread of ours holds a lock it takes
        )
        try:
            yield
        finally:
            os.killpg(begun.pid, signal.SIGINT)
            begun.wait(30)
    assert "Traceback" not in shown.read_text(errors="replace")


def test_the_newest_training_run_is_told_to_its_end(environment: dict[str, str]) -> None:
    told = make("follow", environment).stdout  # chain 1 ended with a run that the gate refused
    assert "  [preprocess] test: " in told, told
    assert "Preprocess       Succeeded after" in told


def test_the_monitor_shows_the_stack_until_it_is_interrupted(environment: dict[str, str], tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    with until_interrupted(["make", "--silent", "monitor-local"], environment, shown):
        wait_for("The queues", lambda: "queue upload" in shown.read_text(errors="replace") or None, seconds=120)


def test_the_console_is_a_page_until_it_is_interrupted(
    stack: LocalStack, environment: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    state = stack.run / "state/.pulumi/stacks/healthcare-imaging-mlops/local.json"
    command = [sys.executable, "-m", "operations", "--environment", str(stack.run / "aws/ready.json"), "console"]
    command += ["--stack", "local", "--state", str(state), "--port", str(port)]

    def page() -> str | None:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/", timeout=60).raise_for_status().text
        except httpx.TransportError:
            return None  # not listening yet

    with until_interrupted(command, environment, tmp_path / "shown"):
        assert "</html>" in wait_for("The page", page, seconds=120)


def test_files_are_delivered_once_however_often_they_are_sent(stack: LocalStack, out: dict, tmp_path: Path) -> None:
    cloud = Cloud(stack.client_environment())
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "ct.dcm"
    image.write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())
    environment = {
        "IMAGING_API_URL": out["api_url"],
        "IMAGING_API_TOKEN": sign_in(cloud, out["user_pool_client_id"], demo_people(stack)["radiologist"]),
        "AWS_CA_BUNDLE": cloud.env["AWS_CA_BUNDLE"],
    }
    command = [sys.executable, "-m", "delivery", "upload", str(image.parent), "--journal", str(tmp_path / "journal")]
    told = []
    for _ in range(2):
        done = run_command(*command, environment=environment)
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    assert told[0] == told[1]
    cloud.client("s3").head_object(Bucket=out["training_data_bucket"], Key=f"upload/{told[0]['upload_id']}.dcm")
