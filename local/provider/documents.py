"""Checks of JSON inputs in preview: the embedded AWS accepts `{not json`, AWS would refuse it at create."""

from __future__ import annotations

import json
from typing import Any

from .wire import has_unknown


def parsed(value: Any) -> Any:
    """The document behind a text or a mapping; raises ValueError when it is not JSON."""
    return json.loads(value) if isinstance(value, str) else value


def document_problem(value: Any) -> str:
    """Why the value is not a JSON object; empty when it is one, absent or not known yet."""
    if value in (None, "") or has_unknown(value):
        return ""
    try:
        document = parsed(value)
    except ValueError as error:
        return f"is not valid JSON: {error}"
    return "" if isinstance(document, dict) else "is not a JSON object"


def policy_problem(value: Any) -> str:
    """Why the value is not an IAM policy document (IAM JSON policy grammar); empty when it is one."""
    if (problem := document_problem(value)) or value in (None, "") or has_unknown(value):
        return problem
    document = parsed(value)
    statements = document.get("Statement")
    if statements is None:
        return "has no Statement"
    for number, item in enumerate(statements if isinstance(statements, list) else [statements]):
        if why := _statement_problem(item):
            return f"has a malformed statement {number}: {why}"
    return ""


def _statement_problem(item: Any) -> str:
    if not isinstance(item, dict):
        return "it is not an object"
    if item.get("Effect") not in ("Allow", "Deny"):
        return "Effect must be Allow or Deny"
    if ("Action" in item) == ("NotAction" in item):
        return "exactly one of Action and NotAction is needed"
    if "Resource" in item and "NotResource" in item:
        return "Resource and NotResource exclude each other"
    return ""
