"""Configuration is refused before any resource exists, in a sentence that names the key of the YAML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pydantic.alias_generators import to_camel

from components.settings import PROJECT, Settings, SettingsError, load, parse

ROOT = Path(__file__).parents[3]
STACKS = ("local", "dev", "staging", "prod")


def _stack(name: str) -> dict[str, Any]:
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    return {key.split(":", 1)[1]: value for key, value in config.items() if key.startswith(f"{PROJECT}:")}


def _minimal(**groups: dict[str, Any]) -> dict[str, Any]:
    return {**{key: {} for key in Settings.model_fields}, "tags": {"owner": "o", "costCenter": "c"}, **groups}


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_in_the_repository_is_accepted(stack: str) -> None:
    assert parse(_stack(stack), stack=stack).tags.owner


def test_the_project_declares_exactly_the_keys_that_the_settings_know() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(declared) == {to_camel(name) for name in Settings.model_fields}
    assert all(key["type"] == "object" and key["description"] for key in declared.values())


@pytest.mark.parametrize("stack", STACKS)
def test_every_value_of_a_stack_stands_beside_its_reason_or_its_group_has_one(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    assert text.startswith("# "), "the first line says what the stack is for"
    assert text.count(" # ") >= 5


@pytest.mark.parametrize(
    ("group", "values", "sentence"),
    [
        ("training", {"accuracyThreshold": 2.0}, "training.accuracyThreshold is 2.0 but must be between 0 and 1"),
        (
            "training",
            {"acuracyThreshold": 0.9},
            "training.acuracyThreshold is not a key of this project; did you mean accuracyThreshold?",
        ),
        (
            "registry",
            {"deployment": {"traffic": "CANARY"}},
            "registry.inferenceInstances is 1 but must be 2 or more: a canary is half of them at most",
        ),
        (
            "registry",
            {"deployment": {"bakeSeconds": 600, "maximumSeconds": 600}},
            "registry.deployment.maximumSeconds is 600 but must be more than its waits together",
        ),
        ("training", {"imageSize": 33}, "training.imageSize is 33 but must be a multiple of 32"),
        ("training", {"learningRate": 0}, "training.learningRate is 0 but must be between 0 and 1, 0 not included"),
        ("training", {"epochs": "many"}, "training.epochs is many but must be a valid integer"),
        ("training", {"validationShare": 0.5}, "training.validationShare is 0.5 but must leave 40 % for training"),
        (
            "training",
            {"backbone": "small_cnn", "weightsUri": "s3://weights/w.h5"},
            "training.weightsUri is s3://weights/w.h5 but must be absent: small_cnn has no ImageNet weights",
        ),
        ("training", {"weightsUri": "w.h5"}, "training.weightsUri is w.h5 but must be an S3 address"),
        ("training", {"maxWaitSeconds": 60}, "training.maxWaitSeconds is 60 but must be at least maxRuntimeSeconds"),
        (
            "training",
            {"trainingInstances": 3, "batchSize": 2},
            "training.trainingInstances is 3 but must be at most batchSize: each takes its rows of it",
        ),
        ("training", {"trainingInstanceType": "g5"}, "training.trainingInstanceType is g5 but must be a SageMaker"),
        (
            "functions",
            {"runtime": "python2.7"},
            "functions.runtime is python2.7 but must be 'python3.11', 'python3.12' or 'python3.13'",
        ),
        ("functions", {"logLevel": "DEBUG"}, "functions.logLevel is DEBUG but must be 'INFO', 'WARNING' or 'ERROR'"),
        (
            "functions",
            {"imageIngestion": {"memoryMb": 5}},
            "functions.imageIngestion.memoryMb is 5 but must be between 128 and 10240",
        ),
        ("logs", {"operationsDays": 29}, "logs.operationsDays is 29 but must be 1, 3, 5, 7, 14, 30"),
        ("logs", {"auditDays": 365}, "logs.auditDays is 365 but must be 2192, 2557"),
        ("monitoring", {"auditRetentionDays": 365}, "logs.auditDays is 365 but must be 2192, 2557"),
        ("network", {"vpcCidr": "10.0.0.0/8"}, "network.vpcCidr is 10.0.0.0/8 but must be between a /16 and a /28"),
        ("network", {"vpcCidr": "10.0.0.1/16"}, "network.vpcCidr is 10.0.0.1/16 but must be an IPv4 network"),
        (
            "network",
            {"privateSubnets": ["10.0.1.128/25", "10.0.20.0/24"]},
            "network.privateSubnets[0] is 10.0.1.128/25 but must not overlap publicSubnets[0] 10.0.1.0/24",
        ),
        (
            "network",
            {"privateSubnets": ["10.1.10.0/24", "10.0.20.0/24"]},
            "network.privateSubnets[0] is 10.1.10.0/24 but must lie inside vpcCidr 10.0.0.0/16",
        ),
        ("network", {"privateSubnets": ["10.0.10.0/24"]}, "network.privateSubnets is 1 but must list 2 or 3 subnets"),
        ("network", {"publicSubnets": ["10.0.1.0/24"]}, "network.publicSubnets is 1 but must list as many subnets"),
        ("network", {"interfaceEndpoints": ["ec3"]}, "network.interfaceEndpoints[0] is ec3 but must be 'medical-im"),
        (
            "network",
            {"interfaceEndpoints": ["kms", "kms"], "httpsEgress": "internet"},
            "network.interfaceEndpoints is kms but must name every service once",
        ),
        (
            "network",
            {"interfaceEndpoints": ["kms"]},
            "network.httpsEgress is endpoints but must be internet while interfaceEndpoints lacks application",
        ),
        ("storage", {"forceDestroy": True}, "storage.forceDestroy is true but must be false where objectLockMode is"),
        ("storage", {"glacierDays": 90}, "storage.glacierDays is 90 but must be more than intelligentTieringDays"),
        ("storage", {"secretRecoveryDays": 3}, "storage.secretRecoveryDays is 3 but must be 0 or between 7 and 30"),
        (
            "storage",
            {"directAccessPrincipals": ["*"]},
            "storage.directAccessPrincipals[0] is * but must be the name of a role",
        ),
        ("monitoring", {"alertEmails": ["a@b"]}, "monitoring.alertEmails[0] is a@b but must be an e-mail address"),
        ("monitoring", {"healthSchedule": "often"}, "monitoring.healthSchedule is often but must be a schedule"),
        ("api", {"corsOrigins": ["*"]}, "api.corsOrigins[0] is * but must be an https origin"),
        ("containers", {"training": "model"}, "containers.training is model but must be a digest (sha256: and 64 hex"),
        ("containers", {"api": "host.example/a:v1"}, "containers.api is host.example/a:v1 but must be a digest"),
        ("containers", {"storeScp": "sha256:ab"}, "containers.storeScp is sha256:ab but must be a digest"),
        ("containers", {"keepImages": 2}, "containers.keepImages is 2 but must be between 10 and 1000"),
        (
            "tags",
            {"owner": "o", "costCenter": "c", "extra": {"data-class": "operations"}},
            "tags.extra is data-class but must not set platform tags",
        ),
        ("tags", {"owner": "o"}, "tags.costCenter is missing"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else None,
)
def test_a_bad_value_is_refused_in_a_sentence_that_names_its_key(
    group: str, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        parse(_minimal(**{group: values}), stack="dev")
    message = str(refused.value)
    assert message.startswith(f"{PROJECT}:{sentence}")
    assert message.endswith("(Pulumi.dev.yaml)")
    assert "\n" not in message, "one problem is one sentence"


@pytest.mark.parametrize(
    ("storage", "security", "accepted"),
    [
        ({}, {}, False),
        ({"objectLockMode": "GOVERNANCE"}, {}, False),
        ({"deletionProtection": False}, {}, False),
        ({"deletionProtection": False, "objectLockMode": "GOVERNANCE"}, {}, True),
        ({}, {"trail": False}, True),
    ],
)
def test_who_keeps_records_watches_their_trail(
    storage: dict[str, Any], security: dict[str, Any], accepted: bool
) -> None:
    values = _minimal(storage=storage, security=security, monitoring={"auditLagMinutes": 0})
    if accepted:
        assert parse(values, stack="any").monitoring.audit_lag_minutes == 0
        return
    with pytest.raises(SettingsError, match=r":monitoring\.auditLagMinutes is 0 but must be 1 or more where storage\."):
        parse(values, stack="any")


@pytest.mark.parametrize("stack", ["staging", "prod"])
def test_a_stack_with_records_cannot_turn_the_alarm_of_its_trail_off(stack: str) -> None:
    values = _stack(stack)
    values["monitoring"]["auditLagMinutes"] = 0
    with pytest.raises(SettingsError, match=rf"auditLagMinutes is 0 .* \(Pulumi\.{stack}\.yaml\)"):
        parse(values, stack=stack)


@pytest.mark.parametrize("group", ["ingestion", "functions"])
def test_a_group_that_is_not_a_group_is_refused(group: str) -> None:
    with pytest.raises(SettingsError, match=rf":{group} is 7 but must be a group of keys \(Pulumi.dev.yaml\)"):
        parse({**_minimal(), group: 7}, stack="dev")


def test_two_problems_are_two_sentences() -> None:
    with pytest.raises(SettingsError) as refused:
        parse(_minimal(training={"epochs": 0}, api={"mfa": "MAYBE"}), stack="dev")
    assert len(str(refused.value).splitlines()) == 2


def test_what_a_stack_leaves_out_takes_the_defaults_of_production() -> None:
    settings = parse(_minimal(), stack="dev")
    assert settings.storage.object_lock_mode == "COMPLIANCE", "a forgotten key must fall to the safe side"
    assert settings.storage.deletion_protection
    assert not settings.registry.auto_approve, "a person answers for a model unless a stack says otherwise"
    assert (settings.functions.image_ingestion.memory_mb, settings.functions.image_ingestion.timeout_seconds) == (
        512,
        300,
    )


def test_a_size_given_in_part_keeps_the_rest_of_the_platforms_own() -> None:
    settings = parse(_minimal(functions={"modelEvaluation": {"reservedConcurrency": 2}}), stack="dev")
    assert settings.functions.model_evaluation.memory_mb == 1024
    assert settings.functions.model_evaluation.reserved_concurrency == 2


def test_production_keeps_records_for_seven_years_and_lets_no_model_in_by_itself() -> None:
    settings = parse(_stack("prod"), stack="prod")
    assert (settings.storage.object_lock_mode, settings.storage.object_lock_days) == ("COMPLIANCE", 2557)
    assert settings.network.nat_strategy == "OnePerAz"
    assert settings.network.https_egress == "endpoints"
    assert not settings.registry.auto_approve
    training = settings.training
    assert (training.backbone, training.image_size, training.epochs, training.batch_size) == ("resnet50", 512, 50, 32)


def test_settings_are_read_from_the_engines_configuration() -> None:
    values = {f"{PROJECT}:{key}": json.dumps(value) for key, value in _minimal(training={"epochs": 7}).items()}
    pulumi.runtime.set_all_config(values)
    try:
        assert load().training.epochs == 7
    finally:
        pulumi.runtime.set_all_config({})


def test_alert_channels_are_off_and_come_whole() -> None:
    monitoring = parse(_minimal(), stack="dev").monitoring
    assert (monitoring.slack.team_id, monitoring.pager_duty_url) == (None, None)
    with pytest.raises(SettingsError, match=r"monitoring.slack.channelId is None but must stand beside the other one"):
        parse(_minimal(monitoring={"slack": {"teamId": "T0123ABCD"}}), stack="dev")


def test_no_error_repeats_a_secret() -> None:
    with pytest.raises(SettingsError, match=r"pagerDutyUrl is \(a secret\) but must be the https address") as refused:
        parse(_minimal(monitoring={"pagerDutyUrl": "http://events.example.org/k3y"}), stack="dev")
    assert "k3y" not in str(refused.value)


def test_the_days_of_logs_in_a_stack_file_of_the_first_release_are_still_read() -> None:
    """Upgrading the program must not need an edited stack file; what the file says in today's place wins."""
    old = _minimal(
        functions={"logRetentionDays": 90},
        monitoring={"auditRetentionDays": 3653},
        network={"flowLogRetentionDays": 365},
    )
    logs = parse(old, stack="prod").logs
    assert (logs.operations_days, logs.audit_days) == (90, 3653)
    assert parse({**old, "logs": {"operationsDays": 14}}, stack="prod").logs.operations_days == 14
    assert "logRetentionDays" in old["functions"], "what was given is not changed"
