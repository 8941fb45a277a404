"""Step caching: the last successful run of a step with the same type and the same resolved arguments."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.definition.model import Step
from local.sagemaker.progress import STEP
from local.sagemaker.state import Record

_NOT_IN_KEY = {"ProcessingJobName", "TrainingJobName", "Tags", "ExperimentConfig"}


def key_of(step: Step, arguments: Any, function_arn: Any) -> str | None:
    """Digest of what the step would do, or None when caching is off for it."""
    if step.cache_seconds is None:
        return None
    kept = {k: v for k, v in arguments.items() if k not in _NOT_IN_KEY}
    text = json.dumps([step.type, function_arn, kept], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def find(context: Context, pipeline_arn: str, step: Step, key: str | None) -> Record | None:
    """The newest reusable run of this pipeline's steps, or None."""
    if key is None or step.cache_seconds is None:
        return None
    oldest = context.clock.now() - step.cache_seconds
    runs = [
        run
        for run in context.store.all(STEP)
        if run.get("CacheKey") == key
        and run["PipelineArn"] == pipeline_arn
        and run["StepStatus"] == "Succeeded"
        and "CacheHitResult" not in run
        and run["EndTime"] >= oldest
    ]
    return max(runs, key=lambda run: run["EndTime"]) if runs else None
