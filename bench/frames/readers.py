"""Many readers scrolling at once: the frame proxy against nginx sending the same bytes as files, in one run.

    python -m bench.frames.readers [--readers 200] [--slices 400] [--seconds 15] [--rounds 3] [--json FILE]

Every reader is a person of their own (a token, a position in the stack) on a connection of their own and goes from
slice to slice: the small picture (`?resolution=3`), then the whole frame, as the viewer asks. `wrk` (one thread) asks
as fast as it is answered, the two servers in turns. The proxy checks token, assignments and audit for every request
and begins the first round with an empty cache; an answer that is no success and a broken or late connection are errors,
and errors are counted, not hidden. Memory is the proxy's resident size, sampled while it is asked.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydicom.uid import HTJ2KLosslessRPCL
from rich.console import Console
from rich.table import Table

from bench.frames.__main__ import SERIES, STUDY, Tools, dataset, nginx, proxy, slices, tokens_of
from imaging import htj2k

LUA = """
local readers, paths, tokens = %(readers)d, {%(paths)s}, {%(tokens)s}
local asked = 0
request = function()
  local reader, step = asked %% readers, math.floor(asked / readers)
  asked = asked + 1
  local picture = (reader * 37 * 2 + step) %% #paths + 1
  local headers = %(named)s
  if #tokens > 0 then headers["Authorization"] = "Bearer " .. tokens[reader %% #tokens + 1] end
  return wrk.format("GET", paths[picture], headers)
end
local threads = {}
setup = function(thread) table.insert(threads, thread) end
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration,
    e.status + e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(95)))
end
"""


@dataclass
class Memory:
    """Resident size of a process in MiB, sampled four times a second."""

    pid: int
    samples: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Sample while the block runs."""
        over = threading.Event()

        def sample() -> None:
            while not over.wait(0.25):
                found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
                if found:
                    self.samples.append(int(found[1]) / 1024)

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def pid_of(url: str) -> int:
    """The process that listens at a URL of loopback."""
    port = f":{int(httpx.URL(url).port or 0):04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(port) and line.split()[3] == "0A"
    }
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if any(str(link.readlink()) == f"socket:[{inode}]" for inode in inodes):
                return int(link.parts[2])
    raise SystemExit("bench.frames.readers: the proxy's process was not found")


def script(file: Path, readers: int, paths: list[str], headers: dict[str, str], tokens: list[str]) -> Path:
    """What wrk is told to ask."""
    quoted = {name: ", ".join(json.dumps(one) for one in many) for name, many in (("paths", paths), ("tokens", tokens))}
    named = "{" + ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()) + "}"
    file.write_text(LUA % {"readers": readers, "named": named, **quoted})
    return file


def ask(tools: Tools, url: str, told: Path, options: argparse.Namespace) -> dict[str, float]:
    """One measurement: answers a second, errors, and the time to an answer in milliseconds."""
    command = [tools.wrk, "-t1", f"-c{options.readers}", f"-d{options.seconds}s", "--timeout", "10s"]
    command += ["-s", str(told), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=tools.environment).stdout
    found = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+) (\d+)", text)
    if not found:
        raise SystemExit(f"bench.frames.readers: wrk said\n{text}")
    requests, duration, errors, median, tail = (int(one) for one in found.groups())
    return {
        "per_second": requests / (duration / 1e6),
        "errors": errors,
        "p50_ms": median / 1000,
        "p95_ms": tail / 1000,
        "requests": requests,
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both servers in turns."""
    tools = Tools.find(options.tools)
    rounds: dict[str, list[dict[str, float]]] = {"proxy": [], "nginx": []}
    with tempfile.TemporaryDirectory(prefix="frames-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        files = folder / "htj2k"
        files.mkdir()
        uids = []
        for number, pixels in enumerate(slices(options.slices)):
            one = dataset(pixels, number, htj2k.encode(pixels), HTJ2KLosslessRPCL)
            one.save_as(files / f"{number:04}.dcm", enforce_file_format=True)
            uids.append(one.SOPInstanceUID)
        base, headers = stack.enter_context(proxy(folder, files))
        frames = [f"/dicom-web/studies/{STUDY}/series/{SERIES}/instances/{uid}/frames/1" for uid in uids]
        origin = base.removesuffix("/dicom-web")
        memory = Memory(pid_of(origin))
        with memory.watched():
            time.sleep(1)
        static = stack.enter_context(nginx(tools, folder, b""))
        accept = {"Accept": headers["Accept"]}
        asked = [f"{path}{query}" for path in frames for query in ("?resolution=3", "")]
        told = script(folder / "proxy.lua", options.readers, asked, accept, tokens_of(folder, options.readers))
        plain = script(
            folder / "nginx.lua",
            options.readers,
            [f"/{number}.{part}" for number in range(options.slices) for part in ("low", "full")],
            {},
            [],
        )
        before = memory.samples[-1]
        for _ in range(options.rounds):
            with memory.watched():
                rounds["proxy"].append(ask(tools, origin, told, options))
            if len(rounds["proxy"]) == 1:
                _copy(origin, headers, frames, folder / "www")
            rounds["nginx"].append(ask(tools, static.rsplit("/", 1)[0], plain, options))
    return {
        "readers": options.readers,
        "rounds": rounds,
        "ratio": statistics.median(
            ours["per_second"] / theirs["per_second"] for ours, theirs in zip(*rounds.values(), strict=True)
        ),
        "proxy_memory_mib": {"idle": before, "highest": max(memory.samples), "last": memory.samples[-1]},
    }


def _copy(origin: str, headers: dict[str, str], frames: list[str], folder: Path) -> None:
    """The very bytes that the proxy answers, as nginx's files."""
    with httpx.Client(base_url=origin, headers=headers, timeout=60) as client:
        for number, path in enumerate(frames):
            for part, query in (("low", "?resolution=3"), ("full", "")):
                answer = client.get(path + query)
                answer.raise_for_status()
                (folder / f"{number}.{part}").write_bytes(answer.content)


def main(arguments: list[str] | None = None) -> int:
    """Run it and print the table; 1 when there was an error."""
    parser = argparse.ArgumentParser(prog="python -m bench.frames.readers", description=__doc__)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", type=Path, help="unpacked root of the peers' packages")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    figures = measure(options)
    table = Table("server", "answers/s", "errors", "p50 ms", "p95 ms", title=f"{options.readers} readers")
    for server, rounds in figures["rounds"].items():
        for one in rounds:
            table.add_row(
                server,
                f"{one['per_second']:.0f}",
                f"{one['errors']:.0f}",
                f"{one['p50_ms']:.0f}",
                f"{one['p95_ms']:.0f}",
            )
    console = Console()
    console.print(table, f"of nginx: {figures['ratio']:.2f}", figures["proxy_memory_mib"])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return int(any(one["errors"] for one in figures["rounds"]["proxy"]))


if __name__ == "__main__":
    sys.exit(main())
