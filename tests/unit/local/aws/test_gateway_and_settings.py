"""The door: forged headers, root keys, unsigned account calls; and the settings behind it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from local.aws import deploy_user, functions, unserved
from local.aws.gateway import Gateway, access_key
from local.aws.settings import Settings, StartError, check

SIGNED = b"AWS4-HMAC-SHA256 Credential=%s/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


def request(path: str = "/bucket/key", method: str = "GET", query: bytes = b"", **headers: bytes) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": path, "query_string": query, "headers": named}


class Behind:
    """Stands for ministack; remembers what came through."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def pass_through(scope: dict[str, Any], *, root_open: bool = False) -> tuple[int, Behind, bytes]:
    behind, sent = Behind(), []
    gateway = Gateway(behind, lambda key: key == "test" or key.isdigit())
    if not root_open:
        gateway.close_root()

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gateway(scope, receive, send))
    return sent[0]["status"], behind, sent[-1].get("body", b"")


def test_a_forged_transport_header_does_not_come_through() -> None:
    _, behind, _ = pass_through(request(x_forwarded_proto=b"https", X_Forwarded_For=b"10.0.0.1", host=b"h"))
    assert behind.scopes[0]["headers"] == [(b"host", b"h")]


@pytest.mark.parametrize("key", [b"test", b"111122223333"])
def test_root_keys_work_only_until_they_are_closed(key: bytes) -> None:
    scope = request(authorization=SIGNED % key)
    assert pass_through(scope, root_open=True)[0] == 200
    status, behind, body = pass_through(scope)
    assert (status, behind.scopes) == (403, [])
    assert json.loads(body)["__type"] == "InvalidClientTokenId"


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (request(authorization=SIGNED % b"AKIA1"), "AKIA1"),
        (request(query=b"X-Amz-Credential=AKIA2%2F20260101%2Fus-east-1"), "AKIA2"),
        (request(query=b"AWSAccessKeyId=AKIA3"), "AKIA3"),
        (request(authorization=b"AWS AKIA4:signature"), "AKIA4"),
        (request(authorization=b"Bearer token"), ""),
    ],
    ids=["header", "presigned", "sigv2-query", "sigv2-header", "bearer"],
)
def test_the_key_is_found_wherever_a_request_carries_it(scope: dict[str, Any], key: str) -> None:
    assert access_key(scope) == key


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (request("/"), 403),
        (request("/bucket", "PUT"), 403),
        (request("/bucket", "DELETE"), 403),
        (request("/_aws/execute-api/a/v1/health"), 200),
        (request("/", "POST", x_amz_target=b"AWSCognitoIdentityProviderService.InitiateAuth"), 200),
    ],
    ids=["list-buckets", "create-bucket", "delete-bucket", "api", "cognito"],
)
def test_unsigned_account_calls_are_refused(scope: dict[str, Any], status: int) -> None:
    assert pass_through(scope)[0] == status


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config"])
def test_administration_paths_do_not_exist(path: str) -> None:
    assert pass_through(request(path, "POST"))[0] == 404


def test_a_function_inherits_only_what_it_needs() -> None:
    host = {"PATH": "/bin", "STATE_DIR": "s", "LOG_LEVEL": "WARNING", "AWS_CA_BUNDLE": "ca", "SECRET": "x"}
    runtime = {"AWS_REGION": "us-east-1", "LAMBDA_TASK_ROOT": "/task", "SECRET": "x"}
    config = {
        "FunctionName": "f",
        "Runtime": "python3.11",
        "Handler": "main.handler",
        "Environment": {"Variables": {"LOG_LEVEL": "WARNING"}},
    }
    seen = functions.function_environment(config, {**host, **runtime}, host)
    assert {"STATE_DIR", "SECRET"} & set(seen) == set()
    assert (seen["PATH"], seen["AWS_CA_BUNDLE"], seen["LOG_LEVEL"]) == ("/bin", "ca", "WARNING")
    assert (seen["LAMBDA_TASK_ROOT"], seen["_HANDLER"]) == ("/task", "main.handler")
    assert seen["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"


def test_a_missing_interpreter_is_named_with_the_way_out(tmp_path: Path) -> None:
    chosen = Settings(folder=tmp_path, port=0, lambda_python=Path("nowhere/python"), train_python=Path(sys.executable))
    with pytest.raises(StartError, match=r"--lambda-python: .*make setup.*requirements/lambda\.lock"):
        check(chosen)


def test_services_are_known_by_name_without_their_models() -> None:
    names = unserved.service_names()
    assert {"guardduty", "sagemaker", "medical-imaging"} <= names
    assert "no-such-service" not in names


class Iam:
    """The IAM calls of the deploy user, in memory."""

    class exceptions:  # noqa: N801 - boto3's own name
        class NoSuchEntityException(Exception):  # noqa: N818 - boto3's own name
            """The user is not there."""

    def __init__(self) -> None:
        self.user = False
        self.keys: list[str] = []
        self.policy: Any = None

    def get_user(self, **_named: str) -> None:
        if not self.user:
            raise self.exceptions.NoSuchEntityException

    def create_user(self, **_named: str) -> None:
        self.user = True

    def list_access_keys(self, **_named: str) -> Any:
        return {"AccessKeyMetadata": [{"AccessKeyId": key} for key in self.keys]}

    def put_user_policy(self, **named: str) -> None:
        self.policy = json.loads(named["PolicyDocument"])

    def delete_access_key(self, **named: str) -> None:
        self.keys.remove(named["AccessKeyId"])

    def create_access_key(self, **_named: str) -> Any:
        self.keys.append(f"AKIA{len(self.keys)}X{id(self) % 97}")
        return {"AccessKey": {"AccessKeyId": self.keys[-1], "SecretAccessKey": "s"}}


def test_the_deploy_users_keys_stay_while_the_state_knows_them(tmp_path: Path) -> None:
    iam, file = Iam(), tmp_path / "keys.json"
    first = deploy_user.ensure(iam, file)
    assert deploy_user.ensure(iam, file) == first
    assert file.stat().st_mode & 0o077 == 0
    actions = iam.policy["Statement"][0]["Action"]
    assert "*" not in actions
    assert {"medical-imaging:*", "sagemaker:*", "cloudformation:*"} <= set(actions)


def test_lost_state_makes_new_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    deploy_user.ensure(Iam(), file)
    fresh = Iam()
    made = deploy_user.ensure(fresh, file)
    assert made["AWS_ACCESS_KEY_ID"] in fresh.keys
