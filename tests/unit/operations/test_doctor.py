"""The doctor finds each fault that it was made for, names it, says what to do, and survives what does not answer."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto import mock_aws

from operations.doctor import __main__ as command
from operations.doctor import machine, outside, stack
from operations.doctor.finding import FAULT, OK, SKIPPED, WARNING, Finding, examine, exit_code, text

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "healthcare-imaging-mlops-prod"
TAGS = [{"Key": "project", "Value": "healthcare-imaging-mlops"}]


def test_one_check_that_gets_no_answer_does_not_end_the_others() -> None:
    def network_is_down() -> Finding:
        raise OSError("unreachable")

    found = examine([network_is_down, lambda: Finding("next", OK, "well")])
    assert [one.state for one in found] == [FAULT, OK]
    assert found[0].check == "network is down"
    assert found[0].remedy
    assert exit_code(found) == 1
    assert exit_code([Finding("a", WARNING, "m", "r"), Finding("b", SKIPPED, "m")]) == 0
    assert "-> is the stack up" in text(found)


# -- the machine


def test_every_part_of_a_healthy_machine_is_said_to_be_well() -> None:
    found = examine(machine.CHECKS)
    assert len(found) == len(machine.CHECKS)
    assert all(one.state in (OK, WARNING, SKIPPED) for one in found if one.check != "port"), found


@pytest.mark.parametrize(("version", "state"), [((3, 10, 4), FAULT), ((3, 11, 0), OK), ((3, 14, 1), OK)])
def test_an_old_python_is_refused(version: tuple[int, ...], state: str) -> None:
    found = machine.python_version(version)
    assert found.state == state
    assert bool(found.remedy) is (state == FAULT)


def test_missing_programs_are_named(tmp_path: Path) -> None:
    assert "make, git" in machine.programs(str(tmp_path)).message


@pytest.mark.parametrize(("gib", "made", "state"), [(9, False, OK), (3, False, FAULT), (3, True, OK), (1, True, FAULT)])
def test_disk_counts_less_once_setup_is_done(gib: int, made: bool, state: str, tmp_path: Path) -> None:
    if made:
        (tmp_path / ".venv").mkdir()
    assert machine.disk(tmp_path, gib * machine.GIB).state == state


@pytest.mark.parametrize(("kilobytes", "state"), [(8_000_000, OK), (1_000_000, WARNING)])
def test_little_memory_is_a_warning(kilobytes: int, state: str, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable:  {kilobytes} kB\n")
    assert machine.memory(tmp_path / "meminfo").state == state
    assert machine.memory(tmp_path / "nothing").state == SKIPPED


def test_an_environment_older_than_its_lock_is_found(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    assert "not made: project, aws, lambda, train" in machine.environments(tmp_path).message
    for folder, lock in machine.LOCKS.values():
        (tmp_path / "requirements" / lock).write_text("old")
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / ".made-from").write_text(machine.hashlib.sha256(b"old" + b"3.11").hexdigest())
    assert machine.environments(tmp_path, "3.11").state == OK
    (tmp_path / "requirements" / "aws.lock").write_text("new")
    assert machine.environments(tmp_path, "3.11").message == "older than its lock: aws"


def test_the_doctor_knows_the_environments_of_setup() -> None:
    from tools.bootstrap import ENVIRONMENTS

    assert {name: (ROOT / folder, lock) for name, (folder, lock) in machine.LOCKS.items()} == {
        name: (folder, lock) for name, (folder, lock, _) in ENVIRONMENTS.items()
    }


def test_the_port_is_that_of_the_embedded_aws() -> None:
    from local.aws_process import DEFAULT_PORT

    assert machine.PORT == DEFAULT_PORT


def test_a_port_of_another_program_is_told_from_our_own(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        found = machine.port(number, tmp_path)
        assert (found.state, f"PORT={number + 100}" in found.remedy) == (FAULT, True)
        (tmp_path / "aws").mkdir()
        (tmp_path / "aws" / "port").write_text(str(number))
        (tmp_path / "aws" / "pid").write_text("1")
        assert machine.port(1, tmp_path).state == OK
    assert "is free" in machine.port(number, tmp_path).message


def test_folders_of_another_user_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".cache").mkdir()
    assert machine.writable(tmp_path).state == OK
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != ".cache")
    found = machine.writable(tmp_path)
    assert ".cache" in found.message
    assert found.remedy.startswith("sudo chown")


@pytest.mark.parametrize("check", [machine.package_installer, machine.pulumi_cli])
def test_what_setup_fetches_by_itself_is_no_fault(check: Callable[..., Finding], tmp_path: Path) -> None:
    assert check(tmp_path, str(tmp_path)).state == OK


def test_the_machine_is_looked_at_before_anything_is_installed() -> None:
    """With a Python that has no library of ours: -S hides every site-packages."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "operations.doctor", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert found["stack"]["remedy"] == "make setup"
    assert found["Python"]["state"] == OK


