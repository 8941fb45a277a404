"""What a stack is doing now: every part is read, and a part that does not answer does not hide the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from operations.__main__ import app
from operations.doctor.finding import FAULT, OK
from operations.monitor import QUEUES, document, look

PREFIX = "healthcare-imaging-mlops-prod"
DEFINITION = json.dumps({"StartAt": "a", "States": {"a": {"Type": "Succeed"}}})


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        for role in QUEUES:
            boto3.client("sqs").create_queue(QueueName=f"{PREFIX}-{role}")
        role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        machine = boto3.client("stepfunctions").create_state_machine(
            name=f"{PREFIX}-ingestion", definition=DEFINITION, roleArn=role
        )
        boto3.client("stepfunctions").start_execution(stateMachineArn=machine["stateMachineArn"])
        yield boto3.client


def says(readings: Any) -> dict[str, tuple[str, str]]:
    return {reading.what: (reading.says, reading.state) for reading in readings}


def test_queues_workflow_and_models_are_read(clients: Any) -> None:
    url = clients("sqs").get_queue_url(QueueName=f"{PREFIX}-upload")["QueueUrl"]
    clients("sqs").send_message(QueueUrl=url, MessageBody="{}")
    found = says(look(clients, "prod"))
    assert found["queue upload"] == ("1 waiting, 0 in work, 0 delayed", OK)
    assert found["queue import"][0].startswith("0 waiting")
    assert found["ingestion now"] == ("1 executions running", OK)
    assert found["endpoint"] == ("none: no model was deployed yet", OK)
    assert found["alarms"][1] == FAULT, "a stack without alarms is not well"


def test_a_failed_training_and_endpoint_stand_out() -> None:
    class SageMaker:
        def list_pipeline_executions(self, **given: Any) -> Any:
            assert given["PipelineName"] == f"{PREFIX}-training"
            started = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
            return {"PipelineExecutionSummaries": [{"PipelineExecutionStatus": "Failed", "StartTime": started}]}

        def list_endpoints(self, **given: Any) -> Any:
            return {"Endpoints": [{"EndpointName": "e", "EndpointStatus": "Failed"}]}

    def only_sagemaker(service: str) -> Any:
        if service != "sagemaker":
            raise OSError("unreachable")
        return SageMaker()

    readings = look(only_sagemaker, "prod")
    found = says(readings)
    assert found["last training"] == ("Failed, begun 2026-11-21T08:30+00:00", FAULT)
    assert found["endpoint"] == ("e: Failed", FAULT)
    assert found["queues"][0].startswith("no answer: OSError")
    assert all(found[name][1] == FAULT for name in ("queues", "workflow", "dead letters", "alarms"))
    assert len(document(readings)["readings"]) == len(readings)


def test_one_look_as_json_and_as_a_table(clients: Any) -> None:
    told = CliRunner().invoke(app, ["monitor", "--stack", "prod", "--json"])
    assert told.exit_code == 0, told.output
    assert {one["what"] for one in json.loads(told.output)["readings"]} >= {"queue upload", "endpoint", "alarms"}
    shown = CliRunner().invoke(app, ["monitor", "--stack", "prod", "--once"])
    assert "1 executions running" in shown.output
