"""De-identification beside pydicom read + write, dicom-anonymizer and dcmanon, in one run: `make bench-deid`.

Every contender runs in a child process of its own, in turns, so that the machine's other work meets all alike. CPU is
user + system time of the child less that of an empty one with the same imports; the ratio to pydicom's plain
`dcmread` + `save_as`, which hashes nothing and searches nothing, is what counts. Also: peak memory, import time, what
became of every file that pydicom and pydicom-data ship, and how many objects of the tricky set still leak after each
contender.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from bench.deid.corpus import write_series
from bench.deid.leaks import leaks_in
from bench.deid.tricky import CASES, write_all

KEY: Final = bytes(range(32))


def _each(source: Path, target: Path, one: Callable[[Path, Path], object]) -> int:
    failed = 0
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        try:
            one(path, target / path.name)
        except Exception:
            failed += 1
            (target / path.name).unlink(missing_ok=True)
    return failed


def copy(source: Path, target: Path) -> int:
    """The physical floor: the bytes as they are."""
    return _each(source, target, shutil.copyfile)


def copy_and_digests(source: Path, target: Path) -> int:
    """The floor of a report that names both files by their SHA-256."""

    def one(path: Path, place: Path) -> None:
        shutil.copyfile(path, place)
        for file in (path, place):
            hashlib.sha256(file.read_bytes()).digest()

    return _each(source, target, one)


def pydicom_read_write(source: Path, target: Path) -> int:
    """The measure: read and write with pydicom, nothing changed."""
    import pydicom

    return _each(source, target, lambda path, place: pydicom.dcmread(path).save_as(place))


def imaging(source: Path, target: Path) -> int:
    """Ours: the Basic Profile with one process, hashes of both files, report and search for residues included."""
    from imaging.deidentify import Options
    from imaging.folder import deidentify_folder

    records = deidentify_folder(source, target, KEY, Options(chosen=frozenset()))
    return sum(record.output is None for record in records)


def imaging_without_numpy(source: Path, target: Path) -> int:
    """Ours where nothing has loaded numpy, as in a function or for fewer files than numpy is loaded for."""
    sys.modules["numpy"] = None  # pyright: ignore[reportArgumentType] - in this child alone
    return imaging(source, target)


def imaging_call(source: Path, target: Path) -> int:
    """Ours as ImageIngestion and other programs call it: bytes in, bytes out, no report, so no digests of the files."""
    from imaging.deidentify import Options, deidentify

    options = Options(chosen=frozenset(), digests=False)
    return _each(
        source, target, lambda path, place: place.write_bytes(deidentify(path.read_bytes(), KEY, options).data)
    )


def imaging_call_without_numpy(source: Path, target: Path) -> int:
    """The same as a function runs it, whose layer has no numpy."""
    sys.modules["numpy"] = None  # pyright: ignore[reportArgumentType] - in this child alone
    return imaging_call(source, target)


def dicom_anonymizer(source: Path, target: Path) -> int:
    """dicom-anonymizer with its newest table."""
    from dicomanonymizer import anonymize_dicom_file  # pyright: ignore

    return _each(source, target, lambda path, place: anonymize_dicom_file(str(path), str(place)))


def dcmanon(source: Path, target: Path) -> int:
    """dcmanon, written in Rust, with its defaults."""
    from dcmanon import Anonymizer  # pyright: ignore

    worker = Anonymizer()
    return _each(source, target, lambda path, place: place.write_bytes(worker.anonymize(str(path))))


CONTENDERS: Final[dict[str, Callable[[Path, Path], int]]] = {
    "copy": copy,
    "copy + SHA-256 of both": copy_and_digests,
    "pydicom read + write": pydicom_read_write,
    "imaging": imaging,
    "imaging, no numpy": imaging_without_numpy,
    "imaging, the call alone": imaging_call,
    "the call alone, no numpy": imaging_call_without_numpy,
    "dicom-anonymizer": dicom_anonymizer,
    "dcmanon": dcmanon,
}
_MODULES: Final = {"dicom-anonymizer": "dicomanonymizer", "dcmanon": "dcmanon"}


def measured(name: str, source: Path, target: Path) -> dict[str, float]:
    """CPU seconds, wall seconds, peak memory and failures of one contender in a forked child."""
    shutil.rmtree(target, ignore_errors=True)
    read_end, write_end = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if child == 0:  # the parent has imported what every contender needs: only the work is measured
        before = resource.getrusage(resource.RUSAGE_SELF)
        failed = CONTENDERS[name](source, target)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        os.write(write_end, json.dumps({"cpu": cpu, "rss": after.ru_maxrss / 1024, "failed": failed}).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        result = json.loads(pipe.read() or "{}")
    os.waitpid(child, 0)
    return result | {"wall": time.perf_counter() - start}


def compare(source: Path, work: Path, repeats: int, names: list[str]) -> list[dict[str, Any]]:
    """The medians of every contender over a folder, in turns, and the least CPU of each beside pydicom's least.

    On a machine that others use as well the least says more: what they take from the caches counts as our own time.
    """
    files = len(list(source.iterdir()))
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(repeats):
        for name in names:
            results[name].append(measured(name, source, work / "out"))
    base = statistics.median(run["cpu"] for run in results["pydicom read + write"])
    least = min(run["cpu"] for run in results["pydicom read + write"])
    return [
        {
            "contender": name,
            "CPU ms a file": round(1000 * statistics.median(run["cpu"] for run in runs) / files, 2),
            "x pydicom": round(statistics.median(run["cpu"] for run in runs) / base, 2),
            "least of each": round(min(run["cpu"] for run in runs) / least, 2),
            "files a second": round(files / statistics.median(run["wall"] for run in runs), 1),
            "peak MiB": round(max(run["rss"] for run in runs)),
            "failed or refused": int(runs[0]["failed"]),
        }
        for name, runs in results.items()
    ]


def shipped_files(folder: Path) -> int:
    """Copies of every file that pydicom and pydicom-data ship, flat; answers how many."""
    folder.mkdir(parents=True)
    count = 0
    for package in ("pydicom", "data_store"):
        spec = find_spec(package)
        for place in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(place, "data").rglob("*")):
                if path.is_file() and path.suffix in ("", ".dcm"):
                    shutil.copyfile(path, folder / f"{count:04}-{path.name}")
                    count += 1
    return count


def fate_of_shipped_files(source: Path, target: Path) -> dict[str, int]:
    """How many were cleaned, and why the others were refused."""
    from imaging.deidentify import Options
    from imaging.folder import deidentify_folder

    records = deidentify_folder(source, target, KEY, Options(chosen=frozenset()))
    return dict(Counter(record.rejected.code.value if record.rejected else "de-identified" for record in records))


def leaking(name: str, source: Path, target: Path) -> dict[str, int]:
    """Objects of the tricky set that still tell a planted identifier, and those with no output."""
    measured(name, source, target)
    outputs = [path for path in target.rglob("*") if path.is_file()] if target.exists() else []
    return {"leak": sum(bool(leaks_in(path.read_bytes())) for path in outputs), "no output": len(CASES) - len(outputs)}


def import_seconds(module: str) -> float:
    """CPU of a process that imports a module, less that of an empty one; the best of five."""

    def once(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return round(min(once(f"import {module}") for _ in range(5)) - min(once("pass") for _ in range(5)), 3)


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """A table on the terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(width=120).print(table)


