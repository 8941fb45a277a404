"""SIGKILL in the middle of an ingestion: what was acknowledged is still there, and everything works on."""

from __future__ import annotations

import contextlib
import json
import resource
import time
from typing import Any

import botocore.exceptions
import pytest

from tests.local.aws.conftest import make_function, make_role

TRACKER = """
import boto3
table = boto3.resource("dynamodb").Table("tracking")
def handler(event, context):
    detail = event["detail"]
    table.put_item(Item={"pk": detail["object"]["key"], "etag": detail["object"]["etag"]})
    return {"ok": True}
"""
QUEUED = """
import boto3
table = boto3.resource("dynamodb").Table("tracking")
def handler(event, context):
    for record in event["Records"]:
        table.put_item(Item={"pk": "queued/" + record["body"]})
"""


class Platform:
    """Resources as `pulumi up` makes them, and the calls to use them."""

    def __init__(self, environment: dict[str, str], make_client: Any) -> None:
        self._environment = environment
        self._make_client = make_client

    def __call__(self, service: str, **named: Any) -> Any:
        return self._make_client(self._environment, service, **named)

    def deploy(self) -> None:
        s3, events = self("s3"), self("events")
        s3.create_bucket(Bucket="landing")
        s3.put_bucket_versioning(Bucket="landing", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket="landing", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self("dynamodb").create_table(
            TableName="tracking",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        tracker = make_function(self, "tracker", TRACKER)
        machine = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": tracker, "End": True}}}
        role = make_role(self("iam"), "machine", "states", ["lambda:InvokeFunction"])
        arn = self("stepfunctions").create_state_machine(
            name="ingestion", definition=json.dumps(machine), roleArn=role
        )["stateMachineArn"]
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
        events.put_rule(Name="uploaded", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="uploaded", Targets=[{"Id": "machine", "Arn": arn, "RoleArn": role}])
        queue = self("sqs").create_queue(QueueName="work")["QueueUrl"]
        queue_arn = self("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        make_function(self, "queued", QUEUED)
        self("lambda").create_event_source_mapping(
            EventSourceArn=queue_arn["Attributes"]["QueueArn"], FunctionName="queued"
        )
        self._deploy_api(tracker)

    def _deploy_api(self, function: str) -> None:
        gateway = self("apigateway")
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
        answer = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode":200}'}}
        answer["responses"] = {"default": {"statusCode": "200", "responseTemplates": {"application/json": "up"}}}
        document = {
            "openapi": "3.0.1",
            "info": {"title": "radiologist", "version": "1"},
            "paths": {
                "/health": {
                    "get": {"responses": {"200": {}}, "x-amazon-apigateway-integration": answer},
                    "post": {
                        "x-amazon-apigateway-integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": uri}
                    },
                }
            },
        }
        api = gateway.import_rest_api(body=json.dumps(document).encode())["id"]
        gateway.create_deployment(restApiId=api, stageName="v1")
        pool = self("cognito-idp").create_user_pool(PoolName="people")["UserPool"]["Id"]
        self("cognito-idp").admin_create_user(UserPoolId=pool, Username="reader")

    def upload(self, key: str) -> None:
        self("s3").put_object(Bucket="landing", Key=key, Body=key.encode())

    def tracked(self, key: str) -> bool:
        return "Item" in self("dynamodb").get_item(TableName="tracking", Key={"pk": {"S": key}})


def test_a_kill_in_mid_ingestion_loses_no_object_and_no_resource(
    own_launcher: Any, make_client: Any, eventually: Any
) -> None:
    before = own_launcher.start()
    platform = Platform(before, make_client)
    platform.deploy()
    platform.upload("first.dcm")
    eventually(lambda: platform.tracked("first.dcm"), what="the first object's record")
    presigned = platform("s3").generate_presigned_url("get_object", Params={"Bucket": "landing", "Key": "first.dcm"})
    time.sleep(5)  # the interval in which a snapshot must have been taken
    acknowledged = [f"burst-{number:02d}.dcm" for number in range(12)]
    for key in acknowledged:
        platform.upload(key)
    platform.upload(acknowledged[0])  # a second version
    own_launcher.kill()

    after = own_launcher.start()
    assert after == before
    platform = Platform(after, make_client)
    listed = {one["Key"] for one in platform("s3").list_objects_v2(Bucket="landing")["Contents"]}
    assert listed == {"first.dcm", *acknowledged}
    for key in acknowledged:
        assert platform("s3").get_object(Bucket="landing", Key=key)["Body"].read() == key.encode()
    versions = platform("s3").list_object_versions(Bucket="landing", Prefix=acknowledged[0])["Versions"]
    assert len(versions) == 2
    assert platform.tracked("first.dcm")

    platform.upload("after.dcm")
    eventually(lambda: platform.tracked("after.dcm"), what="event, machine, function and table after the restart")
    queue = platform("sqs").get_queue_url(QueueName="work")["QueueUrl"]
    platform("sqs").send_message(QueueUrl=queue, MessageBody="again")
    eventually(lambda: platform.tracked("queued/again"), what="the event source mapping after the restart")
    (api,) = platform("apigateway").get_rest_apis()["items"]
    import urllib3

    pool = urllib3.PoolManager(ca_certs=after["AWS_CA_BUNDLE"])
    answer = pool.request("GET", f"{after['AWS_ENDPOINT_URL']}/_aws/execute-api/{api['id']}/v1/health")
    assert (answer.status, answer.data) == (200, b"up")
    (users,) = platform("cognito-idp").list_user_pools(MaxResults=5)["UserPools"]
    found = platform("cognito-idp").admin_get_user(UserPoolId=users["Id"], Username="reader")
    assert found["Username"] == "reader"
    assert pool.request("GET", presigned).data == b"first.dcm"


def test_an_execution_in_flight_at_a_kill_is_failed_and_says_why(own_launcher: Any, make_client: Any) -> None:
    platform = Platform(own_launcher.start(), make_client)
    role = make_role(platform("iam"), "waiter", "states", ["lambda:InvokeFunction"])
    waiting = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
    machine = platform("stepfunctions").create_state_machine(
        name="waiting", definition=json.dumps(waiting), roleArn=role
    )["stateMachineArn"]
    execution = platform("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]
    time.sleep(5)
    own_launcher.kill()
    platform = Platform(own_launcher.start(), make_client)
    found = platform("stepfunctions").describe_execution(executionArn=execution)
    assert (found["status"], found["error"]) == ("FAILED", "States.ServiceRestart")


@pytest.mark.parametrize(
    "key",
    ["a" * 300, "d/" * 400 + "leaf", "plain", "plain/below", "with space/ü.dcm", "../up", ".versions/x"],
    ids=["long-name", "deep", "file", "below-a-file", "unicode", "dots", "internal-name"],
)
def test_every_acknowledged_key_outlives_a_kill(killed_once: Any, key: str) -> None:
    before, after = killed_once
    assert key in before
    assert after.get_object(Bucket="keys", Key=key)["Body"].read() == key.encode()


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(keys whose put was acknowledged, S3 client after a kill and a restart)."""
    from tests.local.conftest import Launcher, client

    launcher = Launcher(tmp_path_factory.mktemp("keys") / "state")
    s3 = client(launcher.start(), "s3")
    s3.create_bucket(Bucket="keys")
    time.sleep(5)
    acknowledged = set()
    for key in ["a" * 300, "d/" * 400 + "leaf", "plain", "plain/below", "with space/ü.dcm", "../up", ".versions/x"]:
        with contextlib.suppress(botocore.exceptions.ClientError):
            s3.put_object(Bucket="keys", Key=key, Body=key.encode())
            acknowledged.add(key)
    launcher.kill()
    yield acknowledged, client(launcher.start(), "s3")
    launcher.kill()


def test_an_object_that_cannot_be_written_is_not_acknowledged(own_launcher: Any, make_client: Any) -> None:
    s3 = make_client(own_launcher.start(), "s3")
    s3.create_bucket(Bucket="full")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.prlimit(own_launcher.process.pid, resource.RLIMIT_FSIZE, (1_000_000, hard))
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket="full", Key="upload/large.dcm", Body=b"x" * 3_000_000)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    s3.put_object(Bucket="full", Key="upload/small.dcm", Body=b"x")
    assert "upload/" not in own_launcher.log
