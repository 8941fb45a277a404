"""The DICOM receiver on AWS: who reaches it, what it may do, how it is configured, in both modes of the engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from components._base import Context
from components._configuration_receiver import ReceiverSettings
from components._container_service import ContainerGround
from components._workload import Workload
from components.store_scp import (
    DicomReceiver,
    DicomReceiverArgs,
    ReceiverIncompleteError,
    configuration_of,
    make_name_key,
)
from services.store_scp import configuration

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/store_scp@sha256:" + "a" * 64
TLS_SECRET = "arn:aws:secretsmanager:us-east-1:111122223333:secret:tls-AbCdEf"
PEER = {"name": "ct-1", "aeTitle": "CT1", "addresses": ["10.1.2.0/24"]}
TASK = "aws:ecs/taskDefinition:TaskDefinition"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def settings(**changed: Any) -> ReceiverSettings:
    """Receiver settings of a stack that has one."""
    return ReceiverSettings.model_validate({"peers": [PEER], "tlsSecretArn": TLS_SECRET, **changed})


@pytest.fixture
def build(context: Context, workload: Workload) -> Callable[..., Callable[[], dict[str, Any]]]:
    """`build(settings, image)`: a program with the receiver."""

    def program(chosen: ReceiverSettings, image: str | None = IMAGE) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            made = DicomReceiver(
                "store-scp",
                DicomReceiverArgs(
                    ground=ContainerGround(
                        context=context,
                        keys=workload.keys,
                        subnet_ids=["subnet-1", "subnet-2"],
                        logs=workload.logs,
                    ),
                    settings=chosen,
                    image=image,
                    bucket=context.naming.bucket("training-data"),
                    vpc_id="vpc-1",
                    private_group_id="sg-private",
                    topic_arn=context.naming.arn("sns", "alerts"),
                    deletion_protection=True,
                    secret_recovery_days=30,
                ),
            )
            return {"address": made.address, "service": made.service_name}

        return run

    return program


def test_without_an_image_nothing_is_made(build: Any, record: Any, preview: bool) -> None:
    recording = record(build(settings(), None), preview=preview)
    assert not [one for one in recording.resources if one.token.startswith("aws:")]


@pytest.mark.parametrize("lacking", ["peers", "tlsSecretArn"])
def test_an_image_without_peers_or_certificate_is_refused(build: Any, record: Any, lacking: str) -> None:
    with pytest.raises(ReceiverIncompleteError, match=r"receiver\.peers or receiver\.tlsSecretArn"):
        record(build(settings(**{lacking: [] if lacking == "peers" else None})))


def test_it_runs_by_digest_in_private_subnets_and_without_rights_of_its_own(
    build: Any, record: Any, preview: bool
) -> None:
    recording = record(build(settings()), preview=preview)
    service = recording.one("aws:ecs/service:Service").inputs
    assert service["launchType"] == "FARGATE"
    assert service["desiredCount"] == 2
    assert service["networkConfiguration"]["assignPublicIp"] is False
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert recording.one("aws:lb/loadBalancer:LoadBalancer").inputs["internal"] is True
    if preview:
        return
    (container,) = json.loads(recording.one(TASK).inputs["containerDefinitions"])
    assert container["image"] == IMAGE
    assert container["readonlyRootFilesystem"] is True
    assert container["user"] == "65532:65532"
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert container["privileged"] is False


def test_the_code_may_write_below_upload_and_read_nothing(build: Any, record: Any, context: Context) -> None:
    recording = record(build(settings()))
    statements = recording.policy("aws:iam/rolePolicy:RolePolicy", "store-scp-task-role-policy")
    bucket = f"arn:aws:s3:::{context.naming.bucket('training-data')}"
    assert statements["KeepReceivedObjects"]["Resource"] == [f"{bucket}/upload/*"]
    assert statements["KeepReceivedObjects"]["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]
    assert statements["SayWhatIsCommitted"]["Condition"] == {"StringLike": {"s3:prefix": "upload/*"}}
    actions = {action for one in statements.values() for action in one["Action"]}
    assert not [action for action in actions if action.startswith(("s3:Get", "s3:Delete", "secretsmanager:"))]


def test_secrets_are_named_in_the_task_and_never_written_into_it(build: Any, record: Any) -> None:
    recording = record(build(settings()))
    (container,) = json.loads(recording.one(TASK).inputs["containerDefinitions"])
    assert {one["name"] for one in container["secrets"]} == {"NAME_KEY", "TLS_CERTIFICATE", "TLS_KEY", "TLS_CLIENT_CA"}
    assert all(":secretsmanager:" in one["valueFrom"] for one in container["secrets"])
    value = recording.one("aws:secretsmanager/secretVersion:SecretVersion").inputs["secretString"]
    assert str(value) not in json.dumps(container)


def test_a_name_key_is_new_each_time() -> None:
    assert len(make_name_key("arn")) == 64
    assert make_name_key("arn") != make_name_key("arn")


@pytest.mark.parametrize(("generation", "name"), [(1, "name-key-value"), (2, "name-key-value-2")])
def test_another_generation_is_another_version_of_the_same_secret_which_tasks_name(
    build: Any, record: Any, generation: int, name: str
) -> None:
    recording = record(build(settings(nameKeyGeneration=generation)))
    version = recording.one("aws:secretsmanager/secretVersion:SecretVersion")
    secret = recording.one("aws:secretsmanager/secret:Secret")
    assert version.name == f"store-scp-{name}"
    assert secret.name == "store-scp-name-key"
    (container,) = json.loads(recording.one(TASK).inputs["containerDefinitions"])
    key = next(one["valueFrom"] for one in container["secrets"] if one["name"] == "NAME_KEY")
    assert key.split(":::")[1] == f"version-of-{version.name}"


def test_only_the_peers_networks_reach_the_load_balancer(build: Any, record: Any) -> None:
    recording = record(build(settings()))
    outside = [one.inputs for one in recording.of(INGRESS) if "cidrIpv4" in one.inputs]
    assert [(one["cidrIpv4"], one["fromPort"]) for one in outside] == [("10.1.2.0/24", 11113)]
    inside = {one.inputs["fromPort"] for one in recording.of(INGRESS) if "referencedSecurityGroupId" in one.inputs}
    assert inside == {11113, 8080}


def test_the_port_without_tls_is_there_only_by_settings(build: Any, record: Any) -> None:
    plain = settings(unencryptedPort=True, peers=[{**PEER, "addresses": ["10.1.2.3/32"]}])
    listeners = {one.inputs["port"] for one in record(build(plain)).of("aws:lb/listener:Listener")}
    assert listeners == {11112, 11113}
    with pytest.raises(ValidationError):
        settings(unencryptedPort=True)


@pytest.mark.parametrize(
    "changed",
    [
        {"minimumTasks": 3, "maximumTasks": 2},
        {"peers": [PEER, PEER]},
        {"cpu": 1024, "memoryMb": 16_384},
        {"cpu": 4096, "memoryMb": 4096},
        {"aeTitle": "NAME WITH BLANKS"},
        {"tlsSecretArn": "-----BEGIN PRIVATE KEY-----"},
    ],
    ids=["tasks", "names", "too much memory", "too little memory", "title", "a key instead of its ARN"],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**changed)


@pytest.mark.parametrize("unencrypted", [False, True], ids=["TLS only", "with the port without TLS"])
def test_the_receiver_understands_the_configuration_that_it_is_given(unencrypted: bool) -> None:
    peer = {**PEER, "addresses": ["10.1.2.3/32"], "certificates": [] if unencrypted else ["ab" * 32]}
    chosen = settings(unencryptedPort=unencrypted, peers=[peer])
    read = configuration.parse(configuration_of(chosen, "landing-bucket", "arn:aws:kms:us-east-1:111122223333:key/phi"))
    assert read.store.s3 is not None
    assert read.store.s3.bucket == "landing-bucket"
    assert read.naming.layout == "opaque"
    assert read.naming.prefix == "upload"
    assert [one.port for one in read.listeners] == [11113, 11112][: 1 + unencrypted]
    assert [one.name for one in read.peers] == ["ct-1"]


def test_somebody_is_told_when_instances_are_not_stored_or_nobody_receives(build: Any, record: Any) -> None:
    recording = record(build(settings()))
    alarms = {one.inputs["metricName"]: one.inputs for one in recording.of("aws:cloudwatch/metricAlarm:MetricAlarm")}
    assert {"instances_failed_total", "commitment_reports_lost_total", "HealthyHostCount"} <= set(alarms)
    assert alarms["HealthyHostCount"]["treatMissingData"] == "breaching"
    assert all(one["alarmActions"] for one in alarms.values())
