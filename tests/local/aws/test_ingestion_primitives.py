"""What the ingestion is built of: S3 events, input transformers, state machines, delayed queues, batch failures."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from components.backfill_workflow import backfill
from components.ingestion_workflow import WITHIN_FIVE_MINUTES
from components.ingestion_workflow import definition as definition_of_program
from operations.backfill import progress

WORKER = """
class TransientError(Exception): pass
class PoisonError(Exception): pass
seen = {}
def handler(event, context):
    key = event["object"]["key"]
    seen[key] = seen.get(key, 0) + 1
    if "transient" in key and seen[key] < 3:
        raise TransientError("try again")
    if "poison" in key:
        raise PoisonError("never")
    return {"valid": "invalid" not in key, "tries": seen[key]}
"""


def definition(function: str) -> str:
    """Validate each object with retries, branch on the answer, catch what cannot be saved."""
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {"operation": "validate", "object.$": "$"}},
        "ResultSelector": {"valid.$": "$.Payload.valid", "tries.$": "$.Payload.tries"},
        "ResultPath": "$.validated",
        "Retry": [
            {"ErrorEquals": ["TransientError"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 1.0},
        ],
        "Catch": [{"ErrorEquals": ["PoisonError"], "ResultPath": "$.error", "Next": "Quarantined"}],
        "Next": "Valid?",
    }
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.validated.valid", "BooleanEquals": True, "Next": "Accepted"}],
        "Default": "Quarantined",
    }
    item = {
        "StartAt": "Validate",
        "States": {
            "Validate": task,
            "Valid?": choice,
            "Accepted": {"Type": "Pass", "Result": "accepted", "ResultPath": "$.outcome", "End": True},
            "Quarantined": {"Type": "Pass", "Result": "quarantined", "ResultPath": "$.outcome", "End": True},
        },
    }
    each = {"Type": "Map", "ItemsPath": "$.objects", "MaxConcurrency": 4, "ItemProcessor": item, "End": True}
    return json.dumps({"StartAt": "EachObject", "States": {"EachObject": each}})


@pytest.fixture(scope="module")
def machine(aws: Any) -> str:
    """The state machine, once per module."""
    from tests.local.aws.conftest import make_function, make_role

    function = make_function(aws, "ingest-worker", WORKER)
    role = make_role(aws("iam"), "ingest-machine", "states", ["lambda:InvokeFunction"])
    made = aws("stepfunctions").create_state_machine(name="ingest", definition=definition(function), roleArn=role)
    return made["stateMachineArn"]


def finished(aws: Any, execution: str) -> dict[str, Any] | None:
    found = aws("stepfunctions").describe_execution(executionArn=execution)
    return found if found["status"] != "RUNNING" else None


def test_a_map_retries_by_error_class_and_catches_what_stays(aws: Any, machine: str, eventually: Any) -> None:
    keys = ["good", "transient", "poison", "invalid"]
    started = aws("stepfunctions").start_execution(
        stateMachineArn=machine, input=json.dumps({"objects": [{"key": key} for key in keys]})
    )
    ended = eventually(lambda: finished(aws, started["executionArn"]), what="the execution")
    assert ended["status"] == "SUCCEEDED"
    items = {item["key"]: item for item in json.loads(ended["output"])}
    assert {key: item["outcome"] for key, item in items.items()} == {
        "good": "accepted",
        "transient": "accepted",
        "poison": "quarantined",
        "invalid": "quarantined",
    }
    assert items["transient"]["validated"]["tries"] == 3
    assert items["poison"]["error"]["Error"] == "PoisonError"


def test_a_throttled_task_is_retried_by_its_name(aws: Any, function: Any, role: Any, eventually: Any) -> None:
    arn = function("narrow", "import time\ndef handler(event, context):\n    time.sleep(0.5)\n    return 1\n")
    aws("lambda").put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)
    retry = {"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 20}
    task = {"Type": "Task", "Resource": arn, "Retry": [{**retry, "BackoffRate": 1.0}], "End": True}
    each = {"Type": "Map", "ItemProcessor": {"StartAt": "T", "States": {"T": task}}, "End": True}
    machine = aws("stepfunctions").create_state_machine(
        name="narrow",
        definition=json.dumps({"StartAt": "M", "States": {"M": each}}),
        roleArn=role("narrow-machine", "states", ["lambda:InvokeFunction"]),
    )["stateMachineArn"]
    started = aws("stepfunctions").start_execution(stateMachineArn=machine, input="[1, 2, 3, 4]")
    ended = eventually(lambda: finished(aws, started["executionArn"]), seconds=60, what="the execution")
    assert (ended["status"], json.loads(ended.get("output", "null"))) == ("SUCCEEDED", [1, 1, 1, 1])


def test_an_upload_starts_the_machine_with_the_transformed_event(
    aws: Any, machine: str, role: Any, eventually: Any
) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="upload-events")
    s3.put_bucket_notification_configuration(
        Bucket="upload-events", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    events = aws("events")
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["upload-events"]}, "object": {"key": [{"prefix": "upload/"}]}},
    }
    events.put_rule(Name="dicom-uploaded", EventPattern=json.dumps(pattern))
    paths = {name: f"$.detail.{path}" for name, path in _FIELDS.items()}
    template = '{"objects":[{"bucket":<bucket>,"key":<key>,"etag":<etag>,"size":<size>}]}'  # strings come quoted
    events.put_targets(
        Rule="dicom-uploaded",
        Targets=[
            {
                "Id": "ingestion",
                "Arn": machine,
                "RoleArn": role("start-machine", "events", ["states:StartExecution"]),
                "InputTransformer": {"InputPathsMap": paths, "InputTemplate": template},
            }
        ],
    )
    put = s3.put_object(Bucket="upload-events", Key='upload/a "quoted" name.dcm', Body=b"12345")
    s3.put_object(Bucket="upload-events", Key="elsewhere/b.dcm", Body=b"1")
    found = eventually(
        lambda: [
            json.loads(aws("stepfunctions").describe_execution(executionArn=one["executionArn"])["input"])
            for one in aws("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
            if b"upload-events"
            in json.dumps(aws("stepfunctions").describe_execution(executionArn=one["executionArn"])["input"]).encode()
        ],
        what="the execution by event",
    )
    expected = {
        "bucket": "upload-events",
        "key": 'upload/a "quoted" name.dcm',
        "etag": put["ETag"].strip('"'),
        "size": 5,
    }
    assert found == [{"objects": [expected]}]


_FIELDS = {"bucket": "bucket.name", "key": "object.key", "etag": "object.etag", "size": "object.size"}


def test_a_delayed_message_waits_and_failed_ones_of_a_batch_come_again(
    aws: Any, function: Any, eventually: Any
) -> None:
    sqs, tables = aws("sqs"), aws("dynamodb")
    tables.create_table(
        TableName="received",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dead = sqs.create_queue(QueueName="import-dead")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    attributes = {"VisibilityTimeout": "6", "RedrivePolicy": redrive}
    queue = sqs.create_queue(QueueName="import", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    function(
        "import-worker",
        """
        import boto3, time
        table = boto3.resource("dynamodb").Table("received")
        def handler(event, context):
            failures = []
            for record in event["Records"]:
                if record["body"] == "poison":
                    failures.append({"itemIdentifier": record["messageId"]})
                else:
                    table.put_item(Item={"pk": record["body"], "sent": record["attributes"]["SentTimestamp"],
                                         "handled": str(int(time.time() * 1000))})
            return {"batchItemFailures": failures}
        """,
        Timeout=6,
    )
    aws("lambda").create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="import-worker",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    for body, delay in (("now", 0), ("later", 3), ("poison", 0)):
        sqs.send_message(QueueUrl=queue, MessageBody=body, DelaySeconds=delay)

    def handled(name: str) -> Any:
        return tables.get_item(TableName="received", Key={"pk": {"S": name}}).get("Item")

    later = eventually(lambda: handled("later"), what="the delayed message")
    assert int(later["handled"]["S"]) - int(later["sent"]["S"]) >= 2900
    assert handled("now") is not None
    message = eventually(lambda: sqs.receive_message(QueueUrl=dead).get("Messages"), what="the dead letter")
    assert [one["Body"] for one in message] == ["poison"]


def test_a_rate_rule_fires(aws: Any, eventually: Any) -> None:
    queue = aws("sqs").create_queue(QueueName="ticks")["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws("events").put_rule(Name="tick", ScheduleExpression="rate(1 minute)")
    aws("events").put_targets(Rule="tick", Targets=[{"Id": "q", "Arn": arn, "Input": '{"tick":1}'}])
    message = eventually(
        lambda: aws("sqs").receive_message(QueueUrl=queue).get("Messages"), seconds=90, what="the schedule"
    )
    assert json.loads(message[0]["Body"]) == {"tick": 1}


def test_a_rule_writes_events_to_a_log_group(aws: Any, eventually: Any) -> None:
    logs, events = aws("logs"), aws("events")
    logs.create_log_group(logGroupName="/aws/events/pipeline-failures")
    group = "arn:aws:logs:us-east-1:111122223333:log-group:/aws/events/pipeline-failures"
    events.put_rule(Name="to-log", EventPattern='{"source":["tests.log"]}')
    events.put_targets(Rule="to-log", Targets=[{"Id": "log", "Arn": group}])
    events.put_events(Entries=[{"Source": "tests.log", "DetailType": "Failed", "Detail": '{"reason":"planned"}'}])
    found = eventually(
        lambda: logs.filter_log_events(logGroupName="/aws/events/pipeline-failures")["events"], seconds=10
    )
    assert json.loads(found[0]["message"])["detail"] == {"reason": "planned"}


def test_an_event_whose_target_fails_goes_to_the_dead_letter_queue(aws: Any, function: Any, eventually: Any) -> None:
    queue = aws("sqs").create_queue(QueueName="events-dead")["QueueUrl"]
    dead = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    missing = "arn:aws:lambda:us-east-1:111122223333:function:not-there"
    events = aws("events")
    events.put_rule(Name="to-nowhere", EventPattern='{"source":["tests.dead"]}')
    target = {"Id": "gone", "Arn": missing, "DeadLetterConfig": {"Arn": dead}}
    events.put_targets(Rule="to-nowhere", Targets=[target])
    events.put_events(Entries=[{"Source": "tests.dead", "DetailType": "Lost", "Detail": "{}"}])
    message = eventually(
        lambda: aws("sqs").receive_message(QueueUrl=queue).get("Messages"), seconds=10, what="the dead event"
    )
    assert json.loads(message[0]["Body"])["source"] == "tests.dead"


def test_s3_confirms_the_checksum_of_a_put_and_refuses_a_second_one_under_the_key(aws: Any) -> None:
    """What the receiver's acknowledgement stands on."""
    s3, content = aws("s3"), b"an instance"
    s3.create_bucket(Bucket="checksums")
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    put = {"Bucket": "checksums", "Key": "upload/a.dcm", "Body": content, "IfNoneMatch": "*"}
    assert s3.put_object(**put, ChecksumSHA256=checksum)["ChecksumSHA256"] == checksum
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(**put, ChecksumSHA256=checksum)
    with pytest.raises(s3.exceptions.ClientError, match="BadDigest"):
        s3.put_object(**{**put, "Key": "upload/b.dcm"}, ChecksumSHA256=base64.b64encode(bytes(32)).decode())


