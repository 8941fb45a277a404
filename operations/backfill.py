"""Starts the back-fill state machine over a prefix or a manifest, and follows its Map Run to the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

RUNNING: Final = "RUNNING"
COUNTED: Final = ("total", "succeeded", "failed", "timedOut", "aborted")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a back-fill is: the execution's status, its ARN, and objects by outcome once they were listed."""

    status: str
    execution_arn: str
    objects: Mapping[str, int]
    error: str = ""


def start(machines: Any, state_machine_arn: str, *, prefix: str, manifest: str | None = None) -> str:
    """Start it; answers the execution's ARN. A manifest goes before a prefix."""
    given = {"manifest": manifest} if manifest else {"prefix": prefix}
    started = machines.start_execution(stateMachineArn=state_machine_arn, input=json.dumps(given))
    return str(started["executionArn"])


def progress(machines: Any, execution_arn: str) -> Progress:
    """One look."""
    execution = machines.describe_execution(executionArn=execution_arn)
    runs = machines.list_map_runs(executionArn=execution_arn)["mapRuns"]
    counts: dict[str, int] = {}
    for run in runs:
        found = machines.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]
        counts = {name: counts.get(name, 0) + int(found[name]) for name in COUNTED}
    return Progress(
        status=str(execution["status"]),
        execution_arn=execution_arn,
        objects=counts,
        error=str(execution.get("error", "")),
    )


def follow(
    machines: Any,
    execution_arn: str,
    tell: Callable[[Progress], None],
    *,
    pause: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Progress:
    """Look until it ends; `tell` hears of each look."""
    while True:
        now = progress(machines, execution_arn)
        tell(now)
        if now.status != RUNNING:
            return now
        sleep(pause)
