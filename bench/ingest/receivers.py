"""The receivers that are compared, each as a process on loopback that is started, measured and ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
PDU_BYTES = 131_072
"""The largest that dcmtk's clients send, whatever a server offers."""
TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Receiver:
    """One way to receive: a name for the table, what starts it, and what is sure once it has said success."""

    name: str
    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    acknowledged: str = "in the page cache, gone with the power"


@contextmanager
def running(receiver: Receiver, folder: Path) -> Iterator[tuple[int, int]]:
    """The receiver's port and process id."""
    folder.mkdir(parents=True)
    port = free_port()
    command, variables = COMMANDS[receiver.kind](receiver.options, folder, port)
    # dcmtk and Orthanc leave Nagle's algorithm on without this: 40 ms an image (performance.md)
    environment = {**os.environ, "TCP_NODELAY": "1", **variables}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)
    try:
        _wait_for(port, process, folder / "log")
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"a receiver ended while it started:\n{log.read_text()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"a receiver does not listen:\n{log.read_text()[-2000:]}")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, its children and those it has waited for, user and system together."""
    total = 0.0
    for one in [pid, *_descendants(pid)]:
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(value) for value in fields[11:15]) / TICKS
    return total


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return children + [deeper for child in children for deeper in _descendants(child)]


Command = tuple[list[str], dict[str, str]]


def _ours(options: dict[str, Any], folder: Path, port: int) -> Command:
    store = folder / "store"
    store.mkdir(mode=0o750)
    (folder / "key").write_text("5a" * 32)
    place = options.get("s3") or {"folder": {"path": str(store), "fsync": options["fsync"], "reserve_bytes": 0}}
    peer = {"name": "scu", "ae_title": "SCU", "addresses": ["127.0.0.1/32"], "rights": ["store"], "associations": 50}
    configuration = {
        "ae_title": "IMAGING",
        "listeners": [{"port": port, "unencrypted": True}],
        "peers": [peer],
        "store": place,
        "naming": {"key": f"file:{folder / 'key'}"},
        "health": {"port": free_port()},
    }
    (folder / "config.yaml").write_text(json.dumps(configuration))
    command = [sys.executable, "-m", "services.store_scp", "--config", str(folder / "config.yaml")]
    return command, options.get("environment", {})


def _orthanc(options: dict[str, Any], folder: Path, port: int) -> Command:
    configuration = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "HttpServerEnabled": False,
        "DicomPort": port,
        "DicomAet": "IMAGING",
        "SyncStorageArea": options["fsync"],
        "MaximumPduLength": PDU_BYTES,
        "DicomAlwaysAllowStore": True,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration))
    return ["Orthanc", str(folder / "orthanc.json")], {}


def _storescp(_options: dict[str, Any], folder: Path, port: int) -> Command:
    (folder / "store").mkdir()
    # +B writes what arrives as it arrives; --fork serves associations side by side
    return ["storescp", "--fork", "+B", "-pdu", str(PDU_BYTES), "-od", str(folder / "store"), str(port)], {}


COMMANDS = {"ours": _ours, "orthanc": _orthanc, "storescp": _storescp}
