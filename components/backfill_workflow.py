"""The back-fill state machine as an Amazon States Language document, built without any AWS call.

It takes up what lies below `upload/` and was never ingested: uploads from before the rule existed or while it was
off, a bucket restored, a history copied in. A Distributed Map lists a prefix, or reads a manifest where the keys are
known, and gives each object an Express child execution of the very states that a new upload goes through. All of
them may be repeated, so an object that was ingested long ago only answers so.

Input: `{"prefix": "upload/"}`, or `{"manifest": "backfill/NAME.jsonl"}`, a JSON object with the field `Key` a line.
https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

from __future__ import annotations

from typing import Any, Final

from components.ingestion_workflow import WITHIN_FIVE_MINUTES, State, compact, object_states

LISTED: Final = "Listed"
NAMED: Final = "Named"
LABELS: Final = (LISTED, NAMED)
"""Of the two Map Runs, and what the names of their states begin with: a name is used once in a whole machine."""
UPLOADS: Final = "upload/"
MANIFESTS: Final = "backfill/"
RESULTS: Final = "reports/backfill"
"""The Map Run's own folder below it has SUCCEEDED, FAILED and PENDING children, input and outcome of each."""
TOLERATED_PERCENT: Final = 5
"""Of deferred objects, above which the run stops: a service is down, and a million objects need not find out."""


def backfill(function_arn: str, bucket: str, max_concurrency: int) -> dict[str, Any]:
    """The whole document.

    Args:
        function_arn: The ImageIngestion function.
        bucket: Of uploads, manifests and results.
        max_concurrency: Objects worked on at the same time; at least 1.

    Raises:
        ValueError: `max_concurrency` below 1 (0 means 10,000 to Step Functions).
    """
    if max_concurrency < 1:
        raise ValueError(f"backfill: the Map needs a concurrency of at least 1, not {max_concurrency}")
    listed = {
        "key.$": "$$.Map.Item.Value.Key",
        "etag.$": "$$.Map.Item.Value.Etag",
        "size.$": "$$.Map.Item.Value.Size",
    }
    return {
        "Comment": "Every object of a prefix or a manifest goes through ingestion; references only, no PHI.",
        "StartAt": "Source",
        "States": {
            "Source": {
                "Type": "Choice",
                "Choices": [
                    _source("manifest", f"{MANIFESTS}*", "EachOfManifest"),
                    _source("prefix", f"{UPLOADS}*", "EachOfPrefix"),
                ],
                "Default": "NoSource",
            },
            "NoSource": {
                "Type": "Fail",
                "Error": "NoSource",
                "Cause": f"The input names neither a prefix below {UPLOADS} nor a manifest below {MANIFESTS}",
            },
            "EachOfPrefix": _each(
                function_arn,
                bucket,
                max_concurrency,
                label=LISTED,
                reader={
                    "Resource": "arn:aws:states:::s3:listObjectsV2",
                    "Parameters": {"Bucket": bucket, "Prefix.$": "$.prefix"},
                },
                item=listed,
            ),
            "EachOfManifest": _each(
                function_arn,
                bucket,
                max_concurrency,
                label=NAMED,
                reader={
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSONL"},
                    "Parameters": {"Bucket": bucket, "Key.$": "$.manifest"},
                },
                item={"key.$": "$$.Map.Item.Value.Key"},
            ),
            "Done": {"Type": "Succeed"},
        },
    }


def backfill_json(function_arn: str, bucket: str, max_concurrency: int) -> str:
    """`backfill` as compact text with sorted keys."""
    return compact(backfill(function_arn, bucket, max_concurrency))


def _source(name: str, pattern: str, following: str) -> dict[str, Any]:
    variable = f"$.{name}"
    return {
        "And": [
            {"Variable": variable, "IsPresent": True},
            {"Variable": variable, "StringMatches": pattern},
        ],
        "Next": following,
    }


def _each(
    function_arn: str, bucket: str, max_concurrency: int, *, label: str, reader: dict[str, Any], item: dict[str, str]
) -> State:
    states = {
        **object_states(function_arn, WITHIN_FIVE_MINUTES),
        # a child's failure is what the Map Run counts, tolerates, writes down and redrives
        "Deferred": {
            "Type": "Fail",
            "Error": "ObjectDeferred",
            "Cause": "A service did not answer: redrive the run, or the nightly reconciler goes on.",
        },
    }
    return {
        "Type": "Map",
        "Label": label,
        "ItemReader": reader,
        "ItemSelector": {"object": {"bucket": bucket, **item}},
        "MaxConcurrency": max_concurrency,
        "ToleratedFailurePercentage": TOLERATED_PERCENT,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": f"{label}Validate",
            "States": {f"{label}{name}": _renamed(state, label) for name, state in states.items()},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": bucket, "Prefix": RESULTS},
            "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
        },
        "Next": "Done",
    }


def _renamed(state: State, label: str) -> State:
    """The state with every state that it goes on to under its new name."""
    renamed = {key: f"{label}{value}" if key in ("Next", "Default") else value for key, value in state.items()}
    return renamed | {key: [_renamed(one, label) for one in state[key]] for key in ("Choices", "Catch") if key in state}