def test_the_back_fill_drives_each_object_of_a_prefix_or_of_a_manifest(
    aws: Any, function: Any, role: Any, eventually: Any
) -> None:
    """The very document of the program over a function that stands for ImageIngestion.

    The embedded AWS runs the Distributed Map, its reader, concurrency and tolerance; it writes no results.
    """
    source = """
    def handler(event, context):
        if "later" in event["object"]["key"]:
            raise TransientError("a service is down")
        found = event["object"]
        return {"object_id": found["key"], "valid": found["bucket"] == "history", "deid_status": "x"}
    class TransientError(Exception): pass
    """
    s3, machines = aws("s3"), aws("stepfunctions")
    s3.create_bucket(Bucket="history")
    for key in ["upload/a.dcm", "upload/b.dcm", "validated/c.dcm"]:
        s3.put_object(Bucket="history", Key=key, Body=b"x")
    s3.put_object(
        Bucket="history", Key="backfill/m.jsonl", Body=b'{"Key": "upload/b.dcm"}\n{"Key": "upload/later.dcm"}\n'
    )
    document = backfill(function("backfill-worker", source), "history", 2)
    for state in document["States"].values():
        for task in state.get("ItemProcessor", {}).get("States", {}).values():
            task.pop("Retry", None)  # the pauses between tries are the ingestion's own tests' matter
    machine = machines.create_state_machine(
        name="backfill",
        definition=json.dumps(document),
        roleArn=role("backfill-machine", "states", ["lambda:InvokeFunction", "s3:*", "states:*"]),
    )["stateMachineArn"]

    def run(given: dict[str, str]) -> tuple[str, dict[str, int]]:
        arn = machines.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
        eventually(lambda: finished(aws, arn), seconds=60, what="the back-fill")
        ended = progress(machines, arn)
        return ended.error or ended.status, {key: count for key, count in ended.objects.items() if count}

    assert run({"prefix": "upload/"}) == ("SUCCEEDED", {"total": 2, "succeeded": 2})
    outcome, counts = run({"manifest": "backfill/m.jsonl"})
    assert outcome == "States.ExceedToleratedFailureThreshold"
    assert counts == {"total": 2, "succeeded": 1, "failed": 1}
    assert run({"prefix": "validated/"}) == ("NoSource", {})


def test_an_express_machine_runs_the_ingestion_without_a_history(aws: Any, function: Any, role: Any) -> None:
    worker = function("express-worker", "def handler(event, context):\n    return {'valid': False, 'object_id': 'x'}\n")
    machine = aws("stepfunctions").create_state_machine(
        name="express",
        type="EXPRESS",
        definition=json.dumps(definition_of_program(worker, 1, WITHIN_FIVE_MINUTES)),
        roleArn=role("express-machine", "states", ["lambda:InvokeFunction"]),
    )["stateMachineArn"]
    given = json.dumps({"objects": [{"bucket": "landing", "key": "upload/a.dcm", "etag": "e", "size": 1}]})
    ended = aws("stepfunctions").start_sync_execution(stateMachineArn=machine, input=given)
    assert (ended["status"], json.loads(ended["output"])["outcomes"]) == ("SUCCEEDED", ["refused"])
