"""Runs in the environment `check`: `python -m tools.checkov_reader` reads resources as JSON and answers with findings.

On standard input a list of resources (the fields of tools.terraform_plan.Resource), on standard output
{"types": what checkov has checks for, "known": all types it has heard of, "checks": how many ran, "failed": [...]}.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

import checkov.terraform.checks.resource.aws  # noqa: F401  # pyright: ignore[reportMissingImports]  # registers them
from checkov.common.checks_infra.registry import (  # pyright: ignore[reportMissingImports]
    get_graph_checks_registry,
)
from checkov.runner_filter import RunnerFilter  # pyright: ignore[reportMissingImports]
from checkov.terraform.checks.resource.registry import resource_registry  # pyright: ignore[reportMissingImports]
from checkov.terraform.plan_runner import Runner  # pyright: ignore[reportMissingImports]

from tools.terraform_plan import Resource, plan

GENERAL = 100
"""A graph check of more types than these is about tags or names, not about a type."""


def types() -> tuple[list[str], list[str]]:
    """Types of AWS that a check is about, and all that checkov has heard of."""
    graph = get_graph_checks_registry("terraform")
    graph.load_checks()
    sets = [_of_aws(check) for check in graph.checks]
    checked = {kind for kind in resource_registry.checks if kind.startswith("aws_")}
    checked = checked.union(*(one for one in sets if len(one) < GENERAL))
    return sorted(checked), sorted(checked.union(*sets))


def _of_aws(check: Any) -> set[str]:
    named = [*(check.resource_types or []), *(getattr(check, "connected_resources_types", None) or [])]
    own = {kind for kind in named if kind.startswith("aws_")}
    return own.union(*(_of_aws(one) for one in getattr(check, "sub_checks", None) or []))


def scan(resources: list[Resource], known: list[str]) -> tuple[int, list[dict[str, str]]]:
    """How many checks ran on how many resources, and which of them failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.json"
        file.write_text(json.dumps(plan(resources, known), indent=1))
        report = Runner().run(files=[str(file)], runner_filter=RunnerFilter(framework=["terraform_plan"]))
    if report.parsing_errors:
        raise ValueError(f"checkov cannot read the plan: {report.parsing_errors}")
    failed = [{"check": one.check_id, "resource": one.resource, "says": one.check_name} for one in report.failed_checks]
    return len(report.failed_checks) + len(report.passed_checks), failed


def main() -> None:
    logging.disable(logging.WARNING)
    given = [Resource(**one) for one in json.load(sys.stdin)]
    with contextlib.redirect_stdout(sys.stderr):  # the answer alone belongs on standard output
        checked, known = types()
        ran, failed = scan(given, known)
    json.dump({"types": checked, "known": known, "checks": ran, "failed": failed}, sys.stdout)


if __name__ == "__main__":
    main()
