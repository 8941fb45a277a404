"""Coverage-guided fuzzing with atheris for a bounded time: `make fuzz` (FUZZ_SECONDS=60 a target).

Inputs that reach new code are kept in tests/fuzz/corpus/<target>; one that breaks a promise is written to
tests/fuzz/findings and ends the run with an error. The test suite replays the corpus without atheris.
"""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris  # pyright: ignore

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
LARGEST_KEPT = 1024
MOST_KEPT = 60


def seeds(folder: Path, target: str) -> None:
    """Start from the tricky set, or from its compressed frames."""
    from bench.deid.tricky import write_all

    with TemporaryDirectory() as scratch:
        for path in write_all(Path(scratch)):
            data = path.read_bytes()
            if target == "codestreams":
                starts = (data.find(b"\xff\xd8\xff"), data.find(b"\xff\x4f\xff\x51"), data.find(b"\0\0\0\x0cjP"))
                data = next((data[at:] for at in starts if at > 0), b"")
            if data:
                (folder / path.stem).write_bytes(data)


def fuzz(target: str, seconds: int, fresh: str) -> None:
    """Run one target in this process; libFuzzer ends it."""
    with atheris.instrument_imports(include=["imaging"]):
        from tests.fuzz.targets import TARGETS
    corpus, findings = HERE / "corpus" / target, HERE / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    start = TemporaryDirectory()
    seeds(Path(start.name), target)
    flags = [
        f"-max_total_time={seconds}",
        "-max_len=16384",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    flags += [f"-artifact_prefix={findings}/{target}-", fresh, str(corpus), start.name]
    atheris.Setup([sys.argv[0], *flags], TARGETS[target])
    atheris.Fuzz()


def keep(target: str, fresh: Path) -> int:
    """Move the small inputs that a run has found into the corpus; answers how many."""
    room = max(MOST_KEPT - len(list((HERE / "corpus" / target).iterdir())), 0)
    found = [path for path in sorted(fresh.iterdir()) if path.stat().st_size <= LARGEST_KEPT][:room]
    for path in found:
        (HERE / "corpus" / target / path.name).write_bytes(path.read_bytes())
    return len(found)


def main() -> int:
    """All targets one after the other, each in a process of its own."""
    seconds = int(os.environ.get("FUZZ_SECONDS", "60"))
    failed = 0
    for target in ("parser", "deidentifier", "codestreams"):
        with TemporaryDirectory() as fresh:
            command = [sys.executable, "-m", "tests.fuzz.run", target, str(seconds), fresh]
            failed += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
            sys.stdout.write(f"{target}: {keep(target, Path(fresh))} new inputs kept\n")
    return 1 if failed else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) == 4:
        fuzz(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        raise SystemExit(main())
