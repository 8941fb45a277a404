"""The real engine previews every stack offline; the policy pack refuses mutants; bad settings are refused by name."""

from pathlib import Path

import pytest

from local.stack import preview_offline

pytestmark = pytest.mark.engine
MUTANTS = Path(__file__).parent / "mutants"
PROJECT = "healthcare-imaging-mlops"


@pytest.mark.parametrize("stack", ["local", "dev", "staging", "prod"])
def test_every_stack_previews_without_a_mandatory_violation(stack: str, tmp_path: Path) -> None:
    code, run = preview_offline(stack, folder=tmp_path)
    assert code == 0, run.text[-3000:]
    assert "[mandatory]" not in run.text
    assert "can't run policy" not in run.text, "a rule that could not run is a rule that did not guard"
    for kind in ("aws:s3/bucket:Bucket", "aws:sagemaker/pipeline:Pipeline", "aws:cloudcontrol/resource:Resource"):
        assert kind in run.text, "the preview lists every resource"
    assert run.planned > 150


@pytest.mark.parametrize(
    ("mutant", "rules"),
    [
        ("unencrypted_bucket", {"s3-sse-present", "s3-pab-present", "s3-policy-present", "s3-versioning-present"}),
        ("public_subnet", {"vpc-subnet-no-public-ip"}),
        ("open_role", {"iam-no-admin"}),
        ("bare_queue_and_table", {"sqs-kms", "ddb-pitr", "ddb-cmk"}),
    ],
)
def test_a_mutant_program_is_refused_by_the_pack(mutant: str, rules: set[str], tmp_path: Path) -> None:
    code, run = preview_offline("prod", program=MUTANTS / mutant, folder=tmp_path)
    assert code != 0, "the mistake would have been deployed"
    refused = {line.split("]", 1)[1].split()[0] for line in run.lines if "[mandatory]" in line}
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
    assert "aws:s3/bucket:Bucket" not in run.text
