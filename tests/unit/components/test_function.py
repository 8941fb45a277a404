"""A platform function: own role, own log group, dead letters, tracing, inside the VPC."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components._iam import Statement
from components._workload import Workload
from components.function import (
    FunctionCode,
    FunctionKeys,
    FunctionNetwork,
    FunctionSize,
    PlatformFunction,
    PlatformFunctionArgs,
)

FUNCTION = "aws:lambda/function:Function"
NAME = "healthcare-imaging-mlops-test-image-ingestion"
FUNCTION_ARN = f"arn:aws:lambda:us-east-1:111122223333:function:{NAME}"


@pytest.fixture
def program(context: Context, workload: Workload) -> Callable[..., Callable[[], dict[str, Any]]]:
    """Makes a program with one function, changed by keyword."""

    def make(**changes: Any) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            args: dict[str, Any] = {
                "context": context,
                "role": "image-ingestion",
                "description": "Validates, de-identifies and imports",
                "code": FunctionCode(
                    package="image_ingestion",
                    handler="image_ingestion.handler.handler",
                    runtime="python3.12",
                    layers=["arn:layer:1"],
                ),
                "size": FunctionSize(memory_mb=512, timeout_seconds=300, reserved_concurrency=10),
                "network": FunctionNetwork(subnet_ids=["subnet-1", "subnet-2"], security_group_ids=["sg-1"]),
                "keys": FunctionKeys(environment="arn:key/secrets", dead_letters="arn:key/events"),
                "environment": {"TRAINING_DATA_BUCKET": "landing"},
                "statements": [
                    Statement(sid="ReadUploads", actions=["s3:GetObject"], resources=["arn:aws:s3:::landing/upload/*"])
                ],
                "logs": workload.logs,
                "data_class": "phi",
                **changes,
            }
            function = PlatformFunction("ingestion", PlatformFunctionArgs(**args))
            return {name: getattr(function, name) for name in sorted(function.output_names())}

        return run

    return make


def test_the_function_runs_as_asked_inside_the_vpc_with_traces(record: Any, program: Any, preview: bool) -> None:
    function = record(program(), preview=preview).one(FUNCTION).inputs
    assert (function["memorySize"], function["timeout"], function["runtime"]) == (512, 300, "python3.12")
    assert function["reservedConcurrentExecutions"] == 10
    assert function["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    assert function["tracingConfig"] == {"mode": "Active"}
    assert function["layers"] == ["arn:layer:1"]
    assert function["environment"] == {"variables": {"TRAINING_DATA_BUCKET": "landing"}}
    assert function["kmsKeyArn"] == "arn:key/secrets"
    assert function["tags"]["data-class"] == "phi"


def test_the_package_is_deployed_under_the_name_that_tests_import(record: Any, program: Any) -> None:
    assets = record(program()).one(FUNCTION).inputs["code"].assets
    assert assets["image_ingestion/handler.py"].path == "lambdas/image_ingestion/handler.py"
    assert not [name for name in assets if "__pycache__" in name], "a test run must not change what is deployed"


def test_a_package_may_live_elsewhere(record: Any, program: Any) -> None:
    code = FunctionCode(package="api", handler="api.lambda_handler.handler", runtime="python3.12", path="api")
    assets = record(program(code=code)).one(FUNCTION).inputs["code"].assets
    assert assets["api/lambda_handler.py"].path == "api/lambda_handler.py"


def test_no_reservation_is_made_unless_a_stack_asks(record: Any, program: Any) -> None:
    function = record(program(size=FunctionSize(memory_mb=128, timeout_seconds=3))).one(FUNCTION).inputs
    assert "reservedConcurrentExecutions" not in function


def test_logs_are_json_in_an_encrypted_group_that_exists_first(record: Any, program: Any) -> None:
    recording = record(program())
    group = recording.one("aws:cloudwatch/logGroup:LogGroup")
    assert group.inputs["name"] == f"/aws/lambda/{NAME}"
    assert group.inputs["kmsKeyId"].endswith("key/logs")
    assert (group.inputs["retentionInDays"], group.inputs["tags"]["log-class"]) == (30, "operations")
    function = recording.one(FUNCTION)
    assert group.urn in function.dependencies, "Lambda would make an unencrypted group that is kept for ever"
    assert function.inputs["loggingConfig"]["logFormat"] == "JSON"
    assert function.inputs["loggingConfig"]["applicationLogLevel"] == "INFO", "DEBUG lines could carry PHI"


def test_an_event_that_fails_three_times_is_kept_two_weeks(record: Any, program: Any) -> None:
    recording = record(program())
    queue = recording.one("aws:sqs/queue:Queue").inputs
    assert queue["messageRetentionSeconds"] == 14 * 86_400
    assert queue["kmsMasterKeyId"] == "arn:key/events"
    assert recording.one(FUNCTION).inputs["deadLetterConfig"]["targetArn"].endswith(f":{NAME}-dlq")
    invoke = recording.one("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig").inputs
    assert invoke["maximumRetryAttempts"] == 2


def test_dead_letters_travel_over_tls_only(record: Any, program: Any, preview: bool) -> None:
    recording = record(program(), preview=preview)
    deny = recording.policy("aws:sqs/queue:Queue", "ingestion-dead-letters")["DenyPlainTransport"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert deny["Resource"] == [f"arn:aws:sqs:us-east-1:111122223333:{NAME}-dlq"]


def test_the_role_has_the_given_statements_and_what_every_function_needs(
    record: Any, program: Any, preview: bool
) -> None:
    recording = record(program(), preview=preview)
    statements = recording.policy("aws:iam/rolePolicy:RolePolicy", "ingestion-role-policy")
    assert set(statements) == {
        "ReadUploads",
        "WriteOwnLogs",
        "SendTraces",
        "ManageVpcNetworkInterfaces",
        "DenyNetworkInterfacesToTheCode",
        "KeepDeadLetters",
        "EncryptDeadLetters",
        "DecryptOwnVariables",
    }
    assert statements["WriteOwnLogs"]["Resource"] == [
        f"arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/{NAME}:*"
    ], "a function cannot write into another's log"


def test_the_code_itself_cannot_touch_network_interfaces(record: Any, program: Any) -> None:
    statements = record(program()).policy("aws:iam/rolePolicy:RolePolicy", "ingestion-role-policy")
    deny = statements["DenyNetworkInterfacesToTheCode"]
    assert deny["Effect"] == "Deny"
    assert deny["Action"] == statements["ManageVpcNetworkInterfaces"]["Action"]
    assert deny["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": FUNCTION_ARN}}


def test_the_variables_key_decrypts_this_functions_variables_only(record: Any, program: Any) -> None:
    statements = record(program()).policy("aws:iam/rolePolicy:RolePolicy", "ingestion-role-policy")
    condition = statements["DecryptOwnVariables"]["Condition"]
    assert condition == {"StringEquals": {"kms:EncryptionContext:aws:lambda:FunctionArn": FUNCTION_ARN}}, (
        "the same key guards the pseudonym secret"
    )


def test_only_lambda_of_this_account_assumes_the_role_and_the_boundary_holds(
    record: Any, program: Any, context: Context
) -> None:
    role = record(program()).one("aws:iam/role:Role").inputs
    (trust,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": ["lambda.amazonaws.com"]}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": context.account}
    assert role["permissionsBoundary"] == context.boundary_arn


def test_the_function_waits_for_its_rights(record: Any, program: Any) -> None:
    recording = record(program())
    policy = recording.one("aws:iam/rolePolicy:RolePolicy")
    assert policy.urn in recording.one(FUNCTION).dependencies, "Lambda checks the network rights when it is made"


def test_outputs_name_everything_that_others_need(record: Any, program: Any) -> None:
    assert record(program()).values == {
        "function_arn": FUNCTION_ARN,
        "function_name": NAME,
        "role_arn": f"arn:aws:iam::111122223333:role/{NAME}",
        "dlq_arn": f"arn:aws:sqs:us-east-1:111122223333:{NAME}-dlq",
        "log_group_name": f"/aws/lambda/{NAME}",
    }


def test_every_child_is_parented_to_the_function_component(record: Any, program: Any) -> None:
    recording = record(program())
    component = recording.one("imaging:function:PlatformFunction")
    assert {child.parent for child in recording.resources if child.custom} == {component.urn}
