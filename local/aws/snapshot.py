"""State that survives SIGKILL: consistent snapshots taken in a forked child.

ministack saves its state on a clean stop only. A fork sees every table at one instant without holding up the
server: the child writes a new generation folder, then swings the `state` link to it, so a kill at any moment leaves
either the old or the new generation, never a mixture. S3 objects are not part of it: ministack writes each to its
own file before it answers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger("local.aws.snapshot")

INTERVAL_SECONDS = 2.0
CHILD_LIMIT_SECONDS = 60.0
# A snapshot may take a fifth of the time: under load they come less often instead of slowing the work down.
REST_FACTOR = 4.0
DIGESTS = "digests.json"

Encode = Callable[[Any], str]


class Generations:
    """Numbered folders below `base`, the newest one reachable by the link `state`.

    Function archives are content-addressed in `base`/lambda-blobs, shared by all generations.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.link = base / "state"
        self.blobs = base / "lambda-blobs"

    def prepare(self) -> None:
        """Make the first generation, or drop what a killed child left half-written."""
        self.blobs.mkdir(parents=True, exist_ok=True)
        if not self.link.exists():
            self.commit(self.open())
        for folder in self.base.glob("generation-*"):
            if folder != self.link.resolve():
                shutil.rmtree(folder, ignore_errors=True)

    def open(self) -> Path:
        """A new folder that nothing points to yet."""
        folder = self.base / f"generation-{time.time_ns()}-{os.getpid()}"
        folder.mkdir(parents=True)
        (folder / "lambda-blobs").symlink_to(Path("..") / self.blobs.name, target_is_directory=True)
        return folder

    def commit(self, folder: Path) -> None:
        """Make `folder` the current generation in one rename and drop its predecessor."""
        previous = self.link.resolve() if self.link.exists() else None
        fresh = self.base / f".{folder.name}"
        fresh.symlink_to(folder.name, target_is_directory=True)
        fresh.replace(self.link)
        if previous is not None and previous != folder:
            shutil.rmtree(previous, ignore_errors=True)


def write_generation(generations: Generations, states: dict[str, Callable[[], Any]], encode: Encode) -> bool:
    """Write one generation; returns False (and leaves the old one) when nothing differs from it.

    A service whose state cannot be read keeps its file of the generation before: an error must not erase.
    """
    current = generations.link.resolve()
    digests_file = "digests.json"
    known: dict[str, str] = (
        json.loads((current / digests_file).read_text()) if (current / digests_file).exists() else {}
    )
    texts: dict[str, str] = {}
    digests = dict(known)
    for service, read in states.items():
        try:
            state = read()
            text = None if state is None else encode(state)
        except Exception:
            logger.exception("state of %s could not be read; its last snapshot stays", service)
            continue
        if text is None:
            continue
        digest = hashlib.sha256(text.encode()).hexdigest()
        if known.get(service) != digest:
            texts[service], digests[service] = text, digest
    if not texts:
        return False
    folder = generations.open()
    for service in digests:
        target = folder / f"{service}.json"
        if service in texts:
            target.write_text(texts[service])
        else:
            os.link(current / target.name, target)
    (folder / DIGESTS).write_text(json.dumps(digests))
    generations.commit(folder)
    return True


class Snapshotter:
    """Takes a snapshot every INTERVAL_SECONDS while requests come in, each in a forked child."""

    def __init__(self, write: Callable[[], bool], activity: Callable[[], int]) -> None:
        self._write = write
        self._activity = activity
        self._seen = -1
        self._stopping = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin to look for changes."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a snapshot under way is finished first."""
        self._stopping.set()
        self._thread.join(CHILD_LIMIT_SECONDS)

    def take(self) -> bool:
        """Take one now and wait for it; False if the child failed or had to be killed."""
        with self._turn:
            process = os.fork()
            if process == 0:
                _child(self._write)
            return _wait(process)

    def _run(self) -> None:
        idle_rounds = 0
        pause = INTERVAL_SECONDS
        while not self._stopping.wait(pause):
            activity = self._activity()
            idle_rounds = idle_rounds + 1 if activity == self._seen else 0
            # Executions and pollers go on for a while after the last request.
            if idle_rounds > 5 and idle_rounds % 15:
                continue
            started = time.monotonic()
            if self.take():
                self._seen = activity
            pause = max(INTERVAL_SECONDS, REST_FACTOR * (time.monotonic() - started))


def _child(write: Callable[[], bool]) -> None:
    """The forked half: never returns, and gives up the server's sockets before anything else."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.closerange(3, 65536)
        os.nice(5)
        write()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _wait(process: int) -> bool:
    """Reap the child; one that hangs (a lock another thread held at the fork) is killed and tried again later."""
    deadline = time.monotonic() + CHILD_LIMIT_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    logger.warning("a snapshot hung and was abandoned; the next one follows")
    return False
