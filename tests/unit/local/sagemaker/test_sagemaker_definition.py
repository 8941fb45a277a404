"""What CreatePipeline accepts and what it refuses, each time with a sentence that names the step."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from local.sagemaker.definition.parse import parse
from local.sagemaker.definition.validate import dependencies, validate
from local.sagemaker.errors import ValidationError

Edit = Callable[[dict[str, Any]], Any]


@pytest.fixture
def document(processing: Any) -> dict[str, Any]:
    """Two processing steps, a condition over a property file, a Lambda and a Fail step."""
    first = processing(
        "First",
        "",
        outputs={"report": ("s3://b/report", "/opt/ml/processing/report")},
        PropertyFiles=[{"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}],
    )
    uri = {"Get": "Steps.First.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri"}
    second = processing("Second", "", inputs={"report": (uri, "/opt/ml/processing/input/report")})
    value = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.First.PropertyFiles.Report"}, "Path": "a.b"}}
    gate = {
        "Name": "Gate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {"Type": "GreaterThan", "LeftValue": value, "RightValue": {"Get": "Parameters.Limit"}},
            ],
            "IfSteps": [
                {
                    "Name": "Tell",
                    "Type": "Lambda",
                    "FunctionArn": "arn:aws:lambda:us-east-1:111122223333:function:f",
                    "Arguments": {"run": {"Get": "Execution.PipelineExecutionId"}},
                    "OutputParameters": [{"OutputName": "answer", "OutputType": "String"}],
                }
            ],
            "ElseSteps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "too low"}}],
        },
        "DependsOn": ["Second"],
    }
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [{"Name": "Limit", "Type": "Float", "DefaultValue": 0.5}],
        "Steps": [first, second, gate],
    }


def check(document: dict[str, Any]) -> Any:
    """Parse and validate."""
    return validate(parse(json.dumps(document)))


def test_edges_come_from_depends_on_references_and_branches(document: dict[str, Any]) -> None:
    assert dependencies(check(document)) == {
        "First": set(),
        "Second": {"First"},
        "Gate": {"First", "Second"},
        "Tell": {"Gate"},
        "Stop": {"Gate"},
    }


def _arguments(document: dict[str, Any], step: int = 0) -> dict[str, Any]:
    return document["Steps"][step]["Arguments"]


def _get(path: str) -> dict[str, str]:
    return {"Get": path}


BAD: dict[str, tuple[Edit, str]] = {
    "version": (lambda d: d.update(Version="2019-01-01"), "Version must be '2020-12-01'"),
    "unknown-top-member": (lambda d: d.update(Extra=1), "unknown member 'Extra'"),
    "no-steps": (lambda d: d.update(Steps=[]), "at least one step"),
    "mlflow": (lambda d: d.update(MlflowConfig={"a": 1}), "MlflowConfig is not supported"),
    "twice": (lambda d: d["Steps"].append(copy.deepcopy(d["Steps"][0])), "Step 'First': the name is used twice"),
    "name": (lambda d: d["Steps"][0].update(Name="a b"), "A step has the name 'a b'"),
    "type": (lambda d: d["Steps"][0].update(Type="Tuning"), "Step 'First': type 'Tuning' is not supported"),
    "step-member": (lambda d: d["Steps"][0].update(Oops=1), "Step 'First': unknown member 'Oops'"),
    "argument-member": (
        lambda d: _arguments(d).update(Oops=1),
        "Step 'First': Arguments has no member 'Oops' .CreateProcessingJobRequest.",
    ),
    "deep-argument-member": (
        lambda d: _arguments(d)["AppSpecification"].update(Image="x"),
        "Step 'First': Arguments.AppSpecification has no member 'Image'",
    ),
    "missing-argument": (lambda d: _arguments(d).pop("RoleArn"), "Step 'First': Arguments needs the member 'RoleArn'"),
    "argument-type": (
        lambda d: _arguments(d)["ProcessingResources"]["ClusterConfig"].update(InstanceCount="1"),
        "InstanceCount must be of type integer, not str",
    ),
    "instance-type": (
        lambda d: _arguments(d)["ProcessingResources"]["ClusterConfig"].update(InstanceType="ml.huge"),
        "InstanceType is 'ml.huge', which ProcessingInstanceType does not have",
    ),
    "number-in-text": (
        lambda d: _arguments(d).update(Environment={"A": _get("Parameters.Limit")}),
        "Environment.A is of type string but parameter 'Limit' is of type Float",
    ),
    "parameter": (
        lambda d: _arguments(d).update(RoleArn=_get("Parameters.Nope")),
        "Step 'First': parameter 'Nope' is not declared",
    ),
    "execution-variable": (
        lambda d: _arguments(d).update(RoleArn=_get("Execution.Nope")),
        "Step 'First': Execution has no variable 'Nope'",
    ),
    "no-reference": (lambda d: _arguments(d).update(RoleArn=_get("Nope")), "Step 'First': 'Nope' is not a reference"),
    "function": (
        lambda d: _arguments(d).update(RoleArn={"Std:Upper": "x"}),
        "Step 'First': function 'Std:Upper' is not supported",
    ),
    "join": (
        lambda d: _arguments(d).update(RoleArn={"Std:Join": {"On": "/"}}),
        "Step 'First': Std:Join needs exactly On and a list Values",
    ),
    "step-reference": (
        lambda d: _arguments(d).update(RoleArn=_get("Steps.Nobody.X")),
        "Step 'First': Steps.Nobody.X names step 'Nobody', which is not another step here",
    ),
    "itself": (
        lambda d: _arguments(d).update(RoleArn=_get("Steps.First.RoleArn")),
        "Step 'First': .* which is not another step",
    ),
    "output-reference": (
        lambda d: _arguments(d, 1)["ProcessingInputs"][1]["S3Input"].update(
            S3Uri=_get("Steps.First.ProcessingOutputConfig.Outputs['nope'].S3Output.S3Uri")
        ),
        "Step 'Second': .* step 'First' has no output 'nope'",
    ),
    "property": (
        lambda d: _arguments(d, 1)["ProcessingInputs"][1]["S3Input"].update(S3Uri=_get("Steps.First.Nope.X")),
        "Step 'Second': .* names 'Nope', which DescribeProcessingJob does not answer",
    ),
    "property-file": (
        lambda d: d["Steps"][0].update(PropertyFiles=[]),
        "Step 'Gate': .*: step 'First' has no such property file",
    ),
    "property-file-output": (
        lambda d: d["Steps"][0]["PropertyFiles"][0].update(OutputName="nope"),
        "Step 'First': property file 'Report' names no output 'nope'",
    ),
    "depends-on": (lambda d: d["Steps"][0].update(DependsOn=["Nope"]), "Step 'First': DependsOn names step 'Nope'"),
    "circle": (lambda d: d["Steps"][0].update(DependsOn=["Second"]), "wait for each other in a circle: .*First"),
    "condition-type": (
        lambda d: _arguments(d, 2)["Conditions"][0].update(Type="Like"),
        "Step 'Gate': condition type 'Like' is not one of",
    ),
    "condition-members": (
        lambda d: _arguments(d, 2)["Conditions"][0].pop("RightValue"),
        "Step 'Gate': condition GreaterThan needs exactly LeftValue, RightValue",
    ),
    "no-conditions": (lambda d: _arguments(d, 2).update(Conditions=[]), "Step 'Gate': Conditions must be a list"),
    "nested-type": (
        lambda d: _arguments(d, 2)["IfSteps"][0].update(Type="Callback"),
        "Step 'Tell': type 'Callback' is not supported",
    ),
    "lambda-arn": (lambda d: _arguments(d, 2)["IfSteps"][0].pop("FunctionArn"), "Step 'Tell': FunctionArn is missing"),
    "fail-arguments": (
        lambda d: _arguments(d, 2)["ElseSteps"][0].update(Arguments={}),
        "Step 'Stop': Arguments of a Fail step are exactly ErrorMessage",
    ),
    "upload-mode": (
        lambda d: _arguments(d)["ProcessingOutputConfig"]["Outputs"][0]["S3Output"].update(S3UploadMode="Continuous"),
        "Step 'First': S3UploadMode Continuous is not supported",
    ),
    "cache": (
        lambda d: d["Steps"][0].update(CacheConfig={"Enabled": True, "ExpireAfter": "30 days"}),
        "Step 'First': CacheConfig: ExpireAfter must be an ISO 8601 duration",
    ),
    "retry-type": (
        lambda d: d["Steps"][0].update(RetryPolicies=[{"ExceptionType": ["Nope"], "MaxAttempts": 1}]),
        "Step 'First': RetryPolicies: ExceptionType must be of",
    ),
    "retry-limit": (
        lambda d: d["Steps"][0].update(RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"]}]),
        "Step 'First': RetryPolicies needs exactly one of MaxAttempts and ExpireAfterMin",
    ),
    "parameter-type": (lambda d: d["Parameters"][0].update(Type="Number"), "Parameter 'Limit': Type must be one of"),
    "parameter-default": (
        lambda d: d["Parameters"][0].update(DefaultValue="high"),
        "Parameter 'Limit': DefaultValue 'high' is not of type Float",
    ),
    "parameter-enum": (
        lambda d: d["Parameters"][0].update(EnumValues=[0.1]),
        "Parameter 'Limit': DefaultValue is not among EnumValues",
    ),
}


@pytest.mark.parametrize(("edit", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_bad_definition_is_refused_in_a_sentence(document: dict[str, Any], edit: Edit, sentence: str) -> None:
    check(copy.deepcopy(document))
    edit(document)
    with pytest.raises(ValidationError, match=sentence):
        check(document)


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValidationError, match="not valid JSON"):
        parse("{")


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("P30D", 30 * 86400), ("PT1H", 3600), ("P1DT12H", 129600), ("P2W", 1209600), ("PT90M", 5400)],
)
def test_cache_expiry_is_an_iso_duration(document: dict[str, Any], duration: str, seconds: int) -> None:
    document["Steps"][0]["CacheConfig"] = {"Enabled": True, "ExpireAfter": duration}
    assert check(document).steps["First"].cache_seconds == seconds
