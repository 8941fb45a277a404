"""Every metric that an alarm or a dashboard names has a source: our code, a metric filter of the program, or AWS."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from components.alarms import PLATFORM
from lambda_shared.metrics import MetricName
from tests.fixtures.platform_program import recorded_program

ROOT = Path(__file__).resolve().parents[2]
SERVICES = {
    "FrameProxy": "frame_proxy",
    "instances_": "store_scp",
    "protocol_": "store_scp",
    "commitment_": "store_scp",
}
"""Beginning of a metric's name -> the service that publishes it."""
SEARCHED = re.compile(r'Namespace="([^"]+)" MetricName="([^"]+)"')
BY_AWS: dict[tuple[str, str], set[str]] = {
    **{("AWS/Lambda", name): {"FunctionName"} for name in ("Errors", "Invocations", "ConcurrentExecutions")},
    **{("AWS/DynamoDB", f"{kind}ThrottleEvents"): {"TableName"} for kind in ("Read", "Write")},
    **{
        ("AWS/SageMaker", name): {"EndpointName", "VariantName"}
        for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency")
    },
    **{
        ("AWS/Sagemaker/ModelBuildingPipeline", f"Execution{name}"): {"PipelineName"}
        for name in ("Started", "Succeeded", "Failed", "Duration")
    },
    ("AWS/ApplicationELB", "TargetResponseTime"): {"LoadBalancer", "TargetGroup"},
    ("AWS/ApplicationELB", "UnHealthyHostCount"): {"LoadBalancer", "TargetGroup"},
    ("AWS/NetworkELB", "HealthyHostCount"): {"LoadBalancer", "TargetGroup"},
    ("AWS/ECS", "MemoryUtilization"): {"ClusterName", "ServiceName"},
    ("AWS/States", "ExecutionsFailed"): {"StateMachineArn"},
    ("AWS/S3", "ReplicationLatency"): {"SourceBucket", "DestinationBucket", "RuleId"},
    ("AWS/S3", "OperationsFailedReplication"): {"SourceBucket", "DestinationBucket", "RuleId"},
}
"""What AWS publishes, and under which dimensions: with fewer or others a line is empty and an alarm is silent.
The pages "metrics and dimensions" of each service, 21 Nov 2026."""
FOUND_BY_SEARCH = {
    ("AWS/HealthImaging", "CallCount"),
    ("AWS/S3", "BucketSizeBytes"),
    *(("/aws/sagemaker/TrainingJobs", f"{kind}Utilization") for kind in ("CPU", "GPU", "GPUMemory")),
}
"""Searched for, as their dimensions are a run's own or not all known here."""


@pytest.fixture(scope="module")
def complete() -> Any:
    return recorded_program("complete")


def alarmed(program: Any) -> list[tuple[str, str, set[str]]]:
    """(namespace, name, names of dimensions) of all alarms, operands of metric maths included."""
    found: list[tuple[str, str, set[str]]] = []
    for alarm in (one.inputs for one in program.of("aws:cloudwatch/metricAlarm:MetricAlarm")):
        single = [alarm] if "metricName" in alarm else []
        maths = [query["metric"] for query in alarm.get("metricQueries") or [] if "metric" in query]
        found += [(one["namespace"], one["metricName"], set(one.get("dimensions") or {})) for one in single + maths]
    return found


def shown(program: Any) -> tuple[list[tuple[str, str, set[str]]], set[tuple[str, str]]]:
    """Drawn or calculated with on the dashboards; and searched for."""
    drawn: list[tuple[str, str, set[str]]] = []
    searched: set[tuple[str, str]] = set()
    for board in program.of("aws:cloudwatch/dashboard:Dashboard"):
        for widget in json.loads(board.inputs["dashboardBody"])["widgets"]:
            for row in widget["properties"]["metrics"]:
                if isinstance(row[0], str):
                    drawn.append((row[0], row[1], set(row[2:-1:2])))
                else:
                    searched |= set(SEARCHED.findall(row[0]["expression"]))
    return drawn, searched