def main() -> int:
    """Run everything, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    names = [name for name in CONTENDERS if name not in _MODULES or find_spec(_MODULES[name])]
    work = Path(mkdtemp(prefix="bench-deid-"))
    try:
        result = _run(work, arguments.slices, arguments.repeats, names)
    finally:
        shutil.rmtree(work)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def _run(work: Path, slices: int, repeats: int, names: list[str]) -> dict[str, Any]:
    import pydicom  # noqa: F401 - imported once, before the children

    import imaging.folder

    imaging.folder.input_files(work)
    write_series(work / "ct", slices)
    tricky = work / "tricky"
    write_all(tricky)
    count = shipped_files(work / "shipped")
    series = compare(work / "ct", work, repeats, names)
    show(f"{slices} CT slices of 512 x 512 x 16 bits", series)
    different = [name for name in names if "no numpy" not in name]
    leaks = [{"contender": name, **leaking(name, tricky, work / "cleaned")} for name in different]
    show(f"{len(CASES)} tricky objects", leaks)
    fate = fate_of_shipped_files(work / "shipped", work / "shipped-out")
    show(f"{count} files of pydicom and pydicom-data", [fate])
    imports = [{"module": name, "CPU seconds": import_seconds(name)} for name in ("imaging.deidentify", "pydicom")]
    show("import", imports)
    return {"ct": series, "tricky": leaks, "shipped": fate, "import": imports}


if __name__ == "__main__":
    raise SystemExit(main())
