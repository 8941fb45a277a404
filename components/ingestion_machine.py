"""The state machine `ingestion`: the document of `ingestion_workflow` on the stack's common ground."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_aws as aws

from components import _machine
from components._base import Context
from components._iam import Statement
from components._workload import Workload
from components.ingestion_workflow import definition_json

ROLE: Final = "ingestion"


def machine_arn(context: Context) -> str:
    """ARN of the state machine, known before it exists."""
    return _machine.machine_arn(context, ROLE)


def ingestion_machine(
    logical_name: str,
    *,
    workload: Workload,
    function_arn: pulumi.Output[str],
    max_concurrency: int,
    tags: Mapping[str, str],
    parent: pulumi.Resource,
) -> aws.sfn.StateMachine:
    """The standard state machine; its history and logs hold references only and are encrypted with our key."""
    return _machine.state_machine(
        logical_name,
        workload=workload,
        role=ROLE,
        execution_role="ingestion-machine",
        description="Runs the ingestion state machine",
        definition=function_arn.apply(lambda arn: definition_json(arn, max_concurrency)),
        statements=[Statement(sid="InvokeIngestion", actions=["lambda:InvokeFunction"], resources=[function_arn])],
        tags=tags,
        parent=parent,
    )
