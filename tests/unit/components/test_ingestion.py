"""The way in: rules, machine, queue and function hang together and lose nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components._rules import rule_arn
from components._workload import Workload
from components.function import FunctionSize
from components.ingestion import IngestionWorkflow, IngestionWorkflowArgs
from components.ingestion_function import IngestionLimits, IngestionStores
from components.ingestion_machine import Kind, machine_arn

MACHINE = "aws:sfn/stateMachine:StateMachine"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
RULE = "aws:cloudwatch/eventRule:EventRule"
QUEUE = "aws:sqs/queue:Queue"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"


@pytest.fixture
def program(context: Context, workload: Workload, table: Any) -> Callable[[], dict[str, Any]]:
    """Ingestion of a stack, its machine of the kind that is asked for."""

    def run(kind: Kind = "STANDARD") -> dict[str, Any]:
        made = IngestionWorkflow(
            "ingestion",
            IngestionWorkflowArgs(
                workload=workload,
                stores=IngestionStores(
                    training_data_bucket=context.naming.bucket("training-data"),
                    preprocessed_bucket=context.naming.bucket("preprocessed"),
                    tracking=table("image-tracking"),
                    pseudonym_secret_arn=context.naming.arn("secretsmanager", "secret:pseudonym-key"),
                    datastore_id="d" * 32,
                    datastore_arn=context.naming.arn("medical-imaging", f"datastore/{'d' * 32}"),
                    import_role_arn=context.naming.arn("iam", "role/import", regional=False),
                ),
                limits=IngestionLimits(
                    import_quiet_seconds=60, max_object_bytes=1_000_000, keep_patient_characteristics=True
                ),
                size=FunctionSize(memory_mb=512, timeout_seconds=300),
                max_concurrency=7,
                kind=kind,
                backfill_concurrency=5,
            ),
        )
        return {"machine": made.state_machine_arn, "queue": made.import_queue_url}

    return run


def test_the_machine_keeps_no_payload_and_encrypts_its_history(record: Any, program: Any, workload: Workload) -> None:
    inputs = record(program).one(MACHINE, "ingestion-machine").inputs
    assert inputs["type"] == "STANDARD"
    assert inputs["loggingConfiguration"]["includeExecutionData"] is False
    assert inputs["loggingConfiguration"]["level"] == "ALL"
    assert inputs["loggingConfiguration"]["logDestination"].endswith(":*")
    assert inputs["encryptionConfiguration"]["type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert inputs["encryptionConfiguration"]["kmsKeyId"] == workload.keys.events
    assert inputs["tracingConfiguration"] == {"enabled": True}
    assert json.loads(inputs["definition"])["States"]["EachObject"]["MaxConcurrency"] == 7


def test_an_express_machine_takes_one_file_an_execution_and_fails_before_it_is_ended(record: Any, program: Any) -> None:
    recording = record(lambda: program("EXPRESS"))
    machine = recording.one(MACHINE, "ingestion-machine").inputs
    assert machine["type"] == "EXPRESS"
    assert machine["loggingConfiguration"]["level"] == "ALL", "its log is all that is known of an execution"
    states = json.loads(machine["definition"])["States"]["EachObject"]["ItemProcessor"]["States"]
    assert max(state.get("TimeoutSeconds", 0) for state in states.values()) < 300
    function = recording.one("aws:lambda/function:Function").inputs
    assert function["environment"]["variables"]["OBJECTS_PER_EXECUTION"] == "1"


def test_a_standard_machine_takes_as_many_files_as_an_invocation_has(record: Any, program: Any) -> None:
    function = record(program).one("aws:lambda/function:Function").inputs
    assert function["environment"]["variables"]["OBJECTS_PER_EXECUTION"] == "100"


def test_a_back_fill_may_list_uploads_and_read_none(record: Any, program: Any, context: Context) -> None:
    recording = record(program)
    machine = recording.one(MACHINE, "ingestion-backfill").inputs
    assert machine["type"] == "STANDARD", "an Express machine has no Distributed Map"
    policy = recording.policy("aws:iam/rolePolicy:RolePolicy", "ingestion-backfill-role-policy")
    bucket = f"arn:aws:s3:::{context.naming.bucket('training-data')}"
    assert policy["ListUploads"]["Condition"] == {"StringLike": {"s3:prefix": "upload/*"}}
    assert policy["ReadManifests"]["Resource"] == [f"{bucket}/backfill/*"]
    assert policy["WriteResults"]["Resource"] == [f"{bucket}/reports/backfill/*"]
    own = machine_arn(context).removesuffix("ingestion") + "backfill"
    assert policy["StartChildren"]["Resource"] == [own]
    executions, express = own.replace(":stateMachine:", ":execution:"), own.replace(":stateMachine:", ":express:")
    followed = policy["FollowChildren"]["Resource"]
    assert followed == [f"{executions}:*", f"{express}/Listed:*:*", f"{express}/Named:*:*"]
    assert policy["RedriveChildren"]["Resource"] == [f"{executions}/Listed:*", f"{executions}/Named:*"]
    histories = policy["EncryptHistory"]["Condition"]["StringEquals"]
    assert histories == {"kms:EncryptionContext:aws:states:stateMachineArn": [own, f"{own}/Listed", f"{own}/Named"]}


def test_an_upload_waits_in_a_queue_that_only_its_rule_can_fill(
    record: Any, program: Any, context: Context, preview: bool
) -> None:
    recording = record(program, preview=preview)
    rule = recording.one(RULE, "ingestion-dicom-uploaded")
    assert json.loads(rule.inputs["eventPattern"])["detail"]["object"]["key"] == [{"prefix": "upload/"}]
    assert "eventBusName" not in rule.inputs, "S3 speaks on the default bus only"
    policy = json.loads(recording.one(QUEUE, "ingestion-upload").inputs["policy"])["Statement"]
    (allowed,) = [statement for statement in policy if statement["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": ["events.amazonaws.com"]}
    assert allowed["Condition"]["ArnEquals"]["aws:SourceArn"] == [rule_arn(context, "dicom-uploaded")]


def test_the_function_may_start_the_one_machine(record: Any, program: Any, context: Context) -> None:
    policy = record(program).policy("aws:iam/rolePolicy:RolePolicy", "ingestion-function-role-policy")
    assert policy["StartWorkflow"]["Action"] == ["states:StartExecution"]
    assert policy["StartWorkflow"]["Resource"] == [machine_arn(context)]


def test_the_target_hands_over_a_reference_and_tries_for_a_day(record: Any, program: Any) -> None:
    target = record(program).one(TARGET, "ingestion-dicom-uploaded-target").inputs
    assert set(target["inputTransformer"]["inputPaths"]) == {"bucket", "key", "etag", "size"}
    assert target["retryPolicy"] == {"maximumEventAgeInSeconds": 86_400, "maximumRetryAttempts": 185}
    assert target["deadLetterConfig"]["arn"].endswith("ingestion-dlq")
    assert target["arn"].endswith("-upload")


@pytest.mark.parametrize("name", ["import", "upload"])
def test_a_queue_hides_a_message_longer_than_the_function_runs(record: Any, program: Any, name: str) -> None:
    recording = record(program)
    queue = recording.one(QUEUE, f"ingestion-{name}").inputs
    function = recording.one("aws:lambda/function:Function").inputs
    window = recording.one(MAPPING, f"ingestion-{name}-source").inputs["maximumBatchingWindowInSeconds"]
    assert queue["visibilityTimeoutSeconds"] >= 6 * function["timeout"] + window, "work would be done twice at once"
    redrive = json.loads(queue["redrivePolicy"])
    assert redrive["maxReceiveCount"] == 5
    assert redrive["deadLetterTargetArn"].endswith("ingestion-dlq")
    assert queue["messageRetentionSeconds"] == 14 * 24 * 60 * 60


@pytest.mark.parametrize("name", ["import", "upload"])
def test_messages_arrive_in_groups_and_one_bad_one_does_not_repeat_the_others(
    record: Any, program: Any, name: str
) -> None:
    mapping = record(program).one(MAPPING, f"ingestion-{name}-source").inputs
    assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["batchSize"] > 10
    assert mapping["maximumBatchingWindowInSeconds"] >= 1, "Lambda refuses more than ten messages without a window"


def test_the_import_rule_waits_for_the_store_when_its_id_is_not_known_yet(record: Any, program: Any) -> None:
    pattern = json.loads(record(program).one(RULE, "ingestion-import-finished").inputs["eventPattern"])
    assert pattern["detail"] == {"datastoreId": ["d" * 32]}


def test_ingestion_can_delete_nothing_that_was_received(record: Any, program: Any) -> None:
    policy = record(program).policy("aws:iam/rolePolicy:RolePolicy", "ingestion-function-role-policy")
    actions = {action for statement in policy.values() for action in statement["Action"]}
    assert not [action for action in actions if action.startswith("s3:Delete")]
    written = policy["WriteJudgedObjects"]["Resource"] + policy["WriteDeidentifiedObjects"]["Resource"]
    assert not [arn for arn in written if "/upload/" in arn], "an upload is the durable record"


def test_only_our_rules_may_invoke_the_function(record: Any, program: Any, preview: bool) -> None:
    permissions = record(program, preview=preview).of("aws:lambda/permission:Permission")
    assert [permission.inputs["principal"] for permission in permissions] == ["events.amazonaws.com"]
    assert "sourceArn" in permissions[0].inputs or "sourceArn" in permissions[0].property_dependencies


def test_outputs_are_known_after_an_update_and_names_already_in_a_preview(
    record: Any, program: Any, preview: bool
) -> None:
    recording = record(program, preview=preview)
    assert recording.known == {"machine": not preview, "queue": not preview}
    assert recording.one(MACHINE, "ingestion-machine").inputs["name"] == "healthcare-imaging-mlops-test-ingestion"
