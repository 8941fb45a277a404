"""Images a second by C-STORE: this receiver, Orthanc and dcmtk's storescp, round robin in one run.

The client is dcmtk's storescu for all, with TCP_NODELAY=1 on both sides, at one and at four associations; it shares
the cores with the receiver. Orthanc and the folder are shown with and without fsync, storescp never syncs; the table
says what is sure once each has answered. S3 is the embedded AWS on the same machine over TLS, so its figure is mostly
that stand-in's. "The disk alone" writes and syncs the same files one after the other: the floor of one association.

    .venv/bin/python -m bench.ingest --images 200 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.deid.corpus import write_series
from bench.ingest.receivers import ROOT, Receiver, cpu_seconds, free_port, running

BUCKET = "bench-ingest"
FLOOR = "the disk alone"
SYNCED = "bytes on the disk; their name and the index are not"
DISK = (
    Receiver("ours, folder, fsync", "ours", {"fsync": True}, "bytes and name on the disk: survives a power cut"),
    Receiver("ours, folder", "ours", {"fsync": False}),
    Receiver("Orthanc, fsync (its default)", "orthanc", {"fsync": True}, SYNCED),
    Receiver("Orthanc", "orthanc", {"fsync": False}),
    Receiver("dcmtk storescp +B", "storescp"),
)


def main() -> int:
    """The command line; exit code 1 when the goal of a ratio is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200, help="512 x 512 CT images a cell (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="repeats of every cell, round robin (default 3)")
    parser.add_argument("--associations", default="1,4", help="associations at once (default 1,4)")
    parser.add_argument("--no-s3", action="store_true", help="leave the embedded S3 out")
    parser.add_argument("--json", action="store_true", help="figures as JSON instead of tables")
    options = parser.parse_args()
    missing = [name for name in ("storescu", "storescp", "Orthanc") if shutil.which(name) is None]
    if missing:
        sys.stderr.write(f"{', '.join(missing)} not installed: apt install dcmtk orthanc\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as scratch:
        folder = Path(scratch)
        say(f"writing {options.images} images")
        files = write_series(folder / "images", options.images)
        size = files[0].stat().st_size
        with embedded_s3(folder, wanted=not options.no_s3) as s3:
            cells = measure([*DISK, *s3], files, options, folder)
    print(json.dumps(cells, indent=2) if options.json else table(cells, options.images, size))
    return 0 if goals_met(cells) else 1


def say(text: str) -> None:
    """Progress, beside the result."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def measure(receivers: list[Receiver], files: list[Path], options: Any, folder: Path) -> list[dict[str, Any]]:
    """All cells, each `rounds` times; a round visits every receiver before the next one begins."""
    figures: dict[tuple[str, int], list[tuple[float, float]]] = {}
    sure = {FLOOR: SYNCED, **{receiver.name: receiver.acknowledged for receiver in receivers}}
    for turn in range(options.rounds):
        figures.setdefault((FLOOR, 1), []).append(disk_alone(files, folder / "floor"))
        for receiver in receivers:
            for count in map(int, options.associations.split(",")):
                place = folder / f"{turn}-{len(figures)}-{count}-{receiver.kind}-{free_port()}"
                with running(receiver, place) as (port, pid):
                    send(files[:4], port, 1)  # what a receiver loads with its first image is no rate
                    before = cpu_seconds(pid)
                    seconds = send(files, port, count)
                    spent = cpu_seconds(pid) - before
                figures.setdefault((receiver.name, count), []).append((len(files) / seconds, 1000 * spent / len(files)))
                shutil.rmtree(place)
                say(f"round {turn + 1}: {receiver.name}, {count} associations: {len(files) / seconds:.0f} images/s")
    return [
        {
            "receiver": name,
            "associations": count,
            "images_per_second": [round(rate, 1) for rate, _ in values],
            "cpu_ms_per_image": round(min(cpu for _, cpu in values), 2),
            "acknowledged": sure[name],
        }
        for (name, count), values in figures.items()
    ]


def disk_alone(files: list[Path], place: Path) -> tuple[float, float]:
    """Images a second and CPU ms an image of writing and syncing the same bytes without any network."""
    place.mkdir()
    contents = [file.read_bytes() for file in files]
    started, before = time.monotonic(), time.process_time()
    for number, content in enumerate(contents):
        with (place / str(number)).open("wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
    seconds, spent = time.monotonic() - started, time.process_time() - before
    shutil.rmtree(place)
    return len(files) / seconds, 1000 * spent / len(files)


def send(files: list[Path], port: int, associations: int) -> float:
    """Seconds that the clients take for all files, each instance acknowledged with success.

    -R proposes what the files need, as a modality does, and not 128 presentation contexts.
    """
    environment = {**os.environ, "TCP_NODELAY": "1"}
    started = time.monotonic()
    clients = [
        subprocess.Popen(
            [
                "storescu",
                "-R",
                "-aet",
                "SCU",
                "-aec",
                "IMAGING",
                "127.0.0.1",
                str(port),
                *map(str, files[one::associations]),
            ],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for one in range(associations)
    ]
    failed = [client.communicate()[1] for client in clients if client.wait() != 0]
    if failed:
        raise SystemExit(f"a client failed: {failed[0].decode()[-500:]}")
    return time.monotonic() - started


@contextmanager
def embedded_s3(folder: Path, *, wanted: bool) -> Iterator[list[Receiver]]:
    """The receiver over the embedded S3, with a bucket made for the bench."""
    if not wanted:
        yield []
        return
    say("starting the embedded AWS")
    state, port = folder / "aws", free_port()
    python = ROOT / ".venvs/aws/bin/python"
    command = [str(python), "-m", "local.aws", "--dir", str(state), "--port", str(port)]
    command += ["--lambda-python", sys.executable, "--train-python", sys.executable]
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        ready = state / "ready.json"
        while not ready.exists():
            if process.poll() is not None:
                raise SystemExit((folder / "aws.log").read_text()[-2000:])
            time.sleep(0.2)
        variables: dict[str, str] = json.loads(ready.read_text())
        os.environ.update(variables)
        import boto3

        boto3.client("s3").create_bucket(Bucket=BUCKET)
        place = {"s3": {"bucket": BUCKET, "endpoint_url": variables["AWS_ENDPOINT_URL"]}}
        options = {"s3": place, "environment": variables}
        yield [Receiver("ours, embedded S3 over TLS", "ours", options, "S3 has the bytes and their SHA-256")]
    finally:
        process.terminate()
        process.wait(60)


def median(cells: list[dict[str, Any]], receiver: str, associations: int) -> float:
    """Median rate of a cell."""
    for cell in cells:
        if (cell["receiver"], cell["associations"]) == (receiver, associations):
            return statistics.median(cell["images_per_second"])
    return float("nan")


def table(cells: list[dict[str, Any]], images: int, size: int) -> str:
    """The figures and the ratios as Markdown."""
    lines = [
        f"{images} images of {size} bytes, {os.cpu_count()} cores shared with the client",
        "",
        "| receiver | associations | images/s min | median | MB/s median | CPU ms/image | once acknowledged |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        rates = cell["images_per_second"]
        middle = statistics.median(rates)
        lines.append(
            f"| {cell['receiver']} | {cell['associations']} | {min(rates):.0f} | {middle:.0f} "
            f"| {middle * size / 1e6:.0f} | {cell['cpu_ms_per_image']:.2f} | {cell['acknowledged']} |"
        )
    lines += ["", "| ratio of medians | associations | value | goal |", "|---|---|---|---|"]
    lines += [f"| {name} | {count} | {value:.2f} | {goal} |" for name, count, value, goal in ratios(cells)]
    return "\n".join(lines)


def ratios(cells: list[dict[str, Any]]) -> list[tuple[str, int, float, str]]:
    """What the goals are said in."""
    pairs = [
        ("ours / Orthanc, both fsync", "ours, folder, fsync", "Orthanc, fsync (its default)", ">= 1"),
        ("ours / Orthanc, neither", "ours, folder", "Orthanc", ">= 1"),
        ("ours with fsync / Orthanc without", "ours, folder, fsync", "Orthanc", ""),
        ("ours / storescp, neither", "ours, folder", "dcmtk storescp +B", ""),
    ]
    counts = sorted({cell["associations"] for cell in cells})
    return [
        (name, count, median(cells, ours, count) / median(cells, theirs, count), goal)
        for name, ours, theirs, goal in pairs
        for count in counts
    ]


def goals_met(cells: list[dict[str, Any]]) -> bool:
    """Whether every ratio with a goal reaches it."""
    return all(value >= 1 for _, _, value, goal in ratios(cells) if goal)


if __name__ == "__main__":
    sys.exit(main())
