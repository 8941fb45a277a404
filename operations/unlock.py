"""Take away the lock that a killed update left, when it is sure that nobody holds it, and keep who did so and why.

`pulumi cancel` asks nothing: it takes the lock from a running update too, and two updates then write one state.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qs, urlsplit

import boto3

from operations.engine_lock import Holder, read_holder

OLD_ENOUGH: Final = timedelta(minutes=120)
"""Of a lock from another machine. No job of the pipeline lives longer than 90 minutes."""

Pulumi = Callable[[Sequence[str]], tuple[int, str]]
"""Runs `pulumi ARGUMENTS`; answers exit code and standard output."""


class UnlockError(RuntimeError):
    """The lock stays; the message says why and what to do."""


class State(Protocol):
    """Where a self-managed backend keeps its files."""

    def locks(self, below: str) -> list[tuple[str, str]]:
        """(name, content) of each lock in a folder."""
        ...

    def keep(self, name: str, text: str) -> None:
        """Write a file that is not there yet."""
        ...

    def caller(self) -> str:
        """Who is asking."""
        ...


@dataclass(frozen=True)
class FolderState:
    """`file://FOLDER`."""

    folder: Path

    def locks(self, below: str) -> list[tuple[str, str]]:
        """As State says."""
        return [(path.name, path.read_text()) for path in sorted((self.folder / below).glob("*.json"))]

    def keep(self, name: str, text: str) -> None:
        """As State says."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:
            file.write(text)

    def caller(self) -> str:
        """User and machine: a folder knows no identity."""
        return f"{getpass.getuser()}@{socket.gethostname()}"


@dataclass(frozen=True)
class BucketState:
    """`s3://BUCKET`, and what a path behind it adds."""

    bucket: str
    prefix: str
    s3: Any
    sts: Any

    def locks(self, below: str) -> list[tuple[str, str]]:
        """As State says."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{self.prefix}{below}/")
        keys = [str(one["Key"]) for page in pages for one in page.get("Contents", [])]
        return [(key.rsplit("/", 1)[1], self._read(key)) for key in sorted(keys) if key.endswith(".json")]

    def keep(self, name: str, text: str) -> None:
        """As State says."""
        self.s3.put_object(Bucket=self.bucket, Key=f"{self.prefix}{name}", Body=text.encode(), IfNoneMatch="*")

    def caller(self) -> str:
        """The role or user of the credentials."""
        return str(self.sts.get_caller_identity()["Arn"])

    def _read(self, key: str) -> str:
        return str(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())


def state_of(url: str) -> State | None:
    """The files behind a backend's address; None for a service, which keeps its locks to itself."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderState(Path(url.removeprefix("file://").split("?")[0]).expanduser())
    if parts.scheme != "s3":
        return None
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    given: dict[str, Any] = {"region_name": asked["region"]} if "region" in asked else {}
    if endpoint := asked.get("endpoint"):
        given["endpoint_url"] = f"{'http' if asked.get('disableSSL') == 'true' else 'https'}://{endpoint}"
    path = parts.path.strip("/")
    return BucketState(
        parts.netloc, f"{path}/" if path else "", boto3.client("s3", **given), boto3.client("sts", **given)
    )


def cli(project: Path, environment: dict[str, str] | None = None) -> Pulumi:
    """The CLI on PATH, in a project's folder."""

    def call(arguments: Sequence[str]) -> tuple[int, str]:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=project,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return call


