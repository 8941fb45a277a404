"""The shape of the stack's configuration: how long logs are kept, by class (docs/adr/0004)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from components._configuration_base import Group

OperationsDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""The steps that CloudWatch Logs accepts (PutRetentionPolicy)."""
AuditDays = Literal[2192, 2557, 2922, 3288, 3653]
"""Its steps from six years on."""


class LogsSettings(Group):
    """How logs are kept. A log group's class is the program's; the days of each class are the stack's."""

    operations_days: OperationsDays = 30
    """Days that operations logs are kept: how the platform runs, nothing of patients."""
    audit_days: AuditDays = 2557
    """Days that audit logs are kept: who did what. Six years are the least (45 CFR 164.316(b)(2)(i))."""
    mask_patients: bool = True
    """What looks like a patient is masked in operations logs of what touches PHI: a net, should our code log it."""


FORMER: Final[Mapping[tuple[str, str], str | None]] = {
    ("functions", "logRetentionDays"): "operationsDays",
    ("monitoring", "auditRetentionDays"): "auditDays",
    ("network", "flowLogRetentionDays"): None,  # flow logs are audit logs: they have no days of their own
}
"""Keys of release 0.1.0 -> the key of `logs` that stands for them now."""


def with_former_keys(given: Any) -> Any:
    """A stack file of release 0.1.0 as it reads today; what `logs` itself says wins. `given` stays as it is."""
    if not isinstance(given, dict):
        return given
    values: dict[str, Any] = {**given}
    for (group, key), now in FORMER.items():
        if isinstance(values.get(group), dict) and key in values[group]:
            old = values[group][key]
            values[group] = {name: value for name, value in values[group].items() if name != key}
            if now is not None and isinstance(logs := values.get("logs", {}), dict):
                values["logs"] = {now: old, **logs}
    return values
