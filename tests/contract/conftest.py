"""What the contract tests share: the whole program as the engine would get it, for each stack and mode."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from tests.fixtures import aws_calls as calls
from tests.fixtures import platform_program as platform

FUNCTIONS = {
    "image-ingestion": "lambdas/image_ingestion",
    "pipeline-trigger": "lambdas/pipeline_trigger",
    "model-evaluation": "lambdas/model_evaluation",
    "model-registry": "lambdas/model_registry",
    "monitoring": "lambdas/monitoring",
    "breach-response": "lambdas/breach_response",
    "radiologist-api": "api",
}
"""Role of each function -> the folder of its package."""


@pytest.fixture(scope="session", params=["local", "prod", "complete"])
def program(request: pytest.FixtureRequest) -> Any:
    """The program of a stack as `pulumi up` would register it."""
    return platform.recorded_program(request.param)


@pytest.fixture(scope="session", params=[False, True], ids=["up", "preview"])
def program_in_both_modes(request: pytest.FixtureRequest) -> Any:
    """The program of production as it is made, and in a first preview: no id and no computed output is known."""
    return platform.recorded_program("prod", request.param)


@pytest.fixture(scope="session")
def aws_calls() -> ModuleType:
    """The static search for boto3's calls."""
    return calls


@pytest.fixture(params=sorted(FUNCTIONS))
def function_role(request: pytest.FixtureRequest) -> str:
    """Each function in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def statements() -> Any:
    """`statements(program, role)`: the Allow statements of a function's role by Sid."""

    def find(program: Any, role: str) -> dict[str, dict[str, Any]]:
        policy = next(
            item
            for item in program.of("aws:iam/rolePolicy:RolePolicy")
            if str(item.inputs["name"]).endswith(f"-{role}")
        )
        document = json.loads(policy.inputs["policy"])
        return {one["Sid"]: one for one in document["Statement"] if one["Effect"] == "Allow"}

    return find
