"""The private PULUMI_HOME and the environment of a command."""

import importlib.metadata
import os
from pathlib import Path

import pytest

from local.engine import home


def test_plugins_lie_under_the_versions_that_the_sdks_ask_for(tmp_path: Path) -> None:
    made = home.build_home(tmp_path)
    aws = importlib.metadata.version("pulumi-aws")
    plugin = made / "plugins" / f"resource-aws-v{aws}" / "pulumi-resource-aws"
    assert os.access(plugin, os.X_OK)
    assert "local.provider" in plugin.read_text()


def test_a_callers_aws_and_pulumi_variables_never_reach_a_local_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "ensure_cli", lambda: tmp_path / "bin" / "pulumi")
    monkeypatch.setattr(home, "build_home", lambda: tmp_path / "home")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "real")
    made = home.environment(state_dir=tmp_path / "state", offline=True)
    assert "AWS_PROFILE" not in made, "a local command must not act on a real account"
    assert "PULUMI_ACCESS_TOKEN" not in made
    assert made["LOCAL_AWS_OFFLINE"] == "1"
    assert made["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'state'}"
