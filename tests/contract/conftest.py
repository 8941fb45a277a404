"""What the contract tests share: the whole program as the engine would get it, for each stack and mode."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
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


def load_fixture(name: str) -> ModuleType:
    """A module of tests/fixtures by its path: tests are no package, and pytest imports each file by itself."""
    key = f"tests_fixtures_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, FIXTURES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
    return sys.modules[key]


platform = load_fixture("platform_program")
for name in ("api_limits", "provider_schema"):
    load_fixture(name)


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
    return load_fixture("aws_calls")


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
