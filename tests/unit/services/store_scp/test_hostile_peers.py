"""Hostile peers against a receiver process: it does not end, does not grow, and serves the next one."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]
GROWTH_KIB = 64 * 1024
"""Most that the worker's resident memory may grow at its peak over what it was before the suite."""
SERVED_SECONDS = 20.0
"""A bound that means "served", on a machine that does other things too; not a measure of speed."""


def _cases() -> Any:
    spec = importlib.util.spec_from_file_location("hostile_cases", Path(__file__).with_name("hostile_cases.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES: dict[str, Any] = _cases().CASES


@dataclass
class Process:
    """A receiver in a process of its own, with one worker."""

    popen: subprocess.Popen[bytes]
    port: int
    worker: int
    root: Path
    baseline: int = 0

    def peak_kib(self) -> int:
        """Peak of resident memory since the last reset."""
        return self._status("VmHWM")

    def resident_kib(self) -> int:
        """Resident memory now."""
        return self._status("VmRSS")

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.worker}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+) kB", text).group(1))  # type: ignore[union-attr]

    def reset_peak(self) -> None:
        """The peak counts from here on."""
        Path(f"/proc/{self.worker}/clear_refs").write_text("5")


def _port_of(line: str) -> int:
    return int(re.search(r"127\.0\.0\.1:(\d+)", line).group(1))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """`python -m services.store_scp` over a folder, with small limits."""
    folder = tmp_path_factory.mktemp("hostile")
    root = folder / "store"
    root.mkdir(mode=0o750)
    (folder / "key").write_text("5a" * 32)
    peer = {"name": "scu", "ae_title": "SCU", "addresses": ["127.0.0.1/32"], "associations": 40}
    settings = {
        "ae_title": "IMAGING",
        "listeners": [{"port": 0, "unencrypted": True}],
        "peers": [{**peer, "rights": ["store", "echo", "commit"]}],
        "store": {"folder": {"path": str(root), "fsync": False, "reserve_bytes": 0}},
        "naming": {"key": f"file:{folder / 'key'}"},
        "limits": {
            "associate_seconds": 2,
            "idle_seconds": 3,
            "drain_seconds": 1,
            "associations_per_second": 1000,
            "object_bytes": 24 << 20,
            "memory_bytes": 24 << 20,
            "memory_object_bytes": 4 << 20,
            "disk_bytes": 64 << 20,
        },
        "health": {"port": 0},
        "processes": 1,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    popen = subprocess.Popen(
        [sys.executable, "-m", "services.store_scp", "--config", str(folder / "config.yaml")],
        cwd=ROOT,
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.PIPE,
    )
    assert popen.stderr is not None
    port = _port_of(popen.stderr.readline().decode())
    worker = int(Path(f"/proc/{popen.pid}/task/{popen.pid}/children").read_text().split()[0])
    process = Process(popen, port, worker, root)
    yield process
    popen.send_signal(signal.SIGTERM)
    popen.wait(30)


def serve(tools: Any, port: int) -> None:
    """A well-behaved peer gets an instance stored."""
    deadline = time.monotonic() + SERVED_SECONDS
    while True:
        association = tools.associate(port, ("1.2.840.10008.5.1.4.1.1.2", ["1.2.840.10008.1.2.1"]))
        if association.is_established:
            break
        assert time.monotonic() < deadline, "the next association was not served"
        time.sleep(0.05)
    assert association.send_c_store(tools.instance()).Status == 0x0000
    association.release()


def test_there_are_at_least_sixty_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", list(CASES))
def test_a_hostile_peer_harms_nobody_else(name: str, receiver: Process, tools: Any) -> None:
    if not receiver.baseline:
        for _ in range(3):
            serve(tools, receiver.port)
        receiver.baseline = receiver.resident_kib()
    receiver.reset_peak()
    CASES[name](tools, receiver.port)
    serve(tools, receiver.port)
    assert receiver.popen.poll() is None
    assert os.path.exists(f"/proc/{receiver.worker}"), "the worker ended"  # noqa: PTH110
    growth = receiver.peak_kib() - receiver.baseline
    assert growth < GROWTH_KIB, f"grew by {growth} KiB"


def test_nothing_was_written_outside_the_store(receiver: Process) -> None:
    outside = [path for path in receiver.root.parent.rglob("*") if path.is_file() and receiver.root not in path.parents]
    assert {path.name for path in outside} == {"key", "config.yaml", "log"}
    names = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}\.dcm")
    assert all(names.fullmatch(path.name) for path in receiver.root.rglob("*") if path.is_file())


def test_the_log_repeats_nothing_that_was_sent(receiver: Process) -> None:
    log = (receiver.root.parent / "log").read_text()
    assert "association-rejected" in log
    for planted in ("PLANTED", "Planted", "ESCAPED", "etc/", "1.2.826.0.1.3680043", "STRANGER", "127.0.0.1"):
        assert planted not in log, planted
