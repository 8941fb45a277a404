"""Dockerfiles without a Docker engine: pins, sources, locks, users, and what hadolint says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from components.containers import IMAGES
from tools.images import BASED_ON_AWS, BY_DIGEST

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILES = sorted((ROOT / "containers").glob("*/Dockerfile"))
SERVICES = {"api", "store_scp", "frame_proxy"}
DROPS_ROOT_ITSELF = {"preprocessing", "evaluation", "training"}
RUNS_AS_ROOT = {"inference": "SageMaker hosting asks for root"}

pytestmark = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=[path.parent.name for path in DOCKERFILES])


def _instructions(dockerfile: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def _of(dockerfile: Path, kind: str) -> list[str]:
    return [rest for name, rest in _instructions(dockerfile) if name == kind]


def test_every_base_is_pinned_by_digest(dockerfile: Path) -> None:
    bases = [rest.split()[0] for rest in _of(dockerfile, "FROM")]
    if dockerfile.parent.name in BASED_ON_AWS:
        assert bases == ["${BASE}"], "tools.images lets no BASE through that is not by digest"
        assert _of(dockerfile, "ARG") == ["BASE"], "a default would be built with silently"
        return
    assert len(bases) == 2, "a build stage and a final one"
    for base in bases:
        image, digest = base.split("@")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
        assert ":" in image, "the tag says to a reader what the digest is"
    assert "September 2026" in dockerfile.read_text(), "a pin says of when it is"


def test_whatever_is_copied_exists_and_reaches_the_build(dockerfile: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    for copied in _of(dockerfile, "COPY"):
        if copied.startswith("--from="):
            assert copied.startswith("--from=build "), "only from the stage that is called so"
            continue
        *sources, _target = copied.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(source == name or source.startswith(f"{name}/") or fnmatch(source, name) for name in let_in)


def test_packages_come_by_hash_from_a_lock_that_is_copied(dockerfile: Path) -> None:
    installs = [run for run in _of(dockerfile, "RUN") if "pip install" in run]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert "--only-binary=:all:" in installs[0], "a source archive would run its own code while it is built"
    lock = Path(re.findall(r"--requirement (\S+)", installs[0])[0]).name
    assert any(copied.split()[0] == f"requirements/{lock}" for copied in _of(dockerfile, "COPY"))
    text = (ROOT / "requirements" / lock).read_text()
    assert text.count("--hash=sha256:") >= len(re.findall(r"^[a-z].*==", text, re.MULTILINE)) > 0


def test_nothing_runs_as_root_that_does_not_have_to(dockerfile: Path) -> None:
    name = dockerfile.parent.name
    users = _of(dockerfile, "USER")
    environment = " ".join(_of(dockerfile, "ENV"))
    if name in RUNS_AS_ROOT:
        assert "root" in dockerfile.read_text(), "the file says why"
    elif name in DROPS_ROOT_ITSELF:
        assert "IMAGING_RUN_AS=65532" in environment
    else:
        assert users == ["65532:65532"]


def test_services_have_a_health_check_in_the_form_that_needs_no_shell(dockerfile: Path) -> None:
    checks = _of(dockerfile, "HEALTHCHECK")
    assert len(checks) == (1 if dockerfile.parent.name in SERVICES else 0)
    commands = [check.split("CMD ", 1)[1] for check in checks] + _of(dockerfile, "ENTRYPOINT")
    for command in commands:
        assert all(isinstance(word, str) for word in json.loads(command))


def test_hadolint_has_nothing_to_say(dockerfile: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "--config", str(ROOT / ".hadolint.yaml"), str(dockerfile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_a_repository_of_its_name(dockerfile: Path) -> None:
    assert dockerfile.parent.name in IMAGES
    assert BY_DIGEST.fullmatch("a.example/b@sha256:" + "0" * 64)
