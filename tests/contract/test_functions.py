"""Infrastructure and functions never import each other; what they agree on is compared here."""

from __future__ import annotations

import ast
import dataclasses
import importlib
from pathlib import Path
from typing import Any

import pytest

from components import endpoint_scaling
from tests.fixtures.platform_program import recorded_program

ROOT = Path(__file__).resolve().parents[2]
COMMON = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
PACKAGES = {
    "image-ingestion": "image_ingestion",
    "pipeline-trigger": "pipeline_trigger",
    "model-evaluation": "model_evaluation",
    "model-registry": "model_registry",
    "monitoring": "monitoring",
    "breach-response": "breach_response",
    "radiologist-api": "api",
}
SIZES = {
    "image-ingestion": (300, 512),
    "pipeline-trigger": (60, 256),
    "model-evaluation": (900, 1024),
    "model-registry": (300, 512),
}
"""Seconds and MiB of row A5."""

# Every function has these by components.function; no code of ours calls them.
RUNTIME_SIDS = {
    "WriteOwnLogs",
    "SendTraces",
    "ManageVpcNetworkInterfaces",
    "KeepDeadLetters",
    "EncryptDeadLetters",
    "DecryptOwnVariables",
}
# Rights without a call in the code, each with its reason.
WITHOUT_A_CALL = {
    "image-ingestion": {
        "s3:ListBucket",  # 404 instead of 403 for an object that is not there
        "sqs:DeleteMessage",  # Lambda polls the queues in the function's name
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    },
    "pipeline-trigger": {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},  # Lambda polls
    "model-registry": {
        "cloudwatch:DescribeAlarms",  # SageMaker looks at the alarms that guard an update
        "cloudwatch:DeleteAlarms",  # Application Auto Scaling works with the rights of whoever registers a variant
        "cloudwatch:PutMetricAlarm",
        "sagemaker:DescribeEndpointConfig",
        "sagemaker:UpdateEndpointWeightsAndCapacities",
    },
    "model-evaluation": {"s3:ListBucket"},  # 404 instead of 403
    "breach-response": {"s3:ListBucket"},  # 404 instead of 403
}


def function_of(program: Any, role: str) -> Any:
    found = [f for f in program.of("aws:lambda/function:Function") if str(f.inputs["name"]).endswith(f"-{role}")]
    assert len(found) == 1, f"the program must have one function {role}"
    return found[0]


def settings_of(role: str) -> type[Any]:
    return importlib.import_module(f"{PACKAGES[role]}.settings").Settings


def test_a_function_is_given_exactly_the_variables_that_its_settings_read(program: Any, function_role: str) -> None:
    given = set(function_of(program, function_role).inputs["environment"]["variables"])
    read = {field.name.upper() for field in dataclasses.fields(settings_of(function_role))}
    assert given == read | COMMON, "a missing variable ends the function's start, a superfluous one misleads its reader"


def test_a_function_can_start_with_the_variables_that_it_is_given(program: Any, function_role: str) -> None:
    variables = function_of(program, function_role).inputs["environment"]["variables"]
    assert all(isinstance(value, str) and value for value in variables.values())
    settings_of(function_role).from_env(variables)  # raises a sentence that names what is wrong


def test_a_function_may_do_what_its_code_calls_and_nothing_else(
    program: Any, function_role: str, statements: Any, aws_calls: Any
) -> None:
    folder = "api" if function_role == "radiologist-api" else f"lambdas/{PACKAGES[function_role]}"
    needed = aws_calls.actions_of(ROOT / folder, [ROOT / "lambdas/shared/src/lambda_shared"])
    assert needed, f"nothing was found in {folder}: the search itself would be broken"
    granted = {
        action
        for sid, statement in statements(program, function_role).items()
        if sid not in RUNTIME_SIDS
        for action in statement["Action"]
        if action
        not in {
            "kms:Decrypt",
            "kms:GenerateDataKey",
            "kms:CreateGrant",
            "kms:DescribeKey",
        }  # used by services on behalf of the role
    }
    assert needed - granted == set(), "the function would be refused at run time"
    assert granted - needed - WITHOUT_A_CALL.get(function_role, set()) == set(), "a right that no code needs"


def test_the_registry_writes_decisions_and_no_evaluation(program: Any, statements: Any) -> None:
    from api.adapters import DECISIONS as READ_BY_THE_API
    from model_registry.decisions import PARTITION
    from operations.models import DECISIONS

    condition = statements(program, "model-registry")["RecordDecisions"]["Condition"]
    assert condition == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [PARTITION]}}
    assert DECISIONS == READ_BY_THE_API == PARTITION


