"""The program: short, the same for all stacks, and it exports what tools and people ask for."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures import platform_program as platform

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "__main__.py"


@pytest.fixture(scope="module", params=["dev", "staging"])
def planned(request: pytest.FixtureRequest) -> Any:
    """The first preview of a stack."""
    return platform.recorded_program(request.param, True)


def test_the_program_is_short_and_makes_no_resource_itself() -> None:
    text = PROGRAM.read_text()
    assert len(text.splitlines()) < 120
    assert "pulumi_aws" not in text, "resources are made in components"


def test_nothing_asks_for_the_name_of_a_stack() -> None:
    """Names are made from it in one place; no decision hangs on it anywhere."""
    for path in [PROGRAM, *sorted((ROOT / "components").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                compared = ast.unparse(node)
                assert "get_stack" not in compared, f"{path.name}: {compared}"
                assert "naming.stack" not in compared, f"{path.name}: {compared}"


@pytest.mark.parametrize("stack", platform.STACKS)
def test_every_stack_has_data_for_this_project_alone(stack: str) -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    keys = {key.split(":")[1] for key in platform.stack_config(stack) if key.startswith(f"{project['name']}:")}
    assert keys <= set(project["config"])


def test_the_first_preview_of_a_stack_plans_the_whole_platform(planned: Any) -> None:
    tokens = {resource.token for resource in planned.resources}
    assert {
        "aws:sagemaker/pipeline:Pipeline",
        "aws:sfn/stateMachine:StateMachine",
        "aws:apigateway/restApi:RestApi",
        "aws:cloudcontrol/resource:Resource",
        "aws:cognito/userPool:UserPool",
        "aws:cloudwatch/eventBus:EventBus",
    } <= tokens
    assert len(planned.resources) > 200


def test_no_two_resources_of_a_kind_share_a_physical_name(planned: Any) -> None:
    seen: set[tuple[str, str]] = set()
    for resource in planned.resources:
        for field in ("name", "bucket", "dashboardName", "pipelineName"):
            value = resource.inputs.get(field)
            is_setting_of_a_bucket = field == "bucket" and resource.token != "aws:s3/bucket:Bucket"
            if isinstance(value, str) and resource.custom and not is_setting_of_a_bucket:
                assert (resource.token, value) not in seen, f"{resource.name}: {value} is taken"
                seen.add((resource.token, value))


def test_the_program_asks_only_who_and_where_it_is(planned: Any) -> None:
    assert set(planned.invokes) <= {
        "aws:index/getCallerIdentity:getCallerIdentity",
        "aws:index/getRegion:getRegion",
        "aws:index/getPartition:getPartition",
        "aws:index/getAvailabilityZones:getAvailabilityZones",
    }


EXPORTS = {
    "alarms",
    "alerts_inbox_url",
    "alerts_topic_arn",
    "api_url",
    "audit_log_group",
    "dashboards",
    "datastore_id",
    "endpoint_name",
    "event_bus",
    "image_ingestion_function",
    "import_queue_url",
    "metrics_table",
    "model_package_group",
    "monitoring_function",
    "pipeline_name",
    "preprocessed_bucket",
    "state_machine_arn",
    "tracking_table",
    "training_data_bucket",
    "user_pool_client_id",
    "user_pool_id",
}
"""What the demo, the operations commands and the documents name."""


def test_the_program_exports_what_tools_ask_for() -> None:
    exported = {
        key.value
        for node in ast.walk(ast.parse(PROGRAM.read_text()))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert exported >= EXPORTS
