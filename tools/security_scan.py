"""Known vulnerabilities and a bill of materials of every lock file, and secrets in tracked files: `make security-scan`.

Ends with 1 when anything is found. Results are in build/scan. The vulnerability service must be reachable; a scan that
could not ask it has failed, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "scan"
BASELINE = ROOT / ".secrets.baseline"
"""Candidates that people have looked at: digests of public hashes, names of secrets, keys of the embedded AWS."""
SCAN = [
    "detect-secrets",
    "scan",
    "--exclude-files",
    r"\.lock$|package-lock\.json$|^tests/|go\.sum$|\.secrets\.baseline$",
]


def audit(lock: Path) -> bool:
    """Ask for the vulnerabilities of one lock file and write its SBOM (CycloneDX); False when there are any."""
    result = FOLDER / f"sbom-{lock.stem}.json"
    done = subprocess.run(
        ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(lock), "-f", "cyclonedx-json", "-o", str(result)],
        cwd=ROOT,
        check=False,
    )
    return done.returncode == 0


def secrets(report: str, baseline: str) -> list[str]:
    """What differs between a report of detect-secrets and the baseline that people looked through; never the secret.

    A new candidate is `file:line kind`; one that has gone is to be taken out of the baseline, or it would cover for the
    next one with its text.
    """
    found, known = _candidates(report), _candidates(baseline)
    new = [f"{file}:{found[file, kind, digest]} {kind}" for file, kind, digest in sorted(found.keys() - known.keys())]
    gone = [f"{BASELINE.name} is out of date: {file} {kind}" for file, kind, _ in sorted(known.keys() - found.keys())]
    return [*new, *gone]


def _candidates(report: str) -> dict[tuple[str, str, str], int]:
    """The line of each candidate, by file, kind and digest."""
    results = cast("dict[str, list[dict[str, Any]]]", json.loads(report)["results"])
    return {
        (file, one["type"], one["hashed_secret"]): one["line_number"] for file, each in results.items() for one in each
    }


def licences() -> list[str]:
    """The licences that somebody has to look at; what is installed here must be what the table says."""
    from tools import licences as stated

    packages, known = stated.locked((ROOT / "requirements").glob("*.lock")), stated.table(ROOT)
    here = stated.installed(ROOT)
    other = [
        f"licence of {' '.join(one)}: the table says otherwise"
        for one in packages & known.keys() & here.keys()
        if known[one] != here[one]
    ]
    sys.stdout.write(f"licences: {len(packages & known.keys())} of {len(packages)} packages looked at\n")
    return [*stated.faults(packages, known), *sorted(other)]


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    bad = [lock.name for lock in sorted((ROOT / "requirements").glob("*.lock")) if not audit(lock)]
    done = subprocess.run(SCAN, cwd=ROOT, check=True, capture_output=True, text=True)
    (FOLDER / BASELINE.name).write_text(done.stdout)
    candidates = secrets(done.stdout, BASELINE.read_text())
    for line in [*(f"vulnerable, or not audited: requirements/{name}" for name in bad), *candidates]:
        sys.stdout.write(line + "\n")
    told = licences()
    sys.stdout.write("".join(f"{line}\n" for line in told))
    if candidates:
        sys.stdout.write(f"look at each; what is no secret: cp build/scan/{BASELINE.name} {BASELINE.name}\n")
    return 1 if bad or candidates or told else 0


if __name__ == "__main__":
    sys.exit(main())
