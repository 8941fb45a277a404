"""The shape of the stack's configuration: how long logs are kept, by class (docs/adr/0004)."""

from __future__ import annotations

from typing import Literal

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
