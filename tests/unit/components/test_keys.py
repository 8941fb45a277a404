"""One key a data class, usable by those whom IAM allows, and a pseudonym key that is made once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components.keys import KEY_CLASSES, DataKeys, DataKeysArgs, key_policy, make_pseudonym_key

KEY = "aws:kms/key:Key"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


@pytest.fixture
def program(context: Context) -> Callable[[], dict[str, Any]]:
    """The keys of a stack."""

    def run() -> dict[str, Any]:
        keys = DataKeys("keys", DataKeysArgs(context=context))
        return {"phi": keys.phi_arn, "secret": keys.pseudonym_secret_arn}

    return run


def _statements(context: Context, data_class: Any) -> dict[str, dict[str, Any]]:
    document = json.loads(str(key_policy(context, data_class)))
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_every_class_of_data_has_its_own_key_and_alias(record: Any, program: Any, preview: bool) -> None:
    recording = record(program, preview=preview)
    assert {key.inputs["tags"]["data-class"] for key in recording.of(KEY)} == set(KEY_CLASSES)
    aliases = {alias.inputs["name"] for alias in recording.of("aws:kms/alias:Alias")}
    assert aliases == {f"alias/healthcare-imaging-mlops-test-{kind}" for kind in KEY_CLASSES}


def test_there_is_a_key_for_each_zone_of_the_design() -> None:
    assert set(KEY_CLASSES) == {
        "phi", "imaging", "tracking", "research", "models", "logs", "audit", "events", "secrets",
    }  # fmt: skip


def test_keys_rotate_yearly_and_leave_a_month_to_notice_a_wrong_deletion(record: Any, program: Any) -> None:
    for key in record(program).of(KEY):
        assert key.inputs["enableKeyRotation"] is True
        assert key.inputs["rotationPeriodInDays"] == 365
        assert key.inputs["deletionWindowInDays"] == 30


@pytest.mark.parametrize("data_class", KEY_CLASSES)
def test_no_key_policy_gives_everything_or_speaks_to_everyone(context: Context, data_class: str) -> None:
    for statement in _statements(context, data_class).values():
        assert "kms:*" not in statement["Action"], "workloads use keys, they never own them"
        assert statement["Principal"] != "*"
        if "Service" in statement["Principal"]:
            assert statement["Condition"], "a service acts for other customers too"


@pytest.mark.parametrize("data_class", KEY_CLASSES)
def test_administration_and_use_are_different_rights(context: Context, data_class: str) -> None:
    statements = _statements(context, data_class)
    administration = set(statements["AdministrationByIamPolicies"]["Action"])
    use = set(statements["UseByIamPolicies"]["Action"])
    assert not administration & use
    assert "kms:Decrypt" in use
    assert "kms:PutKeyPolicy" in administration, "without it AWS refuses the policy as a lock-out"


@pytest.mark.parametrize("data_class", KEY_CLASSES)
def test_grants_are_for_aws_services_only(context: Context, data_class: str) -> None:
    grants = _statements(context, data_class)["GrantsOnlyForAwsResources"]
    assert grants["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_only_keys_of_logs_let_the_log_service_in_and_only_for_our_groups(context: Context) -> None:
    holders = {kind for kind in KEY_CLASSES if "EncryptLogGroupsOfThisAccount" in _statements(context, kind)}
    assert holders == {"logs", "audit"}
    condition = _statements(context, "logs")["EncryptLogGroupsOfThisAccount"]["Condition"]
    assert condition == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                "arn:aws:logs:us-east-1:111122223333:log-group:*healthcare-imaging-mlops-test-*",
                "arn:aws:logs:us-east-1:111122223333:log-group:API-Gateway-Execution-Logs_*",
            ]
        }
    }


def test_cloudtrail_encrypts_for_this_stacks_trails_only(context: Context) -> None:
    holders = {kind for kind in KEY_CLASSES if "WriteEncryptedTrails" in _statements(context, kind)}
    assert holders == {"audit"}
    statements = _statements(context, "audit")
    trails = "arn:aws:cloudtrail:us-east-1:111122223333:trail/healthcare-imaging-mlops-test-*"
    assert statements["WriteEncryptedTrails"]["Action"] == ["kms:GenerateDataKey*"]
    assert statements["WriteEncryptedTrails"]["Condition"] == {
        "ArnLike": {"aws:SourceArn": trails},
        "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails},
    }
    assert statements["DescribeKeyForTrails"]["Condition"] == {"ArnLike": {"aws:SourceArn": trails}}


def test_events_and_alarms_can_publish_to_encrypted_queues_and_topics(context: Context) -> None:
    statement = _statements(context, "events")["PublishEncryptedMessages"]
    assert {"events.amazonaws.com", "cloudwatch.amazonaws.com"} <= set(statement["Principal"]["Service"])
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


@pytest.mark.parametrize("data_class", ["imaging", "tracking", "research", "secrets"])
def test_no_service_principal_reaches_the_keys_of_patients_data(context: Context, data_class: str) -> None:
    principals = [statement["Principal"] for statement in _statements(context, data_class).values()]
    assert all("Service" not in principal for principal in principals)


def test_fargate_encrypts_disks_of_this_stacks_tasks_and_reads_no_data_of_patients(context: Context) -> None:
    services = {sid: s for sid, s in _statements(context, "phi").items() if "Service" in s["Principal"]}
    assert set(services) == {"EncryptDisksOfTasks", "GrantDisksToTasks"}
    for statement in services.values():
        assert statement["Principal"] == {"Service": ["fargate.amazonaws.com"]}
        assert statement["Condition"]["StringEquals"] == {
            "kms:EncryptionContext:aws:ecs:clusterAccount": ["111122223333"]
        }
        assert statement["Condition"]["StringLike"] == {
            "kms:EncryptionContext:aws:ecs:clusterName": ["healthcare-imaging-mlops-test-*"]
        }
    assert services["EncryptDisksOfTasks"]["Action"] == ["kms:GenerateDataKeyWithoutPlaintext"]
    assert services["GrantDisksToTasks"]["Condition"]["ForAllValues:StringEquals"] == {
        "kms:GrantOperations": ["Decrypt"]
    }


def test_the_pseudonym_key_is_secret_and_never_changes_after_the_first_update(record: Any, program: Any) -> None:
    version = record(program).one(VERSION)
    assert "secretString" in version.secret_inputs, "state and plans must not show it"
    assert version.ignore_changes == ("secretString",), "a new key would tear every patient's pseudonyms apart"
    assert re.fullmatch(r"[0-9a-f]{64}", version.inputs["secretString"]), "32 bytes as hex"


def test_a_preview_draws_no_key_so_that_a_saved_plan_is_not_bound_to_one(record: Any, program: Any) -> None:
    version = record(program, preview=True).one(VERSION)
    assert not isinstance(version.inputs.get("secretString"), str)


def test_two_keys_differ() -> None:
    assert make_pseudonym_key("arn") != make_pseudonym_key("arn")


def test_the_secret_lies_under_the_key_of_secrets(record: Any, program: Any) -> None:
    secret = record(program).one("aws:secretsmanager/secret:Secret").inputs
    assert secret["kmsKeyId"].endswith("key/keys-secrets")
    assert secret["recoveryWindowInDays"] == 30
