"""The ingestion state machine as an Amazon States Language document, built without any AWS call.

One execution takes references (bucket, key, ETag, size) of one or many uploaded objects and gives every one of them a
recorded end: queued for the HealthImaging import, in quarantine, or deferred while a service is out. Only references
travel in the states: no header, no pixel and no name of a person can enter an execution's history. The function
answers from the tracking table.

The query language is JSONPath and the Map is inline: both the service and the embedded AWS run them alike.
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-amazon-states-language.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

State = dict[str, Any]

Operation = Literal["validate", "deidentify", "queue-import", "quarantine"]

MAX_ATTEMPTS: Final = 3
"""Tries again after the first failure, 2 s, 4 s and 8 s later."""

# A fault of the service or a function that says "try me again": the object is not to blame.
TRANSIENT_ERRORS: Final = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "TransientError",
)
# The function died or ran out of time: perhaps because of this very object, so it is tried once more and no further.
FATAL_ERRORS: Final = ("Runtime.ExitError", "Sandbox.Timedout", "States.Timeout")
FATAL_ATTEMPTS: Final = 1
# Reserved concurrency reached: a burst waits longer than a fault, because nothing is wrong with the object.
THROTTLED: Final = "Lambda.TooManyRequestsException"


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long a task may take, in seconds, and how often a throttled one is tried again."""

    task_seconds: int
    throttle_attempts: int


PATIENT: Final = Pace(task_seconds=330, throttle_attempts=8)
"""Longer than the function's own limit of 300 s, so the function's timeout is the one that is reported."""
WITHIN_FIVE_MINUTES: Final = Pace(task_seconds=240, throttle_attempts=5)
"""An Express execution is ended after 300 s, unheard: a slow task has to fail before, where it is caught.
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""


def definition(function_arn: str, max_concurrency: int, pace: Pace = PATIENT) -> dict[str, Any]:
    """The whole document.

    Args:
        function_arn: The ImageIngestion function, which does every operation.
        max_concurrency: Objects of one execution that are worked on at the same time; at least 1.
        pace: WITHIN_FIVE_MINUTES for an Express machine.

    Raises:
        ValueError: `max_concurrency` below 1 (0 means "no limit" to Step Functions and would drain the function).
    """
    if max_concurrency < 1:
        raise ValueError(f"ingestion: the Map needs a concurrency of at least 1, not {max_concurrency}")
    return {
        "Comment": "Every uploaded object ends queued for import or in quarantine; references only, no PHI.",
        "StartAt": "EachObject",
        "States": {
            "EachObject": {
                "Type": "Map",
                "ItemsPath": "$.objects",
                "ItemSelector": {"object.$": "$$.Map.Item.Value"},
                "MaxConcurrency": max_concurrency,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "Validate",
                    "States": object_states(function_arn, pace),
                },
                "ResultSelector": {"outcomes.$": "$[*].outcome"},
                "Next": "Tally",
            },
            "Tally": {
                "Type": "Pass",
                "Parameters": {
                    "outcomes.$": "$.outcomes",
                    "deferred.$": "States.ArrayContains($.outcomes, 'deferred')",
                },
                "Next": "AllRecorded",
            },
            "AllRecorded": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.deferred", "BooleanEquals": True, "Next": "SomeDeferred"}],
                "Default": "Done",
            },
            "SomeDeferred": {
                "Type": "Fail",
                "Error": "ObjectsDeferred",
                "Cause": "A service did not answer for some objects: redrive, or the nightly reconciler, goes on.",
            },
            "Done": {"Type": "Succeed"},
        },
    }


def definition_json(function_arn: str, max_concurrency: int, pace: Pace = PATIENT) -> str:
    """`definition` as compact text with sorted keys, so that an unchanged machine shows no difference."""
    return compact(definition(function_arn, max_concurrency, pace))


def compact(document: dict[str, Any]) -> str:
    """A document as text that is the same every time."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def object_states(function_arn: str, pace: Pace) -> dict[str, State]:
    """The states one object goes through, from `Validate` on; no failure in here ends the Map."""
    task = partial(_task, function_arn, pace)
    return {
        "Validate": task(
            "validate",
            result={"object_id.$": "$.Payload.object_id", "valid.$": "$.Payload.valid"},
            result_path="$.validation",
            following="Valid",
        ),
        "Valid": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.validation.valid", "BooleanEquals": True, "Next": "Deidentify"}],
            "Default": "Refused",
        },
        "Deidentify": task(
            "deidentify",
            payload={"object_id.$": "$.validation.object_id"},
            result={"deid_status.$": "$.Payload.deid_status"},
            result_path="$.deidentification",
            following="QueueImport",
        ),
        "QueueImport": task(
            "queue-import",
            payload={"object_id.$": "$.validation.object_id"},
            following="Queued",
        ),
        "Quarantine": task(
            "quarantine",
            payload={"error.$": "$.failure.Error"},
            following="Quarantined",
            quarantinable=False,
        ),
        "Queued": _outcome("queued"),
        "Refused": _outcome("refused"),
        "Quarantined": _outcome("quarantined"),
        "Deferred": _outcome("deferred"),
    }


def _task(
    function_arn: str,
    pace: Pace,
    operation: Operation,
    *,
    following: str,
    payload: dict[str, str] | None = None,
    result: dict[str, str] | None = None,
    result_path: str | None = None,
    quarantinable: bool = True,
) -> State:
    """One call of the function: the operation, the object's reference, and what `payload` adds.

    Without a `result` the answer is dropped (`ResultPath: null`): the tracking table has it.
    """
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {
            "FunctionName": function_arn,
            "Payload": {"operation": operation, "object.$": "$.object", **(payload or {})},
        },
        "TimeoutSeconds": pace.task_seconds,
        **({"ResultSelector": result} if result else {}),
        "ResultPath": result_path,
        "Retry": [
            {
                "ErrorEquals": [THROTTLED],
                "IntervalSeconds": 1,
                "BackoffRate": 2.0,
                "MaxAttempts": pace.throttle_attempts,
                "MaxDelaySeconds": 60,
                "JitterStrategy": "FULL",
            },
            {
                "ErrorEquals": list(TRANSIENT_ERRORS),
                "IntervalSeconds": 2,
                "BackoffRate": 2.0,
                "MaxAttempts": MAX_ATTEMPTS,
            },
            {
                "ErrorEquals": list(FATAL_ERRORS),
                "IntervalSeconds": 2,
                "BackoffRate": 2.0,
                "MaxAttempts": FATAL_ATTEMPTS,
            },
        ],
        # An outage is no reason to put an object aside for ever: it keeps its state and is driven again.
        "Catch": [
            *([_catch([*TRANSIENT_ERRORS, THROTTLED], "Deferred")] if quarantinable else []),
            _catch(["States.ALL"], "Quarantine" if quarantinable else "Deferred"),
        ],
        "Next": following,
    }


def _catch(errors: list[str], following: str) -> dict[str, Any]:
    return {"ErrorEquals": errors, "ResultPath": "$.failure", "Next": following}


def _outcome(outcome: str) -> State:
    """The end of one object: a single word, so the Map's result stays small for any number of objects."""
    return {"Type": "Pass", "Parameters": {"outcome": outcome}, "End": True}
