"""The launcher as its users meet it: what starts, what is refused, who gets in."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import botocore.exceptions
import pytest


def test_ready_file_holds_what_boto3_and_the_engine_need(embedded_aws: dict[str, str], aws: Any) -> None:
    assert set(embedded_aws) >= {
        "AWS_ENDPOINT_URL",
        "AWS_CA_BUNDLE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
    }
    identity = aws("sts").get_caller_identity()
    assert identity["Account"] == "111122223333"
    assert identity["Arn"].endswith(":user/deployer")


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        pytest.param({"access_key": "test", "secret_key": "test"}, "403", id="ministack-root"),
        pytest.param({"access_key": "111122223333", "secret_key": "any"}, "403", id="account-root"),
        pytest.param({"secret_key": "wrong"}, "SignatureDoesNotMatch", id="wrong-secret"),
        pytest.param({"access_key": "AKIAUNKNOWN000000000"}, "InvalidAccessKeyId", id="unknown-key"),
    ],
)
def test_keys_that_are_not_a_users_are_refused(aws: Any, keys: dict[str, str], code: str) -> None:
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        aws("s3", **keys).list_buckets()
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("operation", ["list_objects_v2", "get_object", "put_object", "list_buckets", "create_bucket"])
def test_an_unsigned_request_reads_and_writes_nothing(aws: Any, embedded_aws: dict[str, str], operation: str) -> None:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    aws("s3").create_bucket(Bucket=f"closed-{operation.replace('_', '-')}")
    bucket = f"closed-{operation.replace('_', '-')}"
    aws("s3").put_object(Bucket=bucket, Key="k", Body=b"secret")
    anonymous = boto3.client(
        "s3",
        endpoint_url=embedded_aws["AWS_ENDPOINT_URL"],
        verify=embedded_aws["AWS_CA_BUNDLE"],
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, s3={"addressing_style": "path"}),
    )
    named = {
        "list_objects_v2": {"Bucket": bucket},
        "get_object": {"Bucket": bucket, "Key": "k"},
        "put_object": {"Bucket": bucket, "Key": "k2", "Body": b"x"},
        "list_buckets": {},
        "create_bucket": {"Bucket": f"{bucket}-2"},
    }
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        getattr(anonymous, operation)(**named[operation])
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_user_without_rights_is_denied(aws: Any) -> None:
    iam = aws("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    tables = aws("dynamodb", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        tables.list_tables()
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_service_that_is_not_served_is_refused_by_name(aws: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="does not serve 'guardduty'"):
        aws("guardduty").list_detectors()


def test_cloud_control_refuses_a_type_nobody_serves(aws: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="AWS::Nope::Thing") as refused:
        aws("cloudcontrol").create_resource(TypeName="AWS::Nope::Thing", DesiredState="{}")
    assert refused.value.response["Error"]["Code"] == "TypeNotFoundException"


def test_queue_urls_name_the_port_and_the_account(embedded_aws: dict[str, str], aws: Any) -> None:
    url = aws("sqs").create_queue(QueueName="named")["QueueUrl"]
    assert url == f"{embedded_aws['AWS_ENDPOINT_URL']}/111122223333/named"


def test_nobody_can_wipe_the_state_over_http(embedded_aws: dict[str, str], aws: Any) -> None:
    import urllib3

    pool = urllib3.PoolManager(ca_certs=embedded_aws["AWS_CA_BUNDLE"])
    answer = pool.request("POST", embedded_aws["AWS_ENDPOINT_URL"] + "/_ministack/reset")
    assert answer.status == 404
    assert aws("sts").get_caller_identity()["Account"] == "111122223333"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        pytest.param({"lambda_python": "missing/python"}, "--lambda-python: there is no Python", id="interpreter"),
        pytest.param({"port": "taken"}, "is in use", id="port"),
    ],
)
def test_a_start_that_cannot_succeed_says_what_to_do(
    own_launcher: Any, embedded_aws: dict[str, str], changed: dict[str, str], sentence: str
) -> None:
    if changed.get("port") == "taken":
        changed = {"port": embedded_aws["AWS_ENDPOINT_URL"].rsplit(":", 1)[1]}
    import pathlib

    root = pathlib.Path(__file__).resolve().parents[3]
    ended = subprocess.run(
        own_launcher.command(**changed), cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("local.aws: --")
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_clean_restart_keeps_the_keys_the_ca_and_the_tables(own_launcher: Any, make_client: Any) -> None:
    before = own_launcher.start()
    bundle = (own_launcher.folder / "tls" / "ca.pem").read_bytes()
    make_client(before, "secretsmanager").create_secret(Name="pseudonym-key", SecretString="00ff")
    own_launcher.stop()
    assert not (own_launcher.folder / "ready.json").exists()
    after = own_launcher.start()
    assert after == before
    assert (own_launcher.folder / "tls" / "ca.pem").read_bytes() == bundle
    assert make_client(after, "secretsmanager").get_secret_value(SecretId="pseudonym-key")["SecretString"] == "00ff"
    assert json.loads((own_launcher.folder / "deploy-user.json").read_text()).items() <= after.items()
