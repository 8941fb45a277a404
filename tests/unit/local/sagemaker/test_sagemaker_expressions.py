"""Values of expressions, typed parameters, and the truth of conditions."""

from __future__ import annotations

from typing import Any

import pytest

from local.sagemaker.definition import conditions
from local.sagemaker.definition.model import Definition, Parameter, PropertyFile, Step
from local.sagemaker.definition.parameters import bind
from local.sagemaker.definition.resolve import Resolver
from local.sagemaker.errors import ValidationError

PARAMETERS = {
    "Text": Parameter(name="Text", type="String"),
    "Count": Parameter(name="Count", type="Integer", default=3, has_default=True, allowed=(3, 5)),
    "Rate": Parameter(name="Rate", type="Float", default=0.5, has_default=True),
    "Flag": Parameter(name="Flag", type="Boolean", default=False, has_default=True),
}


def test_overrides_are_typed_and_defaults_kept() -> None:
    values = bind(PARAMETERS, {"Text": "7", "Count": "5", "Flag": "True"})
    assert values == {"Text": "7", "Count": 5, "Rate": 0.5, "Flag": True}


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        pytest.param({}, "'Text' has no default value", id="missing"),
        pytest.param({"Text": "", "Nope": "1"}, "'Nope' is not declared", id="unknown"),
        pytest.param({"Text": "", "Count": "4"}, "'Count' must be one of", id="not-allowed"),
        pytest.param({"Text": "", "Count": "five"}, "'Count' is not of type Integer", id="integer"),
        pytest.param({"Text": "", "Rate": "fast"}, "'Rate' is not of type Float", id="float"),
        pytest.param({"Text": "", "Flag": "yes"}, "'Flag' is not of type Boolean", id="boolean"),
    ],
)
def test_bad_overrides_are_refused(overrides: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        bind(PARAMETERS, overrides)


@pytest.fixture
def resolver() -> Resolver:
    """A resolver after a processing step and a training step."""
    outputs = {"Outputs": [{"OutputName": "report", "S3Output": {"S3Uri": "s3://b/report/"}}]}
    properties = {
        "First": {"ProcessingOutputConfig": outputs},
        "Train": {
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
            "FinalMetricDataList": [{"MetricName": "loss", "Value": 0.25}],
        },
        "Tell": {"OutputParameters": {"answer": "42"}},
    }
    files = {"s3://b/report/r.json": '{"a": [{"b": {"c": 0.9}}], "zero": 0}'}
    step = Step(
        name="First",
        type="Processing",
        arguments={},
        property_files=(PropertyFile(name="R", output="report", path="r.json"),),
    )
    return Resolver(
        definition=Definition(parameters={}, steps={"First": step}),
        parameters={"Count": 3, "Rate": 0.5, "Flag": True, "Text": "t"},
        execution=lambda name: f"<{name}>",
        properties=properties.__getitem__,
        read=files.__getitem__,
    )


def _file(path: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.First.PropertyFiles.R"}, "Path": path}}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param({"Get": "Parameters.Count"}, 3, id="parameter-keeps-its-type"),
        pytest.param({"Get": "Execution.PipelineName"}, "<PipelineName>", id="execution"),
        pytest.param({"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}, "s3://b/model.tar.gz", id="members"),
        pytest.param({"Get": "Steps.Train.FinalMetricDataList['loss'].Value"}, 0.25, id="by-metric-name"),
        pytest.param({"Get": "Steps.Train.FinalMetricDataList[0].MetricName"}, "loss", id="by-index"),
        pytest.param(
            {"Get": "Steps.First.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri"},
            "s3://b/report/",
            id="by-output-name",
        ),
        pytest.param({"Get": "Steps.Tell.OutputParameters['answer']"}, "42", id="lambda-output"),
        pytest.param(
            {"Std:Join": {"On": "-", "Values": ["a", {"Get": "Parameters.Flag"}, {"Get": "Parameters.Rate"}, 1]}},
            "a-true-0.5-1",
            id="join-writes-text",
        ),
        pytest.param(
            {"Std:Join": {"On": "", "Values": [{"Std:Join": {"On": "/", "Values": ["a", "b"]}}, "c"]}},
            "a/bc",
            id="nested-join",
        ),
        pytest.param(_file("a[0].b.c"), 0.9, id="json-get"),
        pytest.param(_file("zero"), 0, id="json-get-zero"),
        pytest.param(_file("a[0]['b'].c"), 0.9, id="json-get-quoted"),
        pytest.param({"Std:JsonGet": {"S3Uri": "s3://b/report/r.json", "Path": "zero"}}, 0, id="json-get-uri"),
        pytest.param({"x": [{"Get": "Parameters.Text"}], "y": 1}, {"x": ["t"], "y": 1}, id="inside-structures"),
    ],
)
def test_expressions_resolve(resolver: Resolver, expression: Any, value: Any) -> None:
    assert resolver(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        {"Get": "Steps.Train.ModelArtifacts.Nope"},
        {"Get": "Steps.Train.FinalMetricDataList['nope'].Value"},
        {"Get": "Steps.Train.FinalMetricDataList[3].Value"},
        _file("a[0].nope"),
    ],
    ids=["member", "name", "index", "json"],
)
def test_a_property_that_does_not_exist_is_an_error(resolver: Resolver, expression: Any) -> None:
    with pytest.raises(ValidationError, match="has no value at"):
        resolver(expression)


def _two(kind: str, left: Any, right: Any) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


TRUE, FALSE = _two("Equals", 1, 1), _two("Equals", 1, 2)


@pytest.mark.parametrize(
    ("condition", "outcome"),
    [
        pytest.param(_two("Equals", "a", "a"), True, id="equals-text"),
        pytest.param(_two("NotEquals", "a", "b"), True, id="not-equals"),
        pytest.param(_two("GreaterThan", 2, 2), False, id="greater"),
        pytest.param(_two("GreaterThanOrEqualTo", 2, 2.0), True, id="greater-or-equal"),
        pytest.param(_two("LessThan", "1.5", 2), True, id="less-with-text-number"),
        pytest.param(_two("LessThanOrEqualTo", 3, 2), False, id="less-or-equal"),
        pytest.param({"Type": "In", "Value": "b", "In": ["a", "b"]}, True, id="in"),
        pytest.param({"Type": "In", "Value": "c", "In": ["a", "b"]}, False, id="not-in"),
        pytest.param({"Type": "Or", "Conditions": [FALSE, TRUE]}, True, id="or"),
        pytest.param({"Type": "Or", "Conditions": [FALSE, FALSE]}, False, id="or-false"),
        pytest.param({"Type": "Not", "Expression": FALSE}, True, id="not"),
    ],
)
def test_conditions_hold_or_not(condition: dict[str, Any], outcome: bool) -> None:
    conditions.check_condition("Step 'Gate'", condition)
    assert conditions.holds([condition], lambda value: value) is outcome


def test_all_conditions_of_a_step_must_hold() -> None:
    assert not conditions.holds([TRUE, FALSE], lambda value: value)


def test_a_comparison_of_what_is_no_number_is_an_error() -> None:
    with pytest.raises(ValidationError, match="GreaterThan needs numbers"):
        conditions.holds([_two("GreaterThan", "high", 1)], lambda value: value)
