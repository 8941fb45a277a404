"""A job gives its folders away and stops being root before it reads data."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from training import bootstrap

ROOT = Path(__file__).resolve().parents[3]


def test_a_process_that_is_not_root_or_has_no_user_to_become_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing may be given away")

    for name in ("chown", "setuid", "setgid", "setgroups"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.delenv("IMAGING_RUN_AS", raising=False)
    bootstrap.stop_being_root(tmp_path)
    monkeypatch.setenv("IMAGING_RUN_AS", "65532")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bootstrap.stop_being_root(tmp_path)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user can walk into, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
def test_root_becomes_the_user_and_can_write_where_the_results_go(shared: Path) -> None:
    results, secret = shared / "results", shared / "secret"
    (results / "deep").mkdir(parents=True)
    (results / "deep" / "old").write_text("x")
    secret.write_text("x")
    secret.chmod(0o600)
    program = (
        "import os, sys; from pathlib import Path; from training import bootstrap\n"
        "bootstrap.stop_being_root(Path(sys.argv[1]))\n"
        "(Path(sys.argv[1]) / 'deep' / 'new').write_text('y')\n"
        "print(os.getuid(), os.getgid(), os.getgroups(), os.access(sys.argv[2], os.R_OK))\n"
        "try:\n    os.setuid(0)\nexcept PermissionError:\n    print('for good')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(results), str(secret)],
        env={**os.environ, "IMAGING_RUN_AS": "65532", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["65532 65532 [] False", "for good"]
    assert (results / "deep" / "old").stat().st_uid == 65532
