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


def audit(lock: Path) -> bool:
    """Ask for the vulnerabilities of one lock file and write its SBOM (CycloneDX); False when there are any."""
    result = FOLDER / f"sbom-{lock.stem}.json"
    done = subprocess.run(
        ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(lock), "-f", "cyclonedx-json", "-o", str(result)],
        cwd=ROOT,
        check=False,
    )
    return done.returncode == 0


def secrets(report: str) -> list[str]:
    """`file:line kind` of each candidate in a report of detect-secrets; never the secret."""
    found = cast("dict[str, list[dict[str, Any]]]", json.loads(report)["results"])
    return [f"{file}:{each['line_number']} {each['type']}" for file, each_of in found.items() for each in each_of]


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    bad = [lock.name for lock in sorted((ROOT / "requirements").glob("*.lock")) if not audit(lock)]
    scan = ["detect-secrets", "scan", "--exclude-files", r"\.lock$|package-lock\.json$|^tests/|go\.sum$"]
    done = subprocess.run(scan, cwd=ROOT, check=True, capture_output=True, text=True)
    candidates = secrets(done.stdout)
    (FOLDER / "secrets.txt").write_text("\n".join(candidates) + "\n")
    for line in [*(f"vulnerable, or not audited: requirements/{name}" for name in bad), *candidates]:
        sys.stdout.write(line + "\n")
    return 1 if bad or candidates else 0


if __name__ == "__main__":
    sys.exit(main())
