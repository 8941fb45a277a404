"""Steps that run no job: Condition, RegisterModel, Lambda, Fail."""

from __future__ import annotations

from typing import Any

from local.sagemaker import registry
from local.sagemaker.definition.conditions import holds
from local.sagemaker.definition.parameters import as_text
from local.sagemaker.names import last
from local.sagemaker.steps.base import StepFailedError, StepResult, StepRun

_ERROR_CHARACTERS = 300


def run_condition(run: StepRun) -> StepResult:
    """Evaluate; the outcome decides which branch runs."""
    outcome = holds(run.step.conditions, run.resolve)
    text = str(outcome)
    return StepResult(metadata={"Condition": {"Outcome": text}}, properties={"Outcome": text, "holds": outcome})


def run_register(run: StepRun) -> StepResult:
    """CreateModelPackage; the group is made when it is absent, as the service does it."""
    context, name = run.context, last(run.arguments["ModelPackageGroupName"])
    group_arn = context.scope.arn("model-package-group", name)
    if context.store.get(registry.GROUP, name) is None:
        run.authorize("sagemaker:CreateModelPackageGroup", group_arn)
        registry.create_group(context, {"ModelPackageGroupName": name})
    run.authorize("sagemaker:CreateModelPackage", context.scope.arn("model-package", f"{name}/*"))
    arn = registry.create_package(context, run.arguments)["ModelPackageArn"]
    package = registry.describe_package(context, {"ModelPackageName": arn})
    return StepResult(metadata={"RegisterModel": {"Arn": arn}}, properties=package)


def run_lambda(run: StepRun) -> StepResult:
    """Invoke the function with the arguments as its event; its answer must hold every declared output."""
    arn = run.resolve(run.step.function_arn)
    metadata: dict[str, Any] = {"Lambda": {"Arn": arn}}
    run.announce(metadata)
    reply = run.context.cloud.invoke_function(run.caller, arn, run.arguments)
    if reply.error:
        # The event may carry study data and errors quote their input: only the type goes into the history.
        raise StepFailedError(
            f"ClientError: Lambda function failed with {reply.error[:_ERROR_CHARACTERS]}", None, metadata
        )
    answer = reply.payload if isinstance(reply.payload, dict) else {}
    outputs = {}
    for name in run.step.outputs:
        if not isinstance(answer.get(name), (str, int, float, bool)):
            raise StepFailedError(f"ClientError: the Lambda function's answer has no output '{name}'", None, metadata)
        outputs[name] = answer[name]
    listed = [{"Name": name, "Value": as_text(value)} for name, value in outputs.items()]
    return StepResult(
        metadata={"Lambda": {"Arn": arn, "OutputParameters": listed}}, properties={"OutputParameters": outputs}
    )


def run_fail(run: StepRun) -> StepResult:
    """Always fails, with the message of the definition."""
    message = as_text(run.arguments["ErrorMessage"])
    raise StepFailedError(message, None, {"Fail": {"ErrorMessage": message}})