@dataclass(frozen=True, kw_only=True)
class Unlock:
    """One stack's lock.

    Attributes:
        project: name in Pulumi.yaml.
        old_enough: age from which a lock of another machine counts as left behind.
    """

    stack: str
    project: str
    pulumi: Pulumi
    old_enough: timedelta = OLD_ENOUGH

    def state(self) -> State:
        """The backend that the CLI uses here. Raises UnlockError for a service."""
        url = str(json.loads(self.ask("whoami", "--json"))["url"])
        state = state_of(url)
        if state is None:
            raise UnlockError(
                f"{url} keeps locks as leases that end by themselves minutes after the run that held them. "
                f"Look there who is updating, then: pulumi cancel --stack {self.stack}"
            )
        return state

    def holders(self, state: State) -> list[Holder]:
        """Every lock of the stack, oldest first."""
        found = [read_holder(*lock) for lock in state.locks(f".pulumi/locks/organization/{self.project}/{self.stack}")]
        return sorted(found, key=lambda one: one.since)

    def doubts(self, holders: Sequence[Holder], now: datetime) -> list[str]:
        """Why a lock may still be held, one sentence a lock; none when each is surely left behind."""
        return [doubt for one in holders if (doubt := self._doubt(one, now))]

    def release(
        self, state: State, holders: Sequence[Holder], *, reason: str, now: datetime, force: bool = False
    ) -> str:
        """Write down who takes which lock and why, then take it; where the record lies.

        Raises UnlockError with the lock as it was when somebody may hold it (unless forced), or another has taken it.
        """
        doubts = self.doubts(holders, now)
        if doubts and not force:
            raise UnlockError("\n".join([*doubts, "If you know better: FORCE=yes, which is kept with the reason."]))
        told = {
            **self.deed(state, reason=reason, now=now),
            "forced": bool(doubts),
            "doubts": doubts,
            "taken": [
                {"lock": one.name, "user": one.user, "host": one.host, "pid": one.pid, "since": one.since.isoformat()}
                for one in holders
            ],
        }
        if {one.name for one in self.holders(state)} != {one.name for one in holders}:
            raise UnlockError("Another run has taken or given back the lock just now: look again.")
        record = self.keep(state, f"unlock-{holders[0].name}", told, now=now)
        code, _ = self.pulumi(["cancel", "--yes", "--stack", self.stack])
        left = self.holders(state)
        if code or left:
            raise UnlockError(
                f"`pulumi cancel` ended with {code} and {len(left)} locks are left: its errors are above."
            )
        return record

    def pending(self) -> list[str]:
        """Resources that the cut off update was working on, which a refresh has to look at."""
        told = cast("dict[str, Any]", json.loads(self.ask("stack", "export", "--stack", self.stack)))
        deployment = cast("dict[str, Any]", told.get("deployment") or {})
        return [f"{one['type']} {one['resource']['urn']}" for one in deployment.get("pending_operations") or []]

    def ask(self, *arguments: str) -> str:
        """What `pulumi ARGUMENTS` prints. Raises UnlockError when it fails."""
        code, output = self.pulumi(arguments)
        if code:
            raise UnlockError(f"`pulumi {' '.join(arguments[:2])}` failed: its errors are above.")
        return output

    def deed(self, state: State, *, reason: str, now: datetime) -> dict[str, Any]:
        """What every record of a deed on the stack begins with. Raises UnlockError without a reason."""
        if not reason.strip():
            raise UnlockError("Say why, as REASON: it is kept beside the state.")
        at = now.isoformat(timespec="seconds")
        run = _workflow_run()
        return {"stack": self.stack, "at": at, "by": state.caller(), "run": run, "reason": reason.strip()}

    def keep(self, state: State, name: str, told: Mapping[str, Any], *, now: datetime) -> str:
        """Write the record of a deed beside the state; where it lies."""
        record = f".pulumi/operations/{self.project}/{self.stack}/{now:%Y%m%dT%H%M%S}Z-{name}"
        state.keep(record, json.dumps(told, indent=1) + "\n")
        return record

    def _doubt(self, holder: Holder, now: datetime) -> str:
        who = f"{holder.user}@{holder.host}"
        if holder.alive():
            return f"Process {holder.pid} of {who} runs: wait until it has ended, or interrupt it (SIGINT)."
        if holder.alive() is None and (age := now - holder.since) < self.old_enough:
            minutes, old = (int(each.total_seconds() // 60) for each in (age, self.old_enough))
            return f"{who} took the lock {minutes} minutes ago on another machine: an update may take {old}."
        return ""


def carry_out(
    unlock: Unlock, *, confirm: bool, force: bool, reason: str, now: datetime, say: Callable[[str], None]
) -> int:
    """Show the lock, take it when confirmed, and say what the cut off update leaves to do.

    Answers 0 when the stack is free, 2 when the lock stays. Raises UnlockError when it may not be taken.
    """
    state = unlock.state()
    holders = unlock.holders(state)
    if not holders:
        say(f"{unlock.stack} is not locked.")
        return 0
    for one in holders:
        say(f"{unlock.stack} is locked by {one.said(now)}.")
    if not confirm:
        for doubt in unlock.doubts(holders, now) or ["Nobody holds it any more."]:
            say(doubt)
        say(f'Nothing was changed. To take it away: make unlock-{unlock.stack} CONFIRM=yes REASON="..."')
        return 2
    record = unlock.release(state, holders, reason=reason, now=now, force=force)
    say(f"{unlock.stack} is free; who, when and why is kept beside the state in {record}.")
    for resource in unlock.pending():
        say(f"cut off at: {resource}")
    say(f"Now look what it left, before anybody updates: pulumi refresh --preview-only --diff --stack {unlock.stack}")
    return 0


def _workflow_run() -> str:
    """Who started the workflow, and where it is read; empty outside of one."""
    names = ("GITHUB_ACTOR", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    if not all(name in os.environ for name in names):
        return ""
    actor, server, repository, run = (os.environ[name] for name in names)
    return f"{actor} {server}/{repository}/actions/runs/{run}"