@pytest.mark.parametrize("stack", ["prod", "dev"])
def test_a_guarded_update_is_one_that_sagemaker_takes_and_its_alarms_exist(stack: str) -> None:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    from model_registry.settings import Settings

    program = recorded_program(stack)
    settings = Settings.from_env(function_of(program, "model-registry").inputs["environment"]["variables"])
    config = settings.deployment()
    shape = ServiceModel(Loader().load_service_model("sagemaker", "service-2")).shape_for("DeploymentConfig")
    assert not ParamValidator().validate(config, shape).has_errors()
    routing = config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
    assert (routing["Type"] == "CANARY") == (settings.inference_instances > 1)
    alarms = {one.inputs["name"]: one.inputs for one in program.of("aws:cloudwatch/metricAlarm:MetricAlarm")}
    for named in config["AutoRollbackConfiguration"]["Alarms"]:
        alarm = alarms[named["AlarmName"]]
        assert alarm["dimensions"] == {"EndpointName": settings.endpoint_name, "VariantName": "primary"}
        assert alarm["period"] * alarm["evaluationPeriods"] < routing["WaitIntervalInSeconds"], "it could never sound"


@pytest.mark.parametrize(("stack", "most"), [("prod", 4), ("dev", None)])
def test_the_registry_scales_variants_as_the_stack_says_and_nothing_else(stack: str, most: int | None) -> None:
    from model_registry import scaling
    from model_registry.settings import Settings

    program = recorded_program(stack)
    settings = Settings.from_env(function_of(program, "model-registry").inputs["environment"]["variables"])
    plan = settings.scaling_plan()
    assert (plan.maximum if plan else None) == most
    assert plan is None or plan.minimum == settings.inference_instances
    roles = program.of("aws:iam/serviceLinkedRole:ServiceLinkedRole")
    made = [one for one in roles if one.inputs["awsServiceName"].startswith("sagemaker.application-autoscaling")]
    assert bool(made) == bool(most), "the function must not be able to make the role"
    assert endpoint_scaling._VARIANTS["StringEquals"] == {
        "application-autoscaling:scalable-dimension": scaling.DIMENSION,
        "application-autoscaling:service-namespace": scaling.NAMESPACE,
    }


def test_the_api_keeps_predictions_and_writes_no_evaluation_and_no_decision(program: Any, statements: Any) -> None:
    from api.endpoint import PARTITIONS

    statement = statements(program, "radiologist-api")["KeepPredictions"]
    assert statement["Action"] == ["dynamodb:PutItem"]
    assert statement["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{PARTITIONS}*"]}}


def test_the_search_for_calls_finds_each_kind_of_call(tmp_path: Path, aws_calls: Any) -> None:
    source = """
class Adapter:
    def one(self): return self._s3.get_object(Bucket="b", Key="k")
    def two(self): return self._s3.generate_presigned_url("put_object", Params={})
    def three(self): return self._once("CreateModel", self._sagemaker.create_model)
    def four(self): return self._imaging.get_datastore(datastoreId="d")
    def five(self, request): return self._table.query(**request)
    def not_aws(self): return self.publisher.publish(data=1, event_id="x")
    def shared(self): return self._tracking.get("id")
"""
    (tmp_path / "adapter.py").write_text(source)
    found = aws_calls.actions_of(tmp_path, [ROOT / "lambdas/shared/src/lambda_shared"])
    assert found == {
        "s3:GetObject",
        "s3:PutObject",
        "sagemaker:CreateModel",
        "iam:PassRole",
        "medical-imaging:GetDatastore",
        "dynamodb:Query",
        "dynamodb:GetItem",
        "events:PutEvents",
    }


def test_a_function_runs_in_the_vpc_traced_encrypted_and_with_dead_letters(program: Any, function_role: str) -> None:
    inputs = function_of(program, function_role).inputs
    assert inputs["tracingConfig"] == {"mode": "Active"}
    assert inputs["vpcConfig"]["subnetIds"]
    assert inputs["kmsKeyArn"].startswith("arn:aws:kms:")
    assert inputs["deadLetterConfig"]["targetArn"].endswith(f"-{function_role}-dlq")
    assert inputs["loggingConfig"]["logGroup"].endswith(function_role)


@pytest.mark.parametrize("role", sorted(SIZES))
def test_a_function_has_the_time_and_memory_of_row_a5_in_production(role: str) -> None:
    prod = recorded_program("prod")
    inputs = function_of(prod, role).inputs
    assert (inputs["timeout"], inputs["memorySize"]) == SIZES[role]


def test_the_handler_that_is_deployed_exists(program: Any, function_role: str) -> None:
    inputs = function_of(program, function_role).inputs
    module, name = inputs["handler"].rsplit(".", 1)
    folder = ROOT if function_role == "radiologist-api" else ROOT / "lambdas"
    tree = ast.parse((folder / Path(*module.split("."))).with_suffix(".py").read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    deployed = f"{module.replace('.', '/')}.py"
    assert deployed in inputs["code"].assets, "the archive holds the package under its own name"


def test_no_two_functions_share_a_role(program: Any) -> None:
    roles = [function.inputs["role"] for function in program.of("aws:lambda/function:Function")]
    assert len(set(roles)) == len(roles) == len(PACKAGES)
