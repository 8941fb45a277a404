"""The code that the SageMaker jobs run, as one reproducible archive.

The same sources give the same bytes (and so the same S3 key `code/<sha256>/`) on every machine: members are sorted,
times and owners are zero, and gzip's header carries no time. Pulumi uploads two files under that key: the archive and
the bootstrap beside it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from training.names import ARCHIVE_NAME, BOOTSTRAP_NAME, TRAIN_PROGRAM

_HERE = Path(__file__).resolve().parent
_PLAN = "training/change-control-plan.json"
# Run in the Pulumi process only: a change to them is no change of the containers' code.
_INFRASTRUCTURE = frozenset(
    {
        "definition.py",
        "definition_process.py",
        "package.py",
        "pipeline_config.py",
        "sdk.py",
        "sdk_jobs.py",
        "substitution.py",
    }
)


@dataclass(frozen=True)
class SourcePackage:
    """The built archive.

    Attributes:
        path: sourcedir.tar.gz.
        sha256: hex digest of the archive; the bootstrap is a member too, so it covers both files.
        bootstrap: the file to upload beside the archive.
    """

    path: Path
    sha256: str
    bootstrap: Path


def build(output_dir: Path, plan: bytes | None = None) -> SourcePackage:
    """Write sourcedir.tar.gz and bootstrap.py into `output_dir` (made if needed) and say what they are.

    `plan` stands for another change control plan than the one that is checked in.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    members = _members()
    if plan is not None:
        members[_PLAN] = plan
    content = _archive(members)
    path = output_dir / ARCHIVE_NAME
    path.write_bytes(content)
    bootstrap = output_dir / BOOTSTRAP_NAME
    bootstrap.write_bytes((_HERE / BOOTSTRAP_NAME).read_bytes())
    return SourcePackage(path=path, sha256=hashlib.sha256(content).hexdigest(), bootstrap=bootstrap)


def _members() -> dict[str, bytes]:
    """Archive name -> content: the package, the script-mode program and requirements.txt at the root."""
    modules = (path for path in _HERE.glob("*.py") if path.name not in _INFRASTRUCTURE)
    members = {f"training/{path.name}": path.read_bytes() for path in modules}
    members[TRAIN_PROGRAM] = (_HERE / "entrypoint.py").read_bytes()
    members[_PLAN] = (_HERE / "change-control-plan.json").read_bytes()
    members["requirements.txt"] = (_HERE / "requirements.txt").read_bytes()
    return members


def _archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size = len(members[name])
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(members[name]))
    # mtime=0 and no file name in the header; level fixed, because the level is part of the bytes.
    return gzip.compress(packed.getvalue(), compresslevel=9, mtime=0)
