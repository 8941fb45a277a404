"""The promotion, replayed: the `run:` lines of .github/workflows/deploy.yml on three stacks of a file backend.

Stood in for: GitHub (forge.py), AWS (file_cloud.py) and the smoke test, which looks into the cloud's file. The engine,
the CLI, git and `python -m gitops` are the real ones; checkout and artifacts are done as their actions do them.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from gitops.promotion import STAGES
from local.engine import environment
from local.engine.home import build_home

pytestmark = pytest.mark.engine
HERE, ROOT = Path(__file__).parent, Path(__file__).resolve().parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
SENTINEL = "SENTINEL-of-the-replay"
REFUSED = 3
MAKEFILE = """\
publish-viewer-%:
	@grep -q '"retentionInDays"' "$$FILE_CLOUD" && echo "$* is up and has no viewer"
validate-%:
	@grep -q '"retentionInDays"' "$$FILE_CLOUD"
"""


def load(name: str) -> ModuleType:
    """A module beside this one: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Team:
    """A repository with its clone, three stacks, and what a team does with them."""

    def __init__(self, folder: Path, forge: Any, api: str) -> None:
        self.folder, self.forge, self.clone = folder, forge, folder / "clone"
        home = folder / "home"
        shutil.copytree(build_home() / "plugins", home / "plugins")
        script = next((home / "plugins").glob("resource-aws-v*/pulumi-resource-aws"))
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "{HERE / "file_cloud.py"}"\n')
        self._env = environment(state_dir=folder / "state") | {
            "PULUMI_HOME": str(home),
            "AWS_REGION": "us-east-1",
            "GITHUB_API_URL": api,
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_TOKEN": "token",
            "PYTHONPATH": str(ROOT),
        }
        self._env.pop("GITHUB_STEP_SUMMARY", None)
        self._make_clone()

    def _make_clone(self) -> None:
        shutil.copytree(HERE / "replay", self.clone, ignore=shutil.ignore_patterns("__pycache__"))
        (self.clone / "Pulumi.yaml").write_text("name: replay\nruntime: python\n")
        (self.clone / "Makefile").write_text(MAKEFILE)
        (self.clone / ".gitignore").write_text("build/\n.venv\n__pycache__/\n")
        (self.clone / ".venv").symlink_to(ROOT / ".venv")
        for stack in STAGES:
            self.shell(f"pulumi stack init {stack} --non-interactive", stack)
            self.shell(f"echo {SENTINEL} | pulumi config set --secret password --stack {stack}", stack)
        self.shell("git init -q -b main && git add . && git commit -qm first")

    def shell(self, line: str, stack: str = "", check: bool = True, **given: str) -> subprocess.CompletedProcess[str]:
        env = self._env | given | ({"FILE_CLOUD": str(self.cloud(stack))} if stack else {})
        identity = {
            f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.clone, env=env | identity, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def cloud(self, stack: str) -> Path:
        return self.folder / f"{stack}.json"

    def retention(self, stack: str) -> float:
        return json.loads(self.cloud(stack).read_text())["records"]["retentionInDays"]

    def commit(self, days: int) -> str:
        """A reviewed change of the program on main."""
        self.shell("git checkout -q main")
        program = self.clone / "__main__.py"
        program.write_text(re.sub(r"RETENTION_DAYS = \d+", f"RETENTION_DAYS = {days}", program.read_text()))
        self.shell(f"git commit -qam 'records are kept for {days} days' --allow-empty")
        return self.head()

    def head(self) -> str:
        return self.shell("git rev-parse HEAD").stdout.strip()

    def job(
        self, name: str, stack: str, commit: str, *, rollback: bool = False, restore: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """The `run:` steps of a job of deploy.yml, until one fails; those with `if: always()` even then."""
        self.shell(f"git checkout -q {'main' if name == 'check' else commit}")
        values = {
            "inputs.rollback && 'rollback-check' || 'promote-check'": "rollback-check" if rollback else "promote-check",
            "inputs.restore && '--restore' || '--no-restore'": "--restore" if restore else "--no-restore",
            "inputs.stack": stack,
            "inputs.commit": commit,
            "github.token": "token",
            "vars.PULUMI_BACKEND_URL": self._env["PULUMI_BACKEND_URL"],
        }
        worst: subprocess.CompletedProcess[str] | None = None
        for step in WORKFLOW["jobs"][name]["steps"]:
            if "run" not in step or (worst and step.get("if") != "always()"):
                continue
            values["job.status == 'success' && '--succeeded' || '--no-succeeded'"] = (
                "--no-succeeded" if worst else "--succeeded"
            )
            given = {key: values[_inside(value)] for key, value in step["env"].items()}
            done = self.shell(step["run"], stack, check=False, **given)
            worst = worst or (done if done.returncode else None)
        return worst or done

    def artifact(self) -> None:
        """What is uploaded by the job `plan` and downloaded by the job `apply`: the listed files, nothing else."""
        upload = next(s for s in WORKFLOW["jobs"]["plan"]["steps"] if s.get("uses", "").startswith("actions/upload"))
        kept = {path: (self.clone / path).read_bytes() for path in upload["with"]["path"].split()}
        shutil.rmtree(self.clone / "build")
        for path, content in kept.items():
            (self.clone / path).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / path).write_bytes(content)
            assert SENTINEL.encode() not in content

    def deploy(self, stack: str, commit: str, *, rollback: bool = False) -> None:
        for name in WORKFLOW["jobs"]:
            done = self.job(name, stack, commit, rollback=rollback)
            assert done.returncode == 0, f"{name} of {stack}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
            if name == "plan":
                self.artifact()


def _inside(expression: str) -> str:
    return re.fullmatch(r"\$\{\{ (.+) \}\}", expression)[1]  # type: ignore[index]  (a step without one fails here)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    server = load("forge")
    forge = server.Forge()
    with server.serving(forge) as api:
        yield Team(tmp_path, forge, api)


def test_one_commit_goes_through_the_stages_another_waits_for_its_turn_and_a_stage_goes_back(team: Team) -> None:
    first = team.commit(60)
    for stack in STAGES:
        team.deploy(stack, first)
    assert [team.retention(stack) for stack in STAGES] == [60, 60, 60]
    second = team.commit(90)
    team.deploy("dev", second)
    refused = team.job("check", "prod", second)
    assert refused.returncode == REFUSED
    assert "staging" in refused.stderr
    assert [team.retention(stack) for stack in STAGES] == [90, 60, 60]
    unreviewed = team.shell("git checkout -q -b side && git commit -qm side --allow-empty && git rev-parse HEAD")
    assert team.job("check", "dev", unreviewed.stdout.strip()).returncode == REFUSED
    assert team.job("check", "dev", second, rollback=True).returncode == REFUSED, "it runs there already"
    team.deploy("dev", first, rollback=True)
    assert team.retention("dev") == 60
    said = [(one["environment"], one["sha"], one["statuses"][0]["state"]) for one in team.forge.deployments]
    assert said == [
        *((stack, first, "success") for stack in STAGES),
        ("dev", second, "success"),
        ("dev", first, "success"),
    ]
    assert all(one["payload"]["plan_digest"] for one in team.forge.deployments)


def test_what_changes_between_plan_and_apply_is_refused_with_nothing_changed(team: Team) -> None:
    first = team.commit(60)
    team.deploy("dev", first)
    second = team.commit(90)
    before = team.cloud("dev").read_text()
    assert team.job("plan", "dev", second).returncode == 0
    team.artifact()
    kept = {path.name: path.read_bytes() for path in (team.clone / "build" / "gitops").iterdir()}

    def apply_again() -> subprocess.CompletedProcess[str]:
        shutil.rmtree(team.clone / "build")
        (team.clone / "build" / "gitops").mkdir(parents=True)
        for name, content in kept.items():
            (team.clone / "build" / "gitops" / name).write_bytes(content)
        return team.job("apply", "dev", second)

    cloud = json.loads(before)
    cloud["records"]["retentionInDays"] = 7
    team.cloud("dev").write_text(json.dumps(cloud))
    drifted = apply_again()
    assert drifted.returncode == REFUSED
    assert "outside of the program" in drifted.stderr
    assert team.retention("dev") == 7, "what a hand did is seen, and left for a person to judge"
    planned = team.job("plan", "dev", second)
    assert planned.returncode == REFUSED
    assert "drifted" in planned.stderr
    team.cloud("dev").write_text(before)

    team.shell("sed -i 's/= 90/= 91/' __main__.py")  # another program than the one that was planned
    other = team.shell('.venv/bin/python -m gitops apply --stack dev --commit "$C"', "dev", check=False, C=second)
    team.shell("git checkout -q -- .")
    assert other.returncode == 1
    assert team.cloud("dev").read_text() == before
    forged = json.loads(kept["plan.json"])
    forged["resourcePlans"] = {}
    kept["plan.json"] = json.dumps(forged).encode()
    assert "not the one that was recorded" in apply_again().stderr
    assert team.cloud("dev").read_text() == before
    failed = [one["statuses"][0]["state"] for one in team.forge.deployments]
    assert failed == ["success", "failure", "failure"], "each refusal is on record"


def test_the_comment_of_a_pull_request_shows_the_change_and_no_secret_and_a_policy_refuses(team: Team) -> None:
    commit = team.commit(60)
    preview = '.venv/bin/python -m gitops preview --stack dev --commit "$C" --post 7'
    team.shell(preview, "dev", C=commit)
    assert len(team.forge.comments) == 1
    body = team.forge.comments[0]["body"]
    assert "3 to create" in body
    for path in (team.clone / "build").rglob("*"):
        assert path.is_dir() or SENTINEL not in path.read_text(), f"{path.name} shows the secret"
    assert SENTINEL not in body
    forever = team.commit(0)
    refused = team.job("plan", "dev", forever)
    assert refused.returncode == REFUSED
    assert "logs-retention" in refused.stdout
    assert not team.cloud("dev").exists()


def test_what_a_hand_changed_is_put_back_by_an_approved_plan_that_is_meant_to(team: Team) -> None:
    commit = team.commit(60)
    team.deploy("dev", commit)
    made = team.cloud("dev").read_text()
    cloud = json.loads(made)
    cloud["labels"]["billingMode"] = "PROVISIONED"
    team.cloud("dev").write_text(json.dumps(cloud))
    assert team.job("plan", "dev", commit, restore=True).returncode == 0
    assert "1 to update" in (team.clone / "build" / "gitops" / "summary.md").read_text()
    team.artifact()
    done = team.job("apply", "dev", commit)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(team.cloud("dev").read_text()) == json.loads(made)


def test_a_review_stack_comes_and_goes_and_stages_stay(team: Team) -> None:
    """The commands of review.yml and reaper.yml: the second run has no stack file left, as on a new runner."""
    commit = team.commit(60)
    team.deploy("dev", commit)
    dev = team.cloud("dev").read_text()
    program = (
        team.clone / "__main__.py"
    )  # a review stack has dev's secrets by configuration only, and here there is none
    program.write_text(program.read_text().replace('require_secret("password")', 'get_secret("password")'))
    (team.clone / "Pulumi.dev.yaml").write_text("config: {}\n")
    up = ".venv/bin/python -m gitops review up --number 7 --commit $C --comment"
    given = {"C": commit, "PULUMI_SECRETS_PROVIDER": "passphrase"}
    team.shell(up, "review-7", **given)
    assert team.retention("review-7") == 60
    (team.clone / "Pulumi.review-7.yaml").unlink()
    team.shell("sed -i 's/= 60/= 90/' __main__.py")
    team.shell(up, "review-7", **given)
    assert team.retention("review-7") == 90
    assert "1 to update" in team.forge.comments[-1]["body"]
    (team.clone / "Pulumi.review-7.yaml").unlink()
    expired = ".venv/bin/python -m gitops review expired"
    team.forge.requests[7] = {"state": "open", "labels": [{"name": "review-stack"}]}
    assert json.loads(team.shell(expired).stdout) == []
    team.forge.requests[7]["state"] = "closed"
    assert json.loads(team.shell(expired).stdout) == [7]
    team.shell(".venv/bin/python -m gitops review down --number 7 --comment", "review-7")
    assert json.loads(team.cloud("review-7").read_text()) == {}
    assert json.loads(team.shell(expired).stdout) == []
    assert team.cloud("dev").read_text() == dev
    assert "removed" in team.forge.comments[-1]["body"]
