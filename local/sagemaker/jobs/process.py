"""One child process: lines as they come, a stop with grace, a time limit."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_SUPERVISOR = Path(__file__).with_name("supervise.py")
_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 5.0
_CLOSING_GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Exit:
    """How a process ended: its status, and whether it ended itself, was stopped or ran out of time."""

    status: int
    cause: Literal["exited", "stopped", "timeout"]


class Process:
    """A supervised command. `on_line` is called from a reader thread with every line of standard output and error."""

    def __init__(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-I", str(_SUPERVISOR), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True)
        self._reader.start()

    def running(self) -> bool:
        """True while the command has not ended."""
        return self._child.poll() is None

    def stop(self, grace: float) -> None:
        """Ask for SIGTERM now and SIGKILL after `grace` seconds."""
        if self._child.stdin and self.running():
            try:
                self._child.stdin.write(f"stop {grace}\n")
                self._child.stdin.flush()
            except BrokenPipeError:
                return  # it ended between the question and the request

    def wait(
        self, *, stop: threading.Event, limit: float | None, grace: float, closing: threading.Event | None = None
    ) -> Exit:
        """Block until the end; stop it when `stop` is set or after `limit` seconds.

        `closing` says that this very process ends: the command then has two seconds whatever `grace` is.
        """
        deadline = None if limit is None else time.monotonic() + limit
        cause: Literal["exited", "stopped", "timeout"] = "exited"
        hurried = False
        while self.running():
            if closing is not None and closing.is_set() and not hurried:
                cause, hurried = "stopped", True
                self.stop(_CLOSING_GRACE_SECONDS)
            elif cause == "exited" and (stop.is_set() or (deadline is not None and time.monotonic() > deadline)):
                cause = "stopped" if stop.is_set() else "timeout"
                self.stop(grace)
            try:
                self._child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        self._reader.join(_DRAIN_SECONDS)
        if self._child.stdin:
            self._child.stdin.close()
        return Exit(self._child.returncode, cause)

    def _read(self, on_line: Callable[[str], None]) -> None:
        stream = self._child.stdout
        if stream is not None:
            for line in stream:
                on_line(line.rstrip("\n"))
            stream.close()
