"""Small functions, roles and machines for the tests of the embedded AWS."""

from __future__ import annotations

import io
import json
import textwrap
import zipfile
from collections.abc import Callable
from typing import Any

import pytest


def archive(files: dict[str, str]) -> bytes:
    """A deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, text in files.items():
            package.writestr(name, textwrap.dedent(text))
    return buffer.getvalue()


def make_role(iam: Any, name: str, service: str, actions: list[str]) -> str:
    """ARN of a role for a service with these actions on everything."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=json.dumps(policy))
    return arn


def make_function(clients: Callable[[str], Any], name: str, source: str, **changed: Any) -> str:
    """ARN of a Python function whose module is `source`; a role of its own with rights on tables and queues."""
    role = make_role(clients("iam"), f"{name}-role", "lambda", ["dynamodb:*", "sqs:*", "s3:*", "logs:*", "events:*"])
    settings = {
        "FunctionName": name,
        "Runtime": "python3.11",
        "Role": role,
        "Handler": "main.handler",
        "Code": {"ZipFile": archive({"main.py": source})},
        "Timeout": 30,
        **changed,
    }
    return clients("lambda").create_function(**settings)["FunctionArn"]


@pytest.fixture
def function(aws: Callable[..., Any]) -> Callable[..., str]:
    """Make a function in the session's embedded AWS."""
    return lambda name, source, **changed: make_function(aws, name, source, **changed)


@pytest.fixture
def role(aws: Callable[..., Any]) -> Callable[..., str]:
    """Make a role in the session's embedded AWS."""
    return lambda name, service, actions: make_role(aws("iam"), name, service, actions)


@pytest.fixture
def invoke(aws: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Invoke a function and read its answer."""

    def call(name: str, event: Any = None) -> dict[str, Any]:
        answer = aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
        return {"payload": json.loads(answer["Payload"].read()), "error": answer.get("FunctionError")}

    return call