# -- a stack


def test_a_stack_that_is_not_there_and_one_that_died(tmp_path: Path) -> None:
    assert stack.process(tmp_path).state == SKIPPED
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "ready.json").write_text("{}")
    (tmp_path / "aws" / "pid").write_text("999999999")
    assert stack.process(tmp_path).message == "its process has ended"
    (tmp_path / "aws" / "pid").write_text(str(os.getpid()))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"https://127.0.0.1:{closed.getsockname()[1]}"
        told = {"AWS_CA_BUNDLE": ssl.get_default_verify_paths().cafile, "AWS_ENDPOINT_URL": place}
        (tmp_path / "aws" / "ready.json").write_text(json.dumps(told))
        found = stack.process(tmp_path)
    assert found.state == FAULT
    assert found.message.startswith(f"{place} does not answer")
    assert found.remedy.startswith("make up")


def test_a_lock_is_told_by_whether_its_holder_lives(tmp_path: Path) -> None:
    assert stack.engine_lock(tmp_path).state == OK
    folder = tmp_path / "state" / ".pulumi" / "locks" / "organization"
    folder.mkdir(parents=True)
    lock = {"username": "me", "hostname": socket.gethostname(), "timestamp": datetime.now(UTC).isoformat()}
    for pid, state in ((os.getpid(), WARNING), (999999999, FAULT)):
        (folder / "a.json").write_text(json.dumps(lock | {"pid": pid}))
        assert stack.engine_lock(tmp_path).state == state


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client


def test_a_dead_letter_is_named_with_its_queue(clients: Any) -> None:
    assert "right account" in stack.dead_letters(clients, PREFIX).remedy
    queue = clients("sqs").create_queue(QueueName=f"{PREFIX}-ingestion-dlq")["QueueUrl"]
    clients("sqs").create_queue(QueueName=f"{PREFIX}-upload")
    assert stack.dead_letters(clients, PREFIX) == Finding("dead letters", OK, "1 queues are empty")
    clients("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    assert stack.dead_letters(clients, PREFIX).message == f"{PREFIX}-ingestion-dlq: 1"


def test_alarms_that_sound_or_tell_nobody_are_named(clients: Any) -> None:
    watch = clients("cloudwatch")
    shape = {
        "MetricName": "m",
        "Namespace": "n",
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Period": 60,
        "Statistic": "Sum",
        "Threshold": 1.0,
    }
    assert stack.alarms(clients, PREFIX).state == FAULT
    topic = "arn:aws:sns:us-east-1:123456789012:alerts"
    watch.put_metric_alarm(AlarmName=f"{PREFIX}-audit-lag", AlarmActions=[topic], ActionsEnabled=True, **shape)
    assert stack.alarms(clients, PREFIX).state == OK
    watch.set_alarm_state(AlarmName=f"{PREFIX}-audit-lag", StateValue="ALARM", StateReason="test")
    assert stack.alarms(clients, PREFIX).state == WARNING, "nothing measures it where there is no trail"
    clients("s3").create_bucket(Bucket="trail-records")
    clients("cloudtrail").create_trail(Name="trail", S3BucketName="trail-records")
    assert stack.alarms(clients, PREFIX).message == "sounding: audit-lag"
    watch.put_metric_alarm(AlarmName=f"{PREFIX}-root-use", **shape)
    assert stack.alarms(clients, PREFIX).message == "tell nobody: root-use"


class Pages:
    """A client that answers one paginated or plain operation."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        return lambda **given: self.answers[name]

    def get_paginator(self, name: str) -> Any:
        return type("Pages", (), {"paginate": lambda *_, **given: [self.answers[name]]})()


def test_stores_pipelines_and_executions_are_looked_for() -> None:
    assert stack.image_store(lambda _: Pages(list_datastores={"datastoreSummaries": []})).state == FAULT
    assert stack.image_store(lambda _: Pages(list_datastores={"datastoreSummaries": [{}]})).state == OK
    assert stack.training(lambda _: Pages(list_pipelines={"PipelineSummaries": []})).state == FAULT
    there = {"PipelineSummaries": [{"PipelineName": "p"}]}
    assert stack.training(lambda _: Pages(list_pipelines=there)).message == "pipeline p"
    machines = {"stateMachines": [{"name": f"{PREFIX}-ingestion", "stateMachineArn": "a"}]}
    now = datetime(2026, 11, 21, tzinfo=UTC)
    failed = {"executions": [{"startDate": now - timedelta(hours=hours)} for hours in (1, 30)]}
    client = Pages(list_state_machines=machines, list_executions=failed, describe_state_machine={"type": "STANDARD"})
    assert stack.executions(lambda _: client, PREFIX, now).message.startswith("1 executions failed")
    client = Pages(list_state_machines=machines, describe_state_machine={"type": "EXPRESS"})
    assert stack.executions(lambda _: client, PREFIX, now).state == OK
    assert stack.executions(lambda _: Pages(list_state_machines={"stateMachines": []}), PREFIX, now).state == FAULT


def test_a_refusal_of_aws_is_a_finding_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(service: str) -> Any:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "expired"}}, "List")

    monkeypatch.setattr(command, "_clients", lambda: refuse)
    found = command.look("prod")
    assert len(found) == 5
    assert {one.state for one in found} == {FAULT}
    assert "ExpiredToken" in found[0].message


# -- from outside


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key) of `localhost`, for two months."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=60)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(params=[False, True], ids=["modern", "old-too"])
def server(authority: tuple[Path, Path], request: pytest.FixtureRequest) -> Iterator[tuple[int, bool]]:
    """A real TLS server: its port, and whether it speaks TLS 1.1 too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority)
    if request.param:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1_1
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], request.param
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_old_tls_is_found_on_a_real_server(server: tuple[int, bool], authority: tuple[Path, Path]) -> None:
    number, old = server

    def connect(host: str, port: int, context: ssl.SSLContext) -> dict[str, Any]:
        context.load_verify_locations(authority[0])
        return outside.handshake(host, port, context)

    found = outside.modern_tls(f"https://localhost:{number}/v1", connect)
    assert found.state == (FAULT if old else OK), found
    assert ("TLSv1.1" in found.message) is old
    later = datetime.now(UTC) + timedelta(days=50)
    assert "certificate ends in 9 days" in outside.modern_tls(f"https://localhost:{number}", connect, later).message


