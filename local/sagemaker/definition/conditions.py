"""Condition types of a Condition step: check when the pipeline is created, evaluate when the step runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from local.sagemaker.errors import ValidationError

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "NotEquals": operator.ne,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_MEMBERS = {
    **{name: {"Type", "LeftValue", "RightValue"} for name in _COMPARISONS},
    "In": {"Type", "Value", "In"},
    "Or": {"Type", "Conditions"},
    "Not": {"Type", "Expression"},
}


def check_condition(where: str, condition: Any) -> None:
    """Raises ValidationError unless the condition, and those inside it, have the form of their type."""
    kind = condition.get("Type") if isinstance(condition, dict) else None
    members = _MEMBERS.get(str(kind))
    if members is None:
        raise ValidationError(f"{where}: condition type {kind!r} is not one of {', '.join(_MEMBERS)}")
    if set(condition) != members:
        raise ValidationError(f"{where}: condition {kind} needs exactly {', '.join(sorted(members - {'Type'}))}")
    if kind == "In" and not isinstance(condition["In"], list):
        raise ValidationError(f"{where}: condition In needs a list of values")
    if kind == "Or" and (not isinstance(condition["Conditions"], list) or not condition["Conditions"]):
        raise ValidationError(f"{where}: condition Or needs a list of conditions")
    for nested in condition["Conditions"] if kind == "Or" else [condition["Expression"]] if kind == "Not" else []:
        check_condition(where, nested)


def holds(conditions: Iterable[dict[str, Any]], resolve: Callable[[Any], Any]) -> bool:
    """True when all the conditions hold. Raises ValidationError when two values cannot be compared."""
    return all(_holds(condition, resolve) for condition in conditions)


def _holds(condition: dict[str, Any], resolve: Callable[[Any], Any]) -> bool:
    kind = condition["Type"]
    if kind == "Or":
        return any(_holds(nested, resolve) for nested in condition["Conditions"])
    if kind == "Not":
        return not _holds(condition["Expression"], resolve)
    if kind == "In":
        return resolve(condition["Value"]) in [resolve(value) for value in condition["In"]]
    left, right = resolve(condition["LeftValue"]), resolve(condition["RightValue"])
    if kind not in ("Equals", "NotEquals"):
        left, right = _number(left, kind), _number(right, kind)
    return _COMPARISONS[kind](left, right)


def _number(value: Any, kind: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    # A Lambda step's output parameters are text; the service compares such text as the number it says.
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValidationError(f"{kind} needs numbers, not a value of type {type(value).__name__}") from None
