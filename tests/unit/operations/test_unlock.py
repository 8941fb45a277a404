"""A lock is taken from nobody who may still hold it, and who took it is kept where the lock was."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from operations.engine_lock import Holder, read_holder
from operations.unlock import OLD_ENOUGH, BucketState, FolderState, Unlock, UnlockError, carry_out, state_of

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOCKS = ".pulumi/locks/organization/imaging/prod"
ELSEWHERE = "runner-7"


def lock(*, host: str = ELSEWHERE, pid: int = 4711, minutes: float = 300) -> str:
    """A lock as the engine writes it: nanoseconds and a Z."""
    at = f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}.804921709Z"
    return json.dumps({"pid": pid, "username": "runner", "hostname": host, "timestamp": at})


class Engine:
    """`pulumi` on a backend, as far as unlocking asks it."""

    def __init__(self, url: str, folder: Path | None = None, pending: Sequence[str] = ()) -> None:
        self.url, self.folder, self.pending, self.asked = url, folder, pending, list[tuple[str, ...]]()

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.asked.append(tuple(arguments))
        if arguments[0] == "whoami":
            return 0, json.dumps({"user": "me", "url": self.url}) + "\n "
        if arguments[0] == "cancel" and self.folder:
            for path in self.folder.rglob("*.json"):
                path.unlink()
        operations = [{"type": "creating", "resource": {"urn": urn}} for urn in self.pending]
        return 0, json.dumps({"deployment": {"pending_operations": operations}})

    @property
    def cancelled(self) -> bool:
        return ("cancel", "--yes", "--stack", "prod") in self.asked


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    folder = tmp_path / LOCKS
    folder.mkdir(parents=True)
    return Engine(f"file://{tmp_path}", folder)


def attempt(engine: Engine, **given: Any) -> tuple[int, str]:
    said: list[str] = []
    unlock = Unlock(stack="prod", project="imaging", pulumi=engine)
    asked = {"confirm": True, "force": False, "reason": "the runner is gone"} | given
    return carry_out(unlock, **asked, now=NOW, say=said.append), "\n".join(said)


def put(engine: Engine, text: str, name: str = "a.json") -> None:
    assert engine.folder is not None
    (engine.folder / name).write_text(text)


def test_a_stack_without_a_lock_is_left_alone(engine: Engine) -> None:
    assert attempt(engine) == (0, "prod is not locked.")
    assert not engine.cancelled


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (lock(), ""),
        (lock(minutes=119), "119 minutes ago on another machine: an update may take 120"),
        (lock(host=socket.gethostname(), pid=999_999_999, minutes=0), ""),
    ],
)
def test_an_old_lock_of_another_machine_and_one_of_a_dead_process_are_left_behind(
    engine: Engine, text: str, refused: str
) -> None:
    put(engine, text)
    if not refused:
        assert attempt(engine)[0] == 0
        assert engine.cancelled
        return
    with pytest.raises(UnlockError, match=refused):
        attempt(engine)
    assert not engine.cancelled


def test_one_doubtful_lock_among_several_keeps_all(engine: Engine) -> None:
    put(engine, lock())
    put(engine, lock(minutes=3), "b.json")
    with pytest.raises(UnlockError, match="3 minutes ago"):
        attempt(engine)
    assert not engine.cancelled


def test_a_process_that_inherited_the_number_is_not_the_holder() -> None:
    name = socket.gethostname()
    mine = Holder(name="a", user="me", host=name, pid=os.getpid(), since=datetime.now(UTC))
    assert mine.alive()
    assert (
        Holder(name="a", user="me", host=name, pid=os.getpid(), since=datetime(2020, 1, 1, tzinfo=UTC)).alive() is False
    )
    assert Holder(name="a", user="me", host=ELSEWHERE, pid=os.getpid(), since=mine.since).alive() is None


def test_where_processes_cannot_be_read_they_are_asked(tmp_path: Path) -> None:
    none = tmp_path / "no-proc"
    here = socket.gethostname()
    assert Holder(name="a", user="me", host=here, pid=os.getpid(), since=NOW).alive(none) is True
    assert Holder(name="a", user="me", host=here, pid=999_999_999, since=NOW).alive(none) is False


def test_a_process_that_ends_while_it_is_looked_at_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_: Path) -> str:
        raise ProcessLookupError(errno.ESRCH, "No such process")  # of read(2), where open(2) had found it

    mine = Holder(name="a", user="me", host=socket.gethostname(), pid=os.getpid(), since=NOW)
    monkeypatch.setattr(Path, "read_text", ended)
    assert mine.alive() is False


def test_looking_changes_nothing_and_says_how_to_act(engine: Engine) -> None:
    put(engine, lock())
    code, said = attempt(engine, confirm=False)
    assert code == 2
    assert "runner@runner-7, process 4711 (on another machine), since 2026-11-22 07:00:00 UTC, 300 minutes" in said
    assert "make unlock-prod CONFIRM=yes" in said
    assert not engine.cancelled


def test_force_is_kept_with_the_doubt_that_it_overrode(engine: Engine, tmp_path: Path) -> None:
    put(engine, lock(minutes=3))
    engine.pending = ["urn:pulumi:prod::imaging::aws:s3/bucket:Bucket::images"]
    code, said = attempt(engine, force=True, reason="its job was cancelled, run 77")
    assert code == 0
    assert "cut off at: creating urn:pulumi:prod::imaging::aws:s3/bucket:Bucket::images" in said
    (path,) = (tmp_path / ".pulumi" / "operations" / "imaging" / "prod").iterdir()
    record = json.loads(path.read_text())
    assert (record["forced"], record["reason"]) == (True, "its job was cancelled, run 77")
    assert "3 minutes ago" in record["doubts"][0]
    assert record["taken"][0]["host"] == ELSEWHERE


def test_a_deed_has_a_reason_and_a_workflow_says_whose_it_was(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(engine, lock())
    with pytest.raises(UnlockError, match="Say why"):
        attempt(engine, reason=" ")
    assert not engine.cancelled
    told = {"ACTOR": "ada", "SERVER_URL": "https://github.example", "REPOSITORY": "o/r", "RUN_ID": "9"}
    for name, value in told.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    assert attempt(engine)[0] == 0
    (path,) = (tmp_path / ".pulumi" / "operations").rglob("*.json")
    assert json.loads(path.read_text())["run"] == "ada https://github.example/o/r/actions/runs/9"


def test_a_lock_that_stays_and_a_lock_that_changed_are_told(engine: Engine) -> None:
    put(engine, lock())
    stubborn = Engine(engine.url)
    with pytest.raises(UnlockError, match="1 locks are left"):
        attempt(stubborn)
    unlock = Unlock(stack="prod", project="imaging", pulumi=engine)
    state = unlock.state()
    seen = unlock.holders(state)
    put(engine, lock(minutes=0), "younger.json")
    with pytest.raises(UnlockError, match="look again"):
        unlock.release(state, seen, reason="r", now=NOW)
    assert not engine.cancelled


def test_what_is_no_lock_and_a_service_are_refused() -> None:
    with pytest.raises(ValueError, match=r"x\.json is no lock"):
        read_holder("x.json", '{"pid": 1}')
    with pytest.raises(UnlockError, match="pulumi cancel --stack prod"):
        attempt(Engine("https://api.pulumi.com"))


def test_no_job_of_the_pipeline_outlives_the_age_that_makes_a_lock_old() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            assert timedelta(minutes=job.get("timeout-minutes", 0)) < OLD_ENOUGH


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client: Any = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="states")
        yield client


def test_locks_of_a_bucket_are_read_and_the_deed_is_kept_under_the_callers_role(bucket: Any) -> None:
    state = state_of("s3://states/team?region=us-east-1&awssdk=v2")
    assert isinstance(state, BucketState)
    bucket.put_object(Bucket="states", Key=f"team/{LOCKS}/a.json", Body=lock().encode())
    bucket.put_object(Bucket="states", Key=f"team/{LOCKS}/a.json.attrs", Body=b"{}")
    bucket.put_object(Bucket="states", Key=f"team/{LOCKS}-else/b.json", Body=lock().encode())
    assert [name for name, _ in state.locks(LOCKS)] == ["a.json"]
    assert state.caller().startswith("arn:aws:sts::")
    state.keep(".pulumi/operations/imaging/prod/x.json", "{}")
    with pytest.raises(Exception, match="PreconditionFailed"):
        state.keep(".pulumi/operations/imaging/prod/x.json", "{}")


def test_the_address_of_a_backend_leads_to_its_files() -> None:
    assert state_of("file:///srv/state?no_tmp_dir=true") == FolderState(Path("/srv/state"))
    assert state_of("file://~") == FolderState(Path.home())
    assert state_of("https://api.pulumi.com") is None
