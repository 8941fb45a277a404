"""The commands around images: bases by digest or no build."""

from __future__ import annotations

import sys

import pytest

from tools import images
from training import sdk_jobs

DIGEST = "@sha256:" + "0a" * 32
REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


def test_the_bases_are_those_that_the_pipeline_would_run_without_own_images() -> None:
    assert images.BASED_ON_AWS["training"][0] == sdk_jobs.TRAINING_VERSION
    assert images.BASED_ON_AWS["inference"][0] == sdk_jobs.INFERENCE_VERSION
    assert images.aws_base("training", "us-east-1").startswith(f"{REGISTRY}/tensorflow-training:2.21")


def test_the_digest_is_asked_for_in_the_right_registry() -> None:
    command = images.digest_command(f"{REGISTRY}/tensorflow-training:2.21-gpu-py312")
    assert "--registry-id 763104351884 --repository-name tensorflow-training" in command
    assert "imageTag=2.21-gpu-py312" in command


@pytest.mark.parametrize(
    ("name", "base", "words"),
    [
        ("training", f"{REGISTRY}/tensorflow-training:2.21", "must end in @sha256:"),
        ("training", None, "needs --base"),
        ("api", f"{REGISTRY}/x{DIGEST}", "takes no --base"),
    ],
)
def test_a_base_that_could_move_is_refused(
    name: str, base: str | None, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["images", "command", name, "--repository", "r.example/a", "--tag", "1"]
    monkeypatch.setattr(sys, "argv", [*given, *(["--base", base] if base else [])])
    assert images.main() == 1
    assert words in capsys.readouterr().err


def test_a_command_names_dockerfile_tag_and_base() -> None:
    command = images.build_command("training", "r.example/a", "1", f"r.example/b{DIGEST}")
    assert command[command.index("--build-arg") + 1] == f"BASE=r.example/b{DIGEST}"
    assert command[command.index("--tag") + 1] == "r.example/a:1"
    assert command[-1] == "."
