"""From the JSON text to the model: shape, known members, step types. References are checked by `validate`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from local.sagemaker.definition import model
from local.sagemaker.definition.parameters import parse_parameters
from local.sagemaker.errors import ValidationError

VERSION = "2020-12-01"
_TOP = {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps"}
_COMMON = {"Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description"}
_RUNNING = _COMMON | {"RetryPolicies", "CacheConfig"}
_MEMBERS = {
    "Processing": _RUNNING | {"PropertyFiles"},
    "Training": _RUNNING,
    "RegisterModel": _COMMON | {"RetryPolicies"},
    "Condition": _COMMON,
    "Lambda": _COMMON | {"FunctionArn", "OutputParameters", "CacheConfig"},
    "Fail": _COMMON,
}
_STEP_NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")
_DURATION = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")
_DURATION_SECONDS = (604800, 86400, 3600, 60, 1)


def parse(text: str) -> model.Definition:
    """Parse a definition. Raises ValidationError with a sentence that names the step or member."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValidationError(f"PipelineDefinition is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValidationError("PipelineDefinition must be a JSON object")
    refuse_unknown(document, _TOP, "PipelineDefinition")
    if document.get("Version") != VERSION:
        raise ValidationError(f"PipelineDefinition: Version must be '{VERSION}', not {document.get('Version')!r}")
    if document.get("MlflowConfig") is not None:
        raise ValidationError("PipelineDefinition: MlflowConfig is not supported by the embedded SageMaker")
    if not isinstance(document.get("Steps"), list) or not document["Steps"]:
        raise ValidationError("PipelineDefinition: Steps must be a list of at least one step")
    steps: dict[str, model.Step] = {}
    for step in _steps(document["Steps"], None):
        if step.name in steps:
            raise ValidationError(f"Step '{step.name}': the name is used twice")
        steps[step.name] = step
    return model.Definition(
        parameters=parse_parameters(document.get("Parameters") or []),
        steps=steps,
        experiment=document.get("PipelineExperimentConfig"),
    )


def refuse_unknown(value: dict[str, Any], known: set[str], where: str) -> None:
    """Raises ValidationError when the object has a member that the language does not have."""
    if unknown := sorted(set(value) - known):
        raise ValidationError(f"{where}: unknown member {unknown[0]!r} (known: {', '.join(sorted(known))})")


def _steps(items: list[Any], branch: model.Branch | None) -> Iterator[model.Step]:
    for item in items:
        step = _step(item, branch)
        yield step
        if step.type == "Condition":
            for outcome, member in ((True, "IfSteps"), (False, "ElseSteps")):
                yield from _steps(
                    item["Arguments"].get(member) or [], model.Branch(condition=step.name, outcome=outcome)
                )


def _step(item: Any, branch: model.Branch | None) -> model.Step:
    name = item.get("Name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not _STEP_NAME.match(name):
        raise ValidationError(f"A step has the name {name!r}: 1 to 64 letters, digits, '-' or '_' are needed")
    where, kind = f"Step '{name}'", item.get("Type")
    if kind not in model.SUPPORTED_STEPS:
        supported = ", ".join(model.SUPPORTED_STEPS)
        raise ValidationError(f"{where}: type {kind!r} is not supported by the embedded SageMaker (it has {supported})")
    refuse_unknown(item, _MEMBERS[kind], where)
    arguments = item.get("Arguments", {})
    if not isinstance(arguments, dict):
        raise ValidationError(f"{where}: Arguments must be an object")
    return model.Step(
        name=name,
        type=kind,
        arguments=arguments,
        depends_on=_names(item, where),
        property_files=_property_files(item, where),
        retries=tuple(_retry(policy, where) for policy in item.get("RetryPolicies") or []),
        cache_seconds=_cache(item.get("CacheConfig"), where),
        function_arn=item.get("FunctionArn"),
        outputs=tuple(output["OutputName"] for output in item.get("OutputParameters") or []),
        display_name=item.get("DisplayName"),
        description=item.get("Description"),
        branch=branch,
        **_condition_members(arguments, where) if kind == "Condition" else {},
    )


def _condition_members(arguments: dict[str, Any], where: str) -> dict[str, Any]:
    refuse_unknown(arguments, {"Conditions", "IfSteps", "ElseSteps"}, f"{where}: Arguments")
    conditions = arguments.get("Conditions")
    if not isinstance(conditions, list) or not conditions:
        raise ValidationError(f"{where}: Conditions must be a list of at least one condition")
    branches = {}
    for key, member in (("if_steps", "IfSteps"), ("else_steps", "ElseSteps")):
        nested = arguments.get(member) or []
        if not isinstance(nested, list):
            raise ValidationError(f"{where}: {member} must be a list of steps")
        branches[key] = tuple(str(step.get("Name")) if isinstance(step, dict) else "" for step in nested)
    return {"conditions": tuple(conditions), **branches}


def _names(item: dict[str, Any], where: str) -> tuple[str, ...]:
    names = item.get("DependsOn") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValidationError(f"{where}: DependsOn must be a list of step names")
    return tuple(names)


def _property_files(item: dict[str, Any], where: str) -> tuple[model.PropertyFile, ...]:
    files = []
    for entry in item.get("PropertyFiles") or []:
        refuse_unknown(entry, {"PropertyFileName", "OutputName", "FilePath"}, f"{where}: PropertyFiles")
        try:
            files.append(
                model.PropertyFile(name=entry["PropertyFileName"], output=entry["OutputName"], path=entry["FilePath"])
            )
        except KeyError as error:
            raise ValidationError(f"{where}: PropertyFiles needs {error.args[0]}") from error
    return tuple(files)


def _retry(policy: dict[str, Any], where: str) -> model.RetryPolicy:
    known = {"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"}
    refuse_unknown(policy, known, f"{where}: RetryPolicies")
    kinds = policy.get("ExceptionType") or []
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not kinds or any(kind not in model.RETRY_EXCEPTIONS for kind in kinds):
        raise ValidationError(f"{where}: RetryPolicies: ExceptionType must be of {', '.join(model.RETRY_EXCEPTIONS)}")
    if ("MaxAttempts" in policy) == ("ExpireAfterMin" in policy):
        raise ValidationError(f"{where}: RetryPolicies needs exactly one of MaxAttempts and ExpireAfterMin")
    minutes = policy.get("ExpireAfterMin")
    return model.RetryPolicy(
        exceptions=tuple(kinds),
        interval=float(policy.get("IntervalSeconds", 1)),
        backoff=float(policy.get("BackoffRate", 2.0)),
        max_attempts=policy.get("MaxAttempts"),
        expire_after=None if minutes is None else 60.0 * minutes,
    )


def _cache(config: dict[str, Any] | None, where: str) -> float | None:
    if config is None:
        return None
    refuse_unknown(config, {"Enabled", "ExpireAfter"}, f"{where}: CacheConfig")
    if not config.get("Enabled"):
        return None
    match = _DURATION.match(config.get("ExpireAfter", "P30D"))
    if match is None or not any(match.groups()):
        raise ValidationError(f"{where}: CacheConfig: ExpireAfter must be an ISO 8601 duration such as P30D or PT1H")
    return float(sum(int(part or 0) * unit for part, unit in zip(match.groups(), _DURATION_SECONDS, strict=True)))
