"""The log groups of SageMaker's jobs: names of the account, not of a stack, so made here (docs/adr/0006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_logs import LogsSettings, OperationsDays
from components._logs import LogKeeping, log_group
from components.keys import key_policy

GROUPS: Final = ("ProcessingJobs", "TrainingJobs", "TransformJobs")
"""Below /aws/sagemaker/. An endpoint's group carries its name and is made by its stack (components/mlops.py).
https://docs.aws.amazon.com/sagemaker/latest/dg/logging-cloudwatch.html"""


@dataclass(frozen=True, kw_only=True)
class JobLogsArgs:
    """What the groups need.

    Attributes:
        project: project of the platform, whose name the key carries.
        days: how long a line is kept.
    """

    context: Context
    project: str
    days: OperationsDays


class JobLogs(PlatformComponent):
    """The groups that SageMaker would otherwise make itself: without a key, and kept for ever.

    Creates `{name}-key` and its alias, and `{name}-{ProcessingJobs,TrainingJobs,TransformJobs}`. Guarantees: one
    customer-managed key that the log service uses for these groups alone; lines end after `days`.
    """

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: JobLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the groups."""
        super().__init__("imaging:bootstrap:JobLogs", name, opts)
        context, tags = args.context, args.context.tags_for("logs", "logs")
        names = {group: f"/aws/sagemaker/{group}" for group in GROUPS}
        key = aws.kms.Key(
            f"{name}-key",
            description=f"{args.project}: logs of SageMaker's jobs",
            policy=key_policy(context, "logs", log_groups=list(names.values())),
            enable_key_rotation=True,
            rotation_period_in_days=365,
            deletion_window_in_days=30,
            is_enabled=True,
            tags=tags,
            opts=self.child(protect=True),
        )
        aws.kms.Alias(
            f"{name}-key-alias", name=f"alias/{args.project}-job-logs", target_key_id=key.key_id, opts=self.child()
        )
        keeping = LogKeeping(
            settings=LogsSettings(operations_days=args.days),
            operations_key=key.arn,
            audit_key=None,
            partition=context.partition,
        )
        for group, physical in names.items():
            log_group(
                f"{name}-{group}",
                name=physical,
                log_class="operations",
                keeping=keeping,
                tags=tags,
                opts=self.child(),
            )
        self.key_arn = key.arn
        self.register_outputs({"key_arn": self.key_arn})
