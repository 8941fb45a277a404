"""What tests of components share: the context of a stack, a recording of one run, and both engine modes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components._base import Context, Naming
from components._configuration_logs import LogsSettings
from components._logs import LogKeeping
from components._tags import Tags
from components._workload import KeyArns, Table, Workload
from components.function import FunctionNetwork
from tests.fixtures import pulumi_recorder as recorder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def context() -> Context:
    """A stack called `test` with a boundary."""
    naming = Naming(project=recorder.PROJECT, stack="test", account=recorder.ACCOUNT, region=recorder.REGION)
    return Context(
        naming=naming,
        tags=Tags(project=recorder.PROJECT, stack="test", owner="imaging-platform"),
        region=recorder.REGION,
        account=recorder.ACCOUNT,
        boundary_arn=naming.arn("iam", "policy/boundary", regional=False),
    )


@pytest.fixture
def record() -> Callable[..., Any]:
    """Runs a program against the recorder: `record(program, preview=False)`."""
    return recorder.record


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def preview(request: pytest.FixtureRequest) -> bool:
    """Both modes of the engine: with all outputs known, and before anything exists."""
    return bool(request.param)


@pytest.fixture
def workload(context: Context) -> Workload:
    """The common ground of a stack's functions, with a key of each data class."""
    arns = {name: context.naming.arn("kms", f"key/{name}") for name in KeyArns.__dataclass_fields__}
    return Workload(
        context=context,
        keys=KeyArns(**arns),
        network=FunctionNetwork(subnet_ids=["subnet-1", "subnet-2"], security_group_ids=["sg-1"]),
        runtime="python3.12",
        shared_layer=context.naming.arn("lambda", "layer:shared:1"),
        log_level="INFO",
        logs=LogKeeping(settings=LogsSettings(), operations_key=arns["logs"], audit_key=arns["audit"], protected=True),
    )


@pytest.fixture
def table(context: Context) -> Callable[[str], Table]:
    """A table of the stack by its role."""
    return lambda role: Table(name=context.naming.name(role), arn=context.naming.arn("dynamodb", f"table/{role}"))
