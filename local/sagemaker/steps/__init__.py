"""How each step type runs. `RUNNERS` is the closed table of what the executor can do."""

from __future__ import annotations

from collections.abc import Callable

from local.sagemaker.steps.base import StepResult, StepRun
from local.sagemaker.steps.control import run_condition, run_fail, run_lambda, run_register
from local.sagemaker.steps.job import run_processing, run_training

RUNNERS: dict[str, Callable[[StepRun], StepResult]] = {
    "Processing": run_processing,
    "Training": run_training,
    "Condition": run_condition,
    "RegisterModel": run_register,
    "Lambda": run_lambda,
    "Fail": run_fail,
}

__all__ = ["RUNNERS", "StepResult", "StepRun"]
