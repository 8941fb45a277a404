"""Everything that can be known about a definition before it runs: references, types, property files, cycles."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import Any

from local.sagemaker.definition.arguments import check_arguments, check_property_path
from local.sagemaker.definition.conditions import check_condition
from local.sagemaker.definition.functions import EXECUTION_VARIABLES, Reference, calls, parse_reference, references
from local.sagemaker.definition.model import Definition, Step
from local.sagemaker.errors import ValidationError

_UPLOAD_MODES = ("EndOfJob",)


def validate(definition: Definition) -> Definition:
    """The definition itself when it holds. Raises ValidationError with a sentence that names the step."""
    for step in definition:
        _Validator(definition, step).run()
    try:
        TopologicalSorter(dependencies(definition)).prepare()
    except CycleError as error:
        raise ValidationError(f"Steps wait for each other in a circle: {' -> '.join(error.args[1])}") from error
    return definition


def dependencies(definition: Definition) -> dict[str, set[str]]:
    """For every step the steps that must have succeeded: DependsOn, references, and the condition it stands under."""
    edges = {}
    for step in definition:
        needs = set(step.depends_on) | {r.name for r in references(own_values(step)) if r.root == "Steps"}
        edges[step.name] = needs | ({step.branch.condition} if step.branch else set())
    return edges


def own_values(step: Step) -> list[Any]:
    """What the step itself computes with: its arguments, for a Condition its conditions but not its nested steps."""
    return [list(step.conditions) if step.type == "Condition" else step.arguments, step.function_arn]


class _Validator:
    def __init__(self, definition: Definition, step: Step) -> None:
        self._definition = definition
        self._step = step
        self._where = f"Step '{step.name}'"

    def run(self) -> None:
        step = self._step
        for name in step.depends_on:
            self._known_step(name, "DependsOn")
        for name, body in calls(own_values(step)):
            self._call(name, body)
        if step.type == "Condition":
            for condition in step.conditions:
                check_condition(self._where, condition)
        elif step.type in ("Processing", "Training", "RegisterModel"):
            check_arguments(self._where, step.type, step.arguments, self._definition.parameters)
        else:
            self._special()
        if step.type == "Processing":
            self._processing()

    def _special(self) -> None:
        step = self._step
        if step.type == "Lambda" and not step.function_arn:
            raise ValidationError(f"{self._where}: FunctionArn is missing")
        if step.type == "Fail" and set(step.arguments) != {"ErrorMessage"}:
            raise ValidationError(f"{self._where}: Arguments of a Fail step are exactly ErrorMessage")

    def _processing(self) -> None:
        outputs = _outputs(self._step)
        for output in outputs.values():
            mode = (output.get("S3Output") or {}).get("S3UploadMode", "EndOfJob")
            if mode not in _UPLOAD_MODES:
                raise ValidationError(f"{self._where}: S3UploadMode {mode} is not supported by the embedded SageMaker")
        for item in self._step.property_files:
            if item.output not in outputs:
                raise ValidationError(f"{self._where}: property file '{item.name}' names no output '{item.output}'")

    def _call(self, name: str, body: Any) -> None:
        if name == "Get":
            self._reference(self._parse(body))
        elif name == "Std:Join":
            if not isinstance(body, dict) or set(body) != {"On", "Values"} or not isinstance(body["Values"], list):
                raise ValidationError(f"{self._where}: Std:Join needs exactly On and a list Values")
        elif name == "Std:JsonGet":
            self._json_get(body)
        else:
            raise ValidationError(f"{self._where}: function '{name}' is not supported by the embedded SageMaker")

    def _json_get(self, body: Any) -> None:
        members = set(body) if isinstance(body, dict) else set()
        if members not in ({"PropertyFile", "Path"}, {"S3Uri", "Path"}):
            raise ValidationError(f"{self._where}: Std:JsonGet needs Path and one of PropertyFile and S3Uri")
        if "PropertyFile" in body:
            target = body["PropertyFile"]
            reference = self._parse(target.get("Get") if isinstance(target, dict) else None)
            if reference.root != "Steps" or reference.path[:1] != ("PropertyFiles",):
                raise ValidationError(f"{self._where}: Std:JsonGet: '{reference.text}' is not a property file")

    def _reference(self, reference: Reference) -> None:
        if reference.root == "Parameters":
            if reference.name not in self._definition.parameters:
                raise ValidationError(f"{self._where}: parameter '{reference.name}' is not declared")
        elif reference.root == "Execution":
            if reference.name not in EXECUTION_VARIABLES:
                raise ValidationError(f"{self._where}: Execution has no variable '{reference.name}'")
        else:
            self._known_step(reference.name, reference.text)
            self._property(self._definition.steps[reference.name], reference)

    def _property(self, target: Step, reference: Reference) -> None:
        path, text = reference.path, reference.text
        if path[:1] == ("PropertyFiles",):
            if len(path) != 2 or path[1] not in [item.name for item in target.property_files]:
                raise ValidationError(f"{self._where}: '{text}': step '{target.name}' has no such property file")
        elif target.type == "Lambda":
            if len(path) != 2 or path[0] != "OutputParameters" or path[1] not in target.outputs:
                raise ValidationError(f"{self._where}: '{text}': step '{target.name}' declares no such output")
        elif target.type == "Condition":
            if path != ("Outcome",):
                raise ValidationError(f"{self._where}: '{text}': a Condition step has only the property Outcome")
        elif target.type == "Fail" or not path:
            raise ValidationError(f"{self._where}: '{text}' is not a property of step '{target.name}'")
        else:
            check_property_path(self._where, target.type, path, text)
            if path[:2] == ("ProcessingOutputConfig", "Outputs") and isinstance(path[2:3] and path[2], str):
                self._output(target, str(path[2]), text)

    def _output(self, target: Step, name: str, text: str) -> None:
        if name not in _outputs(target):
            raise ValidationError(f"{self._where}: '{text}': step '{target.name}' has no output '{name}'")

    def _known_step(self, name: str, where: str) -> None:
        if name == self._step.name or name not in self._definition.steps:
            raise ValidationError(f"{self._where}: {where} names step '{name}', which is not another step here")

    def _parse(self, body: Any) -> Reference:
        try:
            return parse_reference(body)
        except ValidationError as error:
            raise ValidationError(f"{self._where}: {error.message}") from error


def _outputs(step: Step) -> dict[str, dict[str, Any]]:
    outputs = (step.arguments.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    return {str(output.get("OutputName")): output for output in outputs if isinstance(output, dict)}
