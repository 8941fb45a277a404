"""The workflows keep their promises: pinned, least rights, serialized, promoted in order, no command that bypasses."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.promotion import STAGES
from gitops.review import ENVIRONMENT, LABEL
from tools.images import BASED_ON_AWS, images

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github" / "workflows"
ACTION = ROOT / ".github" / "actions" / "toolchain" / "action.yml"
LOCAL = {"./.github/actions/toolchain", "./.github/workflows/deploy.yml"}
INPUTS = {
    "actions/checkout": {"ref", "fetch-depth", "persist-credentials", "path"},
    "actions/setup-python": {"python-version"},
    "actions/upload-artifact": {"name", "path", "if-no-files-found", "retention-days"},
    "actions/download-artifact": {"name", "path"},
    "aws-actions/configure-aws-credentials": {
        "role-to-assume",
        "aws-region",
        "allowed-account-ids",
        "role-session-name",
    },
    "pulumi/actions": {"pulumi-version"},  # no `command`: its `up` skips the preview
    "github/codeql-action/init": {"languages", "queries"},
    "github/codeql-action/analyze": set(),
    "sigstore/cosign-installer": set(),
    "./.github/actions/toolchain": {"python", "parts"},
    "./.github/workflows/deploy.yml": {"stack", "commit", "rollback", "restore"},
}
"""The inputs that are used here, each of which the pinned version has: a misspelt input is ignored in silence."""
WRITES = {
    "security-scan.yml": {"security-events"},
    "preview.yml": {"id-token", "pull-requests"},
    "deploy.yml": {"id-token", "deployments"},
    "deploy-dev.yml": {"id-token", "deployments"},
    "deploy-staging.yml": {"id-token", "deployments"},
    "deploy-prod.yml": {"id-token", "deployments"},
    "rollback.yml": {"id-token", "deployments"},
    "unlock.yml": {"id-token"},
    "drift.yml": {"id-token", "issues"},
    "images.yml": {"id-token"},
    "release.yml": {"contents"},
    "test.yml": set(),
    "nightly.yml": set(),
    "review.yml": {"id-token", "pull-requests"},
    "reaper.yml": {"id-token", "pull-requests"},
}


def load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    content["on"] = content.pop(True, content.get("on"))  # YAML 1.1 reads `on` as a truth
    return content


WORKFLOWS = {path.name: load(path) for path in sorted(FOLDER.glob("*.yml"))}
JOBS = [(name, key, job) for name, flow in WORKFLOWS.items() for key, job in flow["jobs"].items()]


def uses_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in [job, *job.get("steps", [])] if "uses" in step]


def takes_a_role(job: dict[str, Any]) -> bool:
    return any(step["uses"].startswith("aws-actions/") for step in uses_of(job))


def test_every_workflow_is_known_to_this_test():
    assert set(WORKFLOWS) == set(WRITES)


@pytest.mark.parametrize("path", [*sorted(FOLDER.glob("*.yml")), ACTION], ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_full_commit_with_its_version_beside_it(path):
    for line in path.read_text().splitlines():
        found = re.search(r"uses: (\S+)(.*)", line)
        if found and found[1] not in LOCAL:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", found[1]), f"a tag can be moved: {line}"
            assert re.match(r" # v\d+\.\d+\.\d+", found[2]), f"a reader cannot tell the version: {line}"


def test_the_same_action_is_pinned_to_the_same_commit_everywhere():
    text = "\n".join(path.read_text() for path in [*FOLDER.glob("*.yml"), ACTION])
    pins: dict[str, set[str]] = {}
    for action, pin in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40} # v[\d.]+)", text):
        pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@pytest.mark.parametrize(("name", "key", "job"), JOBS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_input_is_one_that_the_action_has(name, key, job):
    for step in uses_of(job):
        action = step["uses"].split("@")[0]
        assert set(step.get("with", {})) <= INPUTS[action], f"{name}: {action}"


@pytest.mark.parametrize(("name", "key", "job"), JOBS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_job_has_no_more_rights_than_its_workflow_is_known_to_need(name, key, job):
    assert WORKFLOWS[name]["permissions"] == {}, "a job says itself what it needs"
    assert isinstance(job["permissions"], dict)
    writes = {right for right, level in job["permissions"].items() if level == "write"}
    assert writes <= WRITES[name]
    assert set(job["permissions"].values()) <= {"read", "write"}
    assert "uses" in job or job["timeout-minutes"] <= 90


@pytest.mark.parametrize(("name", "key", "job"), JOBS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_checkout_leaves_no_token_behind(name, key, job):
    for step in uses_of(job):
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("name", "key", "job"), JOBS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_job_with_a_role_is_bound_to_an_environment_and_an_account(name, key, job):
    if not takes_a_role(job):
        assert job["permissions"].get("id-token") != "write" or "uses" in job
        return
    assert job["environment"], "the role trusts the environment, and reviewers stand at it"
    assert job["permissions"]["id-token"] == "write"
    credentials = next(step for step in uses_of(job) if step["uses"].startswith("aws-actions/"))
    assert credentials["with"]["allowed-account-ids"] == "${{ vars.AWS_ACCOUNT_ID }}"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_stored_secret_no_dangerous_trigger_and_no_bypass(name):
    text = (FOLDER / name).read_text()
    assert "secrets." not in text, "roles by OIDC, and the job's own token"
    assert "pull_request_target" not in WORKFLOWS[name]["on"]
    for bypass in ("--skip-preview", "--show-secrets", "config get", "continue-on-error"):
        assert bypass not in text


@pytest.mark.parametrize(("name", "key", "job"), JOBS, ids=lambda value: value if isinstance(value, str) else "")
def test_no_expression_is_pasted_into_a_script(name, key, job):
    for step in job.get("steps", []):
        assert "${{" not in step.get("run", ""), "a branch name would be run as code"


def test_a_pull_request_of_a_fork_meets_no_job_with_a_role_or_a_right_to_write():
    for name, flow in WORKFLOWS.items():
        if "pull_request" not in flow["on"]:
            continue
        for key, job in flow["jobs"].items():
            writes = "write" in job["permissions"].values()
            if writes or takes_a_role(job):
                assert "head.repo.full_name == github.repository" in job["if"], f"{name}: {key}"


@pytest.mark.parametrize("stack", STAGES)
def test_every_way_to_change_a_stack_waits_for_the_same_lock(stack):
    group = WORKFLOWS[f"deploy-{stack}.yml"]["concurrency"]
    assert group == {"group": f"pulumi-{stack}", "cancel-in-progress": False, "queue": "max"}
    for name in ("rollback.yml", "unlock.yml"):
        assert WORKFLOWS[name]["concurrency"]["group"] == "pulumi-${{ inputs.stack }}"
    assert WORKFLOWS["drift.yml"]["jobs"]["drift"]["concurrency"]["group"] == "pulumi-${{ matrix.stack }}"


def test_review_stacks_wait_for_their_own_lock_and_take_roles_that_reach_no_stage():
    review, reaper = WORKFLOWS["review.yml"], WORKFLOWS["reaper.yml"]
    one, many = review["concurrency"], reaper["jobs"]["remove"]["concurrency"]
    assert one == {
        "group": "pulumi-review-${{ github.event.pull_request.number }}", "cancel-in-progress": False, "queue": "max"
    }  # fmt: skip
    assert many == {**one, "group": "pulumi-review-${{ matrix.number }}"}
    jobs = [*review["jobs"].values(), *reaper["jobs"].values()]
    assert {job["environment"] for job in jobs} == {ENVIRONMENT, f"{ENVIRONMENT}-preview"}
    for job in jobs:
        commands = [step["run"] for step in job["steps"] if "run" in step]
        assert all("gitops review " in command for command in commands)


def test_a_review_stack_comes_with_the_label_and_goes_with_it_or_with_the_request():
    review = WORKFLOWS["review.yml"]
    assert set(review["on"]["pull_request"]["types"]) == {"labeled", "unlabeled", "synchronize", "reopened", "closed"}
    up, down = review["jobs"]["up"], review["jobs"]["down"]
    assert f"labels.*.name, '{LABEL}')" in up["if"]
    assert "action == 'closed'" in down["if"]
    assert f"action == 'unlabeled' && github.event.label.name == '{LABEL}'" in down["if"]
    assert down["steps"][0]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}", "reviewed code removes"
    assert "schedule" in WORKFLOWS["reaper.yml"]["on"]


def test_only_the_deploy_workflow_changes_a_stack_and_it_asks_plans_and_applies_in_this_order():
    for name in WORKFLOWS:
        assert ("gitops apply" in (FOLDER / name).read_text()) == (name == "deploy.yml")
    jobs = WORKFLOWS["deploy.yml"]["jobs"]
    assert [jobs[key].get("needs") for key in ("check", "plan", "apply")] == [None, "check", "plan"]
    for key in ("plan", "apply"):
        assert jobs[key]["environment"] == "${{ inputs.stack }}"
        assert jobs[key]["steps"][0]["with"]["ref"] == "${{ inputs.commit }}"
    commands = [step["run"] for step in jobs["apply"]["steps"] if "run" in step]
    order = [
        next(n for n, run in enumerate(commands) if word in run)
        for word in ("gitops apply", "validate-", "gitops record")
    ]
    assert order == sorted(order)
    assert jobs["apply"]["steps"][-1]["if"] == "always()", "a failed deployment is a fact, too"


def test_the_stages_promote_in_order_and_production_only_by_a_person():
    assert set(WORKFLOWS["deploy-dev.yml"]["on"]) == {"push"}
    assert WORKFLOWS["deploy-staging.yml"]["on"]["workflow_run"]["workflows"] == ["deploy-dev"]
    assert set(WORKFLOWS["deploy-prod.yml"]["on"]) == {"workflow_dispatch"}
    for stack in STAGES:
        job = WORKFLOWS[f"deploy-{stack}.yml"]["jobs"][stack]
        assert job["uses"] == "./.github/workflows/deploy.yml"
        assert job["with"]["stack"] == stack


def test_the_images_that_can_be_built_are_those_that_stand_on_no_aws_base():
    choices = WORKFLOWS["images.yml"]["on"]["workflow_dispatch"]["inputs"]["name"]["options"]
    assert choices == [name for name in images() if name not in BASED_ON_AWS]
