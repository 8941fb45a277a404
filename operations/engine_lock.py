"""Who holds the engine's lock of a stack, and whether they still can. Standard library only, as the doctor is.

Self-managed backends keep a lock as `.pulumi/locks/organization/PROJECT/STACK/ID.json`, with the process, user and host
that took it (pulumi/pkg/backend/diy/lock.go).
"""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_FRACTION = re.compile(r"\.\d+")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One lock.

    Attributes:
        name: its file.
        since: when it was taken.
    """

    name: str
    user: str
    host: str
    pid: int
    since: datetime

    def here(self) -> bool:
        """True when it was taken on this machine."""
        return self.host == socket.gethostname()

    def alive(self, proc: Path = Path("/proc")) -> bool | None:
        """Does its process still run? None where nobody can tell: on another machine."""
        if not self.here():
            return None
        if not proc.exists():
            return _answers(self.pid)
        begun = _begun(proc, self.pid)
        return begun is not None and begun <= self.since.timestamp() + 2  # a younger process has inherited the number

    def said(self, now: datetime) -> str:
        """A line for people."""
        minutes = int((now - self.since).total_seconds() // 60)
        state = {True: "which runs", False: "which has ended", None: "on another machine"}[self.alive()]
        since = f"{self.since:%Y-%m-%d %H:%M:%S} UTC, {minutes} minutes"
        return f"{self.user}@{self.host}, process {self.pid} ({state}), since {since}"


def read_holder(name: str, text: str) -> Holder:
    """A lock's content. Raises ValueError when it is none."""
    try:
        told = json.loads(text)
        since = datetime.fromisoformat(_FRACTION.sub("", str(told["timestamp"])).replace("Z", "+00:00"))
        user, host, pid = str(told["username"]), str(told["hostname"]), int(told["pid"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{name} is no lock of the engine: {error}") from error
    return Holder(name=name, user=user, host=host, pid=pid, since=since.astimezone(UTC))


def _begun(proc: Path, pid: int) -> float | None:
    """When a process began, seconds since 1970; None when there is none."""
    try:
        ticks = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])  # field 22, proc(5)
        boot = next(line for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
    except (FileNotFoundError, ProcessLookupError):  # the second where it ends between opening and reading
        return None
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
