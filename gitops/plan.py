"""Binds an approval to what was approved: the saved plan, the state that it was made from, and the commit.

`pulumi up --plan` holds the steps and the end state, and not the state it starts from: a plan made before somebody
changed the stack still applies. So the state's digest is recorded with the plan and compared before it is applied.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from gitops.errors import GitopsError, RefusedError
from gitops.redaction import SECRET_SIGNATURE, credentials_in

MAX_AGE: Final = timedelta(hours=72)
"""An approval of last week was given for another world."""

_VOLATILE: Final = frozenset({"manifest", "secrets_providers", "metadata"})


@dataclass(frozen=True, kw_only=True)
class PlanRecord:
    """What the approver saw; `made_at` is ISO 8601 in UTC, digests are SHA-256 in hex.

    Attributes:
        drift: fingerprint of the drift that the update is meant to undo; empty when there was none.
    """

    stack: str
    commit: str
    plan_digest: str
    state_digest: str
    made_at: str
    drift: str = ""

    def dumps(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def loads(cls, text: str) -> PlanRecord:
        """Raises GitopsError when it is not such a record."""
        try:
            return cls(**{key: str(value) for key, value in json.loads(text).items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise GitopsError("This is no record that `python -m gitops plan-record` wrote.") from error


def record_plan(
    *, stack: str, commit: str, plan: Path, state: Path, drift: str = "", now: datetime | None = None
) -> PlanRecord:
    """The record of a plan. Raises RefusedError when it holds a credential in clear or the state is mid-update."""
    content = _json(plan.read_text(), plan.name)
    if not isinstance(content.get("resourcePlans"), dict):
        raise GitopsError(f"{plan.name} is no plan of `pulumi preview --save-plan`.")
    if found := credentials_in(json.dumps(_without_ciphertext(content))):
        raise RefusedError(
            f"The plan holds {found} credentials in clear: it must not be uploaded. Read them by require_secret."
        )
    return PlanRecord(
        stack=stack,
        commit=commit,
        plan_digest=hashlib.sha256(plan.read_bytes()).hexdigest(),
        state_digest=state_digest(state.read_text()),
        made_at=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        drift=drift,
    )


def check_plan(
    record: PlanRecord, *, stack: str, commit: str, plan: Path, state: Path, now: datetime | None = None
) -> None:
    """Raises RefusedError with every reason why this plan may not be applied now."""
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(record.made_at)
    checks = {
        f"the plan is for the stack {record.stack}, not {stack}": record.stack != stack,
        f"the plan is for commit {record.commit[:12]}, not {commit[:12]}": record.commit != commit,
        "the plan file is not the one that was recorded": hashlib.sha256(plan.read_bytes()).hexdigest()
        != record.plan_digest,
        "the stack has changed since the plan was made": state_digest(state.read_text()) != record.state_digest,
        f"the plan is {_hours(age)} hours old, the limit is {_hours(MAX_AGE)}": not timedelta(0) <= age <= MAX_AGE,
    }
    refused = [reason for reason, holds in checks.items() if holds]
    if refused:
        raise RefusedError(f"Not applied: {'; '.join(refused)}. Plan again and have it approved again.")


def _hours(age: timedelta) -> int:
    return round(age.total_seconds() / 3600)


def state_digest(export: str) -> str:
    """SHA-256 of the resources in `pulumi stack export`, whatever wrote the checkpoint and when.

    Ciphertexts are left out: the engine encrypts a secret anew on each write. Raises RefusedError when operations are
    pending, since nobody knows then what exists.
    """
    deployment = _json(export, "the state").get("deployment")
    if not isinstance(deployment, dict):
        raise GitopsError("The state is no output of `pulumi stack export`.")
    content = cast("dict[str, Any]", deployment)
    pending = cast("list[Any]", content.get("pending_operations") or [])
    if pending:
        raise RefusedError(
            f"{len(pending)} operations of an update that was cut off are pending: answer for each in `pulumi refresh`."
        )
    kept = {key: _without_ciphertext(value) for key, value in content.items() if key not in _VOLATILE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _without_ciphertext(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ciphertext(inner) for inner in cast("list[Any]", value)]
    if isinstance(value, dict):
        content = cast("dict[str, Any]", value)
        if _is_ciphertext(content):
            return "[secret]"
        return {key: _without_ciphertext(inner) for key, inner in content.items()}
    return value


def _is_ciphertext(content: dict[str, Any]) -> bool:
    """A secret of the state, or one of the configuration; a secret that the engine wrote in clear is none."""
    if SECRET_SIGNATURE in content:
        return "plaintext" not in content
    return list(content) == ["secure"] and str(content["secure"]).startswith("v1:")


def _json(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise GitopsError(f"{name} is not JSON.") from error
    if not isinstance(found, dict):
        raise GitopsError(f"{name} is not a JSON object.")
    return cast("dict[str, Any]", found)
