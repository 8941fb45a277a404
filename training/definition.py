"""The SageMaker pipeline definition (2020-12-01) of one stack, as a plain dictionary.

    config = PipelineConfig(pipeline_name=..., ...)
    body = json.dumps(build(config), sort_keys=True, separators=(",", ":"))

`build` is pure: no AWS call, no network, no file, the same bytes for the same config. Values that Pulumi knows only
as Outputs go in as sentinel strings and come out through `substitute` inside one Output.apply.
The SageMaker SDK (seconds to import) is imported inside `build` alone; the program runs `definition_process` for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.pipeline_config import PipelineConfig, PipelineConfigError
from training.substitution import UnresolvedSentinelError, sentinel, substitute

__all__ = [
    "PIPELINE_PARAMETERS",
    "PipelineConfig",
    "PipelineConfigError",
    "UnresolvedSentinelError",
    "build",
    "sentinel",
    "substitute",
]

PIPELINE_PARAMETERS = (
    "SnapshotUri",
    "SnapshotId",
    "AccuracyThreshold",
    "CodeCommit",
    "ApprovalStatus",
    "Epochs",
    "BatchSize",
    "LearningRate",
    "ChampionModelUri",
)
"""What a caller of StartPipelineExecution may set; SnapshotUri and SnapshotId have no default and must be set."""


def build(config: PipelineConfig) -> dict[str, Any]:
    """The definition: Preprocess -> Train -> Evaluate -> AccuracyGate -> Register | NotifyRejected -> Fail.

    Raises:
        PipelineConfigError: an image for the region is not known to the SDK and none was configured.
    """
    from training.sdk import build_with_sdk, quiet_sdk_environment

    with quiet_sdk_environment(config.region):
        return _finished(build_with_sdk(config))


def _finished(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what the SDK adds and the service does not need (or may refuse): see the reasons on the lines."""
    finished = {key: value for key, value in definition.items() if key != "MlflowConfig"}  # null: not in the schema
    for step in _all_steps(finished["Steps"]):
        if step["Type"] != "RegisterModel":
            continue
        arguments = step["Arguments"]
        arguments["ModelMetrics"] = {name: value for name, value in arguments["ModelMetrics"].items() if value}
        for container in arguments["InferenceSpecification"]["Containers"]:
            # Empty SAGEMAKER_PROGRAM / SAGEMAKER_SUBMIT_DIRECTORY: code/inference.py is inside model.tar.gz.
            container["Environment"] = {name: value for name, value in container["Environment"].items() if value}
    return finished


def _all_steps(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Steps and the steps nested in conditions."""
    found: list[dict[str, Any]] = []
    for step in steps:
        found.append(step)
        if step["Type"] == "Condition":
            found += _all_steps(step["Arguments"]["IfSteps"]) + _all_steps(step["Arguments"]["ElseSteps"])
    return found
