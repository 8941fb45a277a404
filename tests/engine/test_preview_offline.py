"""The real engine previews every stack offline; the policy pack refuses mutants; bad settings are refused by name."""

import re
from pathlib import Path

import pytest

from local.stack import preview_offline
from tools import compliance

pytestmark = pytest.mark.engine
MUTANTS = Path(__file__).parent / "mutants"
ROOT = Path(__file__).resolve().parents[2]
PROJECT = "healthcare-imaging-mlops"


@pytest.mark.parametrize("stack", ["local", "dev", "staging", "prod"])
def test_every_stack_previews_without_a_mandatory_violation(stack: str, tmp_path: Path) -> None:
    code, run = preview_offline(stack, folder=tmp_path)
    assert code == 0, run.text[-3000:]
    assert "[mandatory]" not in run.text
    assert "can't run policy" not in run.text, "a rule that could not run is a rule that did not guard"
    for kind in ("aws:s3:Bucket ", "aws:sagemaker:Pipeline ", "aws:cloudcontrol:Resource ", "awsx:ec2:Vpc "):
        assert kind in run.text, "the preview lists every resource"
    assert run.planned > 150
    if stack == compliance.STACK:
        stale = compliance.document(run.lines) != compliance.DOCUMENT.read_text()
        assert not stale, "docs/COMPLIANCE.md is not what the pack and the program say: run `make compliance`"


@pytest.mark.parametrize("account", ["dev", "prod"])
def test_the_bootstrap_of_an_account_previews_without_a_mandatory_violation(account: str, tmp_path: Path) -> None:
    code, run = preview_offline(account, folder=tmp_path, source=ROOT / "bootstrap")
    assert code == 0, run.text[-3000:]
    assert "[mandatory]" not in run.text
    assert "can't run policy" not in run.text
    for kind in ("aws:s3:Bucket ", "aws:iam:OpenIdConnectProvider ", "imaging:bootstrap:EnvironmentRoles "):
        assert kind in run.text
    assert run.planned > 50


@pytest.mark.parametrize(
    ("mutant", "rules"),
    [
        ("unencrypted_bucket", {"s3-sse-present", "s3-pab-present", "s3-policy-present", "s3-versioning-present"}),
    ],
)
def test_a_mutant_program_is_refused_by_the_pack(mutant: str, rules: set[str], tmp_path: Path) -> None:
    program = tmp_path / "program"  # the engine looks for archives beside the program that it runs
    program.mkdir()
    (program / "__main__.py").symlink_to(MUTANTS / mutant / "__main__.py")
    for folder in ("api", "build", "lambdas"):
        (program / folder).symlink_to(ROOT / folder)
    code, run = preview_offline("prod", program=program, folder=tmp_path / "engine")
    assert code != 0, "the mistake would have been deployed"
    refused = set(re.findall(r"\[mandatory\](?: \[severity: \w+\])?\s+([\w-]+)", run.text))
    assert rules <= refused


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("training.accuracyThreshold=2.0", "training.accuracyThreshold"),
        ("network.vpcCidr=10.9.0.0/16", "network"),
        ("storage.unheardOf=1", "storage.unheardOf"),
    ],
    ids=["threshold", "subnets-outside-the-vpc", "unknown-key"],
)
def test_bad_configuration_is_refused_before_anything_is_planned(setting: str, key: str, tmp_path: Path) -> None:
    arguments = ["--config-path", "--config", f"{PROJECT}:{setting}"]
    code, run = preview_offline("dev", folder=tmp_path, arguments=arguments)
    assert code != 0
    error = next(line for line in run.lines if key in line and "error" in line)
    assert "Traceback" not in run.text, "a mistake in a setting is told in a sentence"
    assert len(error) < 400
    assert "aws:s3:Bucket" not in run.text


def test_what_a_stack_leaves_out_previews_without_a_mandatory_violation_once_it_is_switched_on(tmp_path: Path) -> None:
    """The services with their images, the second region and the alert channels: no stack of the repository has them."""
    switched_on = (
        *(ROOT / "cost/inventory/complete.config").read_text().split(),
        "secondRegion.region=us-west-2",
        "monitoring.slack.teamId=T0123ABCD",
        "monitoring.slack.channelId=C0123ABCD",
        "monitoring.pagerDutyUrl=https://events.example.org/integration/0123456789abcdef/enqueue",
    )
    settings = [word for one in switched_on for word in ("--config", f"{PROJECT}:{one}")]
    code, run = preview_offline("prod", folder=tmp_path, arguments=["--config-path", *settings])
    assert code == 0, run.text[-3000:]
    assert "[mandatory]" not in run.text
    assert "can't run policy" not in run.text
    services = ("aws:ecs:Cluster ", "aws:lb:LoadBalancer ", "aws:cloudfront:Distribution ")
    region = ("aws:s3:BucketReplicationConfig ", "pulumi:providers:aws ")
    for kind in (*services, *region, "aws:chatbot:SlackChannelConfiguration "):
        assert kind in run.text
    assert len(re.findall(r"aws:s3:BucketReplicationConfig ", run.text)) == 3