def test_plain_http_is_a_fault_without_a_connection() -> None:
    assert outside.modern_tls("http://api.example").state == FAULT


def test_a_port_that_is_open_to_everybody_is_named(clients: Any) -> None:
    assert "right account" in outside.open_rules(clients).remedy
    ec2 = clients("ec2")
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    tagged = [{"ResourceType": "security-group", "Tags": TAGS}]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=network, TagSpecifications=tagged)[
        "GroupId"
    ]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**rule, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}]
    )
    assert outside.open_rules(clients).state == OK
    wide = {**rule, "FromPort": 11112, "ToPort": 11112, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[wide])
    assert outside.open_rules(clients).message == "open to everybody: g (11112-11112)"


def test_public_addresses_and_balancers_are_found() -> None:
    vpcs = {"Vpcs": [{"VpcId": "v"}]}
    nat = {"NetworkInterfaceId": "n", "InterfaceType": "nat_gateway", "Association": {"PublicIp": "192.0.2.1"}}
    task = {"NetworkInterfaceId": "t", "InterfaceType": "interface", "Association": {"PublicIp": "192.0.2.2"}}
    for interfaces, state in (([nat], OK), ([nat, task], FAULT)):
        client = Pages(describe_vpcs=vpcs, describe_network_interfaces={"NetworkInterfaces": interfaces})
        assert outside.public_addresses(lambda _, c=client: c).state == state
    for scheme, state in (("internal", OK), ("internet-facing", FAULT)):
        balancer = {"LoadBalancerName": "b", "Scheme": scheme, "VpcId": "v"}
        client = Pages(describe_vpcs=vpcs, describe_load_balancers={"LoadBalancers": [balancer]})
        assert outside.balancers(lambda _, c=client: c).state == state
    empty = Pages(describe_vpcs={"Vpcs": []})
    assert examine([lambda: outside.balancers(lambda _: empty)])[0].state == FAULT


@pytest.mark.parametrize(
    ("receiver", "state"),
    [
        (None, SKIPPED),
        ({"peers": [{"name": "ct", "aeTitle": "CT", "addresses": ["10.1.2.3/32"]}]}, OK),
        ({"peers": [{"name": "ct", "aeTitle": "CT", "addresses": ["0.0.0.0/0"]}]}, FAULT),
        ({"peers": [{"name": "ct", "aeTitle": "CT"}]}, FAULT),
        ({"unencryptedPort": True, "peers": [{"name": "ct", "aeTitle": "CT", "addresses": ["10.1.2.3/32"]}]}, WARNING),
    ],
    ids=["no-receiver", "bound", "everybody", "no-address", "plain"],
)
def test_ae_titles_are_bound_to_addresses(receiver: Any, state: str, tmp_path: Path) -> None:
    config = {} if receiver is None else {"healthcare-imaging-mlops:receiver": receiver}
    (tmp_path / "Pulumi.prod.yaml").write_text(json.dumps({"config": config}))
    assert outside.receiver_binding(tmp_path / "Pulumi.prod.yaml").state == state


def test_outside_without_a_stack_is_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor", "--outside"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2


def test_outputs_that_cannot_be_read_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Any:
        raise subprocess.CalledProcessError(255, ["pulumi"])

    monkeypatch.setattr(command, "_outside", refuse)
    found = command.look("prod", outside=True)
    assert [one.state for one in found] == [FAULT]
    assert "log in" in found[0].remedy
