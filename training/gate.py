"""May this model be registered? The stack's limits and the change control plan decide, and quote the clause.

The plan (change-control-plan.json) is versioned with the code: what may change without a new review, and what a
changed model must reach (FDA guidance on predetermined change control plans, December 2024). Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training import names

PLAN_FILE = Path(__file__).with_name("change-control-plan.json")
SMALLEST_GROUP = 5
"""Patients under which a group's accuracy says nothing."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the stack asks of a model; 0 switches a limit off.

    Attributes:
        accuracy: smallest accuracy on held-out patients, 0 to 1.
        lower_bound: smallest lower end of its 95 % interval.
        subgroup_floor: smallest accuracy of any group of SMALLEST_GROUP patients or more.
        champion_margin: by how much accuracy may fall behind the model in service on the same patients.
    """

    accuracy: float
    lower_bound: float = 0.0
    subgroup_floor: float = 0.0
    champion_margin: float = 0.02


def load_plan(path: Path = PLAN_FILE) -> dict[str, Any]:
    """The plan in force."""
    return json.loads(path.read_text(encoding="utf-8"))


def decide(report: Mapping[str, Any], limits: Limits, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The gate's decision as the report carries it: passed (1 or 0), every reason, one sentence, the plan's version."""
    said = plan["acceptance"]
    reasons = [
        *_accuracy(report, limits, said),
        *_lower_bound(report, limits, said),
        *_groups(report, limits, said),
        *_champion(report, limits, said),
        *_changes(report, plan),
        *_test_set(report, plan),
    ]
    return {
        "passed": 0 if reasons else 1,
        "reasons": reasons,
        "sentence": " ".join(reasons) or "The model meets every limit.",
        "limits": vars(limits),
        "plan": {"version": plan["version"], "effective": plan["effective"]},
        "test_set": report.get("test_set"),
    }


def _accuracy(report: Mapping[str, Any], limits: Limits, said: Mapping[str, Any]) -> list[str]:
    value, lowest = report["metrics"]["accuracy"]["value"], said["lowest_accuracy_threshold"]
    if value is None or value < limits.accuracy:
        return [f"Held-out accuracy {value} is below the threshold {limits.accuracy} ({said['clause_accuracy']})"]
    if value < lowest:
        return [f"Held-out accuracy {value} is below the plan's {lowest} ({said['clause_accuracy']})"]
    return []


def _lower_bound(report: Mapping[str, Any], limits: Limits, said: Mapping[str, Any]) -> list[str]:
    low = report["metrics"]["accuracy"]["interval"][0]
    if limits.lower_bound and (low is None or low < limits.lower_bound):
        return [f"The interval's lower end {low} is below {limits.lower_bound} ({said['clause_lower_bound']})"]
    return []


def _groups(report: Mapping[str, Any], limits: Limits, said: Mapping[str, Any]) -> list[str]:
    weak = [
        f"{group['dimension']} {group['group']} ({group['accuracy']} on {group['patients']} patients)"
        for group in report.get("subgroups", ())
        if group["patients"] >= SMALLEST_GROUP and group["accuracy"] < limits.subgroup_floor
    ]
    if weak:
        return [f"Below the floor {limits.subgroup_floor}: {'; '.join(weak)} ({said['clause_subgroup']})"]
    return []


def _champion(report: Mapping[str, Any], limits: Limits, said: Mapping[str, Any]) -> list[str]:
    found = report.get("champion") or {}
    if found.get("comparable") and found["difference"] < -limits.champion_margin:
        return [
            f"Worse than the model in service by {-found['difference']:.4f} on {found['patients']} patients that "
            f"neither has seen ({said['clause_champion']})"
        ]
    return []


def _changes(report: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    reasons: list[str] = []
    for name, allowed in plan["allowed_changes"].items():
        value = report.get("configuration", {}).get(name)
        if value is None or isinstance(allowed, str):
            continue
        numbers = not isinstance(allowed[0], str)
        if not (allowed[0] <= value <= allowed[1] if numbers else value in allowed):
            reasons.append(f"{name} {value} is no allowed change ({plan['acceptance']['clause_changes']})")
    return reasons


def _test_set(report: Mapping[str, Any], plan: Mapping[str, Any]) -> list[str]:
    """Was the model judged on the images that were labelled and, where the stack names a lock, on the locked ones?"""
    found, said = report.get("test_set") or {}, plan["acceptance"]
    reasons: list[str] = []
    if found.get("changed"):
        reasons.append(
            f"{found['changed']} image(s) of the test set are not what was labelled ({said['clause_test_set']})"
        )
    name = found.get("lock", names.NO_LOCK)
    if name == names.NO_LOCK:
        return reasons
    locked = plan.get("locked_test_sets", {}).get(name, {}).get("sha256")
    if locked is None or found["sha256"] != locked:
        reasons.append(
            f"The test set has the digest {found['sha256'] or 'unknown'}, the plan locks {name} at {locked} "
            f"({said['clause_lock']})"
        )
    return reasons