def published() -> set[str]:
    """Names that our functions count, found in their source: written in the call, or in the table it looks in."""
    found: set[str] = set()
    for folder in (ROOT / "lambdas", ROOT / "api"):
        for path in folder.rglob("*.py"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            tables = {
                node.target.id: node.value.values
                for node in nodes
                if isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(node.value, ast.Dict)
            }
            for node in nodes:
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "count" and node.args:
                    name = node.args[0]
                    looked_in = isinstance(name, ast.Subscript) and isinstance(name.value, ast.Name)
                    names = tables.get(name.value.id, []) if looked_in else [name]
                    found |= {str(one.value) for one in names if isinstance(one, ast.Constant)}
    return found


def published_by_service(name: str) -> bool:
    """Whether a service's source writes that name; prometheus adds `_total` to a counter."""
    service = next((folder for begins, folder in SERVICES.items() if name.startswith(begins)), None)
    if service is None:
        return False
    texts = {
        node.value
        for path in (ROOT / "services" / service).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return name in texts or name.removesuffix("_total") in texts


def test_every_metric_of_ours_that_is_watched_is_published_by_some_code(complete: Any) -> None:
    drawn, _ = shown(complete)
    watched = {name for namespace, name, _ in alarmed(complete) + drawn if namespace == PLATFORM}
    assert len(watched) > 30
    silent = {name for name in watched - published() if not published_by_service(name)}
    assert not silent, "an alarm on a metric that nobody writes never sounds"


def test_every_metric_that_code_may_count_is_counted_by_some() -> None:
    assert set(get_args(MetricName)) == published()


def test_every_security_metric_is_made_by_a_filter_of_the_trails_log(complete: Any) -> None:
    made = {
        (one.inputs["metricTransformation"]["namespace"], one.inputs["metricTransformation"]["name"])
        for one in complete.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    }
    watched = {(namespace, name) for namespace, name, _ in alarmed(complete) if namespace.startswith(f"{PLATFORM}/")}
    assert len(watched) > 10
    assert watched <= made


def test_every_metric_of_aws_is_asked_for_under_the_dimensions_that_aws_gives_it(complete: Any) -> None:
    drawn, searched = shown(complete)
    asked = [one for one in alarmed(complete) + drawn if not one[0].startswith(PLATFORM)]
    assert len(asked) > 30
    wrong = [one for one in asked if BY_AWS.get(one[:2]) != one[2]]
    assert not wrong
    assert searched == FOUND_BY_SEARCH


def test_row_a9_is_on_the_three_dashboards(complete: Any) -> None:
    titles = {
        board.inputs["dashboardName"].rsplit("-", 1)[-1]: " | ".join(
            widget["properties"]["title"] for widget in json.loads(board.inputs["dashboardBody"])["widgets"]
        ).lower()
        for board in complete.of("aws:cloudwatch/dashboard:Dashboard")
    }
    wanted = {
        "healthimaging": ["latency: average and p99", "bytes", "calls", "stored", "connections", "compression"],
        "training": ["executions", "failed", "duration", "accuracy", "precision", "cpu and gpu"],
        "mlops": [
            "data quality",
            "approved of all",
            "to service",
            "drift",
            "cost of a training",
            "volume",
            "invocations",
        ],
    }
    assert titles.keys() == wanted.keys()
    for board, words in wanted.items():
        assert [word for word in words if word not in titles[board]] == [], board


@pytest.mark.parametrize("stack", ["local", "dev", "staging", "prod"])
def test_the_price_on_the_dashboard_is_that_of_the_stacks_machine(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    training = config["healthcare-imaging-mlops:training"]
    prices = yaml.safe_load((ROOT / "cost" / "prices.yaml").read_text())
    listed = next(group for group in prices.values() if isinstance(group, dict) and "ml.g4dn.xlarge" in group)
    assert training["trainingUsdPerHour"] == listed[training["trainingInstanceType"]]["usd"]
