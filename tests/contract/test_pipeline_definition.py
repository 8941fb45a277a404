"""The generated pipeline definition: what SageMaker is asked for, and that nothing is asked of AWS to write it."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.client
import botocore.session
import botocore.validate
import pytest

from training import definition_process, names
from training.definition import (
    PIPELINE_PARAMETERS,
    PipelineConfig,
    PipelineConfigError,
    UnresolvedSentinelError,
    build,
    sentinel,
    substitute,
)

SENTINELS: dict[str, str | list[str]] = {
    sentinel("subnet-ids"): ["subnet-0aaa", "subnet-0bbb"],
    sentinel("security-group"): "sg-0ccc",
    sentinel("data-key"): "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555",
    sentinel("function-arn"): "arn:aws:lambda:us-east-1:111122223333:function:model-registry",
}
CONFIG = PipelineConfig(
    pipeline_name="healthcare-imaging-mlops-dev-training",
    region="us-east-1",
    role_arn="arn:aws:iam::111122223333:role/training",
    preprocessed_bucket="preprocessed-bucket",
    model_artifacts_bucket="artifacts-bucket",
    code_uri="s3://artifacts-bucket/code/0123",
    code_sha256="0123",
    model_package_group="healthcare-imaging-mlops-dev-pneumonia",
    model_registry_function_arn=sentinel("function-arn"),
    training_instance_type="ml.p3.2xlarge",
    volume_kms_key=sentinel("data-key"),
    output_kms_key=sentinel("data-key"),
    subnet_ids=(sentinel("subnet-ids"),),
    security_group_ids=(sentinel("security-group"),),
    weights_uri="s3://artifacts-bucket/weights/",
    commit="abc1234",
)
SUBNETS_AND_GROUPS = {"SecurityGroupIds": ["sg-0ccc"], "Subnets": ["subnet-0aaa", "subnet-0bbb"]}


@pytest.fixture(scope="module")
def aws_calls() -> Iterator[list[str]]:
    """Every AWS call and every name lookup made while the module's definitions are built."""
    calls: list[str] = []

    def recorded_call(self: Any, operation_name: str, api_params: Any) -> Any:
        calls.append(operation_name)
        raise AssertionError(f"the definition called AWS: {operation_name}")

    def recorded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(f"lookup {host}")
        raise OSError(f"the definition looked up {host}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", recorded_call)
        patch.setattr(socket, "getaddrinfo", recorded_lookup)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
            patch.delenv(name, raising=False)
        yield calls


@pytest.fixture(scope="module")
def raw(aws_calls: list[str]) -> dict[str, Any]:
    return build(CONFIG)


@pytest.fixture(scope="module")
def definition(raw: dict[str, Any]) -> dict[str, Any]:
    return substitute(raw, SENTINELS)


def _step(definition: dict[str, Any], name: str) -> dict[str, Any]:
    gate = definition["Steps"][3]["Arguments"]
    return next(step for step in definition["Steps"] + gate["IfSteps"] + gate["ElseSteps"] if step["Name"] == name)


def test_building_makes_no_aws_call_and_no_lookup_and_is_deterministic(raw: dict[str, Any], aws_calls: list[str]):
    again = build(CONFIG)
    assert json.dumps(again) == json.dumps(raw), (
        "two builds of one config must be the same bytes, or every up is a diff"
    )
    assert aws_calls == []


def test_the_steps_run_in_the_agreed_order(definition: dict[str, Any]):
    assert [(step["Name"], step["Type"]) for step in definition["Steps"]] == [
        ("Preprocess", "Processing"),
        ("Train", "Training"),
        ("Evaluate", "Processing"),
        ("AccuracyGate", "Condition"),
    ]
    gate = definition["Steps"][3]["Arguments"]
    assert [(step["Name"], step["Type"]) for step in gate["IfSteps"]] == [("Register", "RegisterModel")]
    assert [(step["Name"], step["Type"]) for step in gate["ElseSteps"]] == [
        ("NotifyRejected", "Lambda"),
        ("RefusedByGate", "Fail"),
    ]
    assert _step(definition, "RefusedByGate")["DependsOn"] == ["NotifyRejected"]


def test_the_top_level_is_what_the_service_takes(definition: dict[str, Any]):
    assert definition["Version"] == "2020-12-01"
    assert set(definition) == {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "Steps"}
    assert definition["PipelineExperimentConfig"] is None


def test_the_parameters_are_typed_and_the_snapshot_has_no_default(definition: dict[str, Any]):
    assert tuple(parameter["Name"] for parameter in definition["Parameters"]) == PIPELINE_PARAMETERS
    defaults = {parameter["Name"]: parameter.get("DefaultValue") for parameter in definition["Parameters"]}
    assert defaults == {
        "SnapshotUri": None,
        "SnapshotId": None,
        "AccuracyThreshold": 0.85,
        "CodeCommit": "abc1234",
        "ApprovalStatus": "PendingManualApproval",
        "Epochs": "50",
        "BatchSize": "32",
        "LearningRate": "0.001",
        "ChampionModelUri": "none",
    }


def test_hyperparameters_are_strings_or_string_parameters(definition: dict[str, Any]):
    types = {parameter["Name"]: parameter["Type"] for parameter in definition["Parameters"]}
    hyperparameters = _step(definition, "Train")["Arguments"]["HyperParameters"]
    for name, value in hyperparameters.items():
        if isinstance(value, dict):
            assert types[value["Get"].removeprefix("Parameters.")] == "String", (
                f"{name}: HyperParameters is a string map"
            )
        else:
            assert isinstance(value, str), f"{name}: HyperParameters is a string map"
    assert hyperparameters["backbone"] == "resnet50"
    assert hyperparameters["image-size"] == "512"
    assert hyperparameters["precision"] == "auto"
    assert hyperparameters["sagemaker_program"] == names.TRAIN_PROGRAM
    assert hyperparameters["sagemaker_submit_directory"] == "s3://artifacts-bucket/code/0123/sourcedir.tar.gz"


def test_the_gate_compares_the_evaluation_file_with_the_parameter(definition: dict[str, Any]):
    assert _step(definition, "AccuracyGate")["Arguments"]["Conditions"] == [
        {
            "Type": "GreaterThanOrEqualTo",
            "LeftValue": {
                "Std:JsonGet": {
                    "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Evaluation"},
                    "Path": "metrics.accuracy.value",
                }
            },
            "RightValue": {"Get": "Parameters.AccuracyThreshold"},
        },
        {
            "Type": "Equals",
            "LeftValue": {
                "Std:JsonGet": {
                    "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Evaluation"},
                    "Path": "gate.passed",
                }
            },
            "RightValue": 1,
        },
    ]
    assert _step(definition, "Evaluate")["PropertyFiles"] == [
        {"PropertyFileName": "Evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"}
    ]


def test_a_rejection_tells_the_registry_function_before_it_fails(definition: dict[str, Any]):
    notify = _step(definition, "NotifyRejected")
    assert notify["FunctionArn"] == SENTINELS[sentinel("function-arn")]
    assert notify["Arguments"]["operation"] == "notify-rejected"
    assert set(notify["Arguments"]) == {"operation", "accuracy", "threshold", "reason", "execution"}
    assert notify["Arguments"]["execution"] == {"Get": "Execution.PipelineExecutionArn"}


def test_a_version_carries_where_it_came_from(definition: dict[str, Any]):
    arguments = _step(definition, "Register")["Arguments"]
    properties = arguments["CustomerMetadataProperties"]
    assert set(properties) == {
        "snapshot_id",
        "snapshot_uri",
        "code_sha256",
        "code_commit",
        "backbone",
        "image_size",
        "test_set_uri",
        "evaluation_uri",
    }
    assert properties["snapshot_id"] == {"Get": "Parameters.SnapshotId"}
    assert properties["code_sha256"] == "0123"
    assert properties["evaluation_uri"]["Std:Join"]["Values"][-1] == "evaluation.json"
    assert arguments["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == properties["evaluation_uri"]
    assert list(arguments["ModelMetrics"]) == ["ModelQuality"]
    container = arguments["InferenceSpecification"]["Containers"][0]
    assert "" not in container["Environment"].values()
    assert arguments["ModelApprovalStatus"] == {"Get": "Parameters.ApprovalStatus"}


@pytest.mark.parametrize("name", ["Preprocess", "Evaluate"])
def test_processing_jobs_run_encrypted_inside_the_vpc(definition: dict[str, Any], name: str):
    arguments = _step(definition, name)["Arguments"]
    key = SENTINELS[sentinel("data-key")]
    assert arguments["ProcessingResources"]["ClusterConfig"]["VolumeKmsKeyId"] == key
    assert arguments["ProcessingOutputConfig"]["KmsKeyId"] == key
    assert arguments["NetworkConfig"]["VpcConfig"] == SUBNETS_AND_GROUPS
    assert arguments["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True
    assert arguments["AppSpecification"]["ContainerEntrypoint"][:2] == [
        "python3",
        "/opt/ml/processing/input/code/bootstrap.py",
    ]
    assert arguments["ProcessingInputs"][0]["S3Input"]["S3Uri"] == "s3://artifacts-bucket/code/0123/"


def test_training_runs_encrypted_inside_the_vpc_on_spot_with_checkpoints(definition: dict[str, Any]):
    arguments = _step(definition, "Train")["Arguments"]
    key = SENTINELS[sentinel("data-key")]
    assert arguments["ResourceConfig"]["VolumeKmsKeyId"] == key
    assert arguments["OutputDataConfig"]["KmsKeyId"] == key
    assert arguments["VpcConfig"] == SUBNETS_AND_GROUPS
    assert arguments["EnableInterContainerTrafficEncryption"] is True
    assert arguments["EnableManagedSpotTraining"] is True
    assert (
        arguments["StoppingCondition"]["MaxWaitTimeInSeconds"] >= arguments["StoppingCondition"]["MaxRuntimeInSeconds"]
    )
    assert arguments["CheckpointConfig"]["S3Uri"]["Std:Join"]["Values"] == [
        "s3://artifacts-bucket/checkpoints",
        {"Get": "Execution.PipelineExecutionId"},
    ]
    assert [channel["ChannelName"] for channel in arguments["InputDataConfig"]] == ["train", "validation", "weights"]


def test_every_job_is_retried_on_service_faults_and_missing_capacity(definition: dict[str, Any]):
    for name in ("Preprocess", "Train", "Evaluate"):
        exceptions = {kind for policy in _step(definition, name)["RetryPolicies"] for kind in policy["ExceptionType"]}
        assert exceptions == {
            "Step.SERVICE_FAULT",
            "Step.THROTTLING",
            "SageMaker.CAPACITY_ERROR",
            "SageMaker.JOB_INTERNAL_ERROR",
        }


def test_the_metric_patterns_read_the_lines_that_training_writes(definition: dict[str, Any]):
    values = {name: (index + 1) / 8 for index, name in enumerate(names.TRAINING_METRICS)}
    line = names.metric_line(3, values)
    found = {
        entry["Name"]: float(re.findall(entry["Regex"], line)[0])
        for entry in _step(definition, "Train")["Arguments"]["AlgorithmSpecification"]["MetricDefinitions"]
    }
    assert found == values


@pytest.mark.parametrize(
    ("name", "operation", "filled"),
    [
        ("Preprocess", "CreateProcessingJob", {"ProcessingJobName": "job"}),
        ("Train", "CreateTrainingJob", {"TrainingJobName": "job"}),
        ("Evaluate", "CreateProcessingJob", {"ProcessingJobName": "job"}),
        ("Register", "CreateModelPackage", {}),
    ],
)
def test_step_arguments_have_the_shape_of_the_api_call(
    definition: dict[str, Any], name: str, operation: str, filled: dict[str, str]
):
    """botocore's own model of the operation is the oracle; run-time values stand in as text."""
    shape = botocore.session.get_session().get_service_model("sagemaker").operation_model(operation).input_shape
    arguments = {**_with_text_for_variables(_step(definition, name)["Arguments"]), **filled}
    report = botocore.validate.ParamValidator().validate(arguments, shape)
    assert not report.has_errors(), report.generate_report()


def _with_text_for_variables(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) & {"Get", "Std:Join", "Std:JsonGet"}:
            return "s3://stands/for/a/variable"
        return {key: _with_text_for_variables(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_text_for_variables(item) for item in value]
    return value


def test_options_change_only_what_they_name(aws_calls: list[str], raw: dict[str, Any]):
    other = replace(
        CONFIG,
        spot=False,
        subnet_ids=(),
        security_group_ids=(),
        weights_uri=None,
        backbone="small_cnn",
        image_size=96,
        training_instance_type="ml.g5.xlarge",
        training_instance_count=4,
        cache_expire_after="P30D",
        training_image="registry/image@sha256:aa",
        package_index_url="https://mirror.internal/simple",
    )
    built = build(other)
    train = _step(built, "Train")["Arguments"]
    assert "VpcConfig" not in train
    assert "MaxWaitTimeInSeconds" not in train["StoppingCondition"]
    assert train["ResourceConfig"]["InstanceCount"] == 4
    sources = [channel["DataSource"]["S3DataSource"] for channel in train["InputDataConfig"]]
    assert {source["S3DataDistributionType"] for source in sources} == {"FullyReplicated"}, "each takes its own rows"
    assert "VolumeKmsKeyId" not in train["ResourceConfig"], "g5 disks are NVMe: SageMaker refuses a volume key"
    assert train["AlgorithmSpecification"]["TrainingImage"] == "registry/image@sha256:aa"
    assert [channel["ChannelName"] for channel in train["InputDataConfig"]] == ["train", "validation"]
    assert train["HyperParameters"]["backbone"] == "small_cnn"
    assert train["Environment"]["PIP_INDEX_URL"] == "https://mirror.internal/simple"
    assert _step(built, "Preprocess")["CacheConfig"] == {"Enabled": True, "ExpireAfter": "P30D"}
    assert "CacheConfig" not in _step(raw, "Preprocess")
    assert "VpcConfig" not in _step(built, "Evaluate")["Arguments"]["NetworkConfig"]
    assert _step(built, "Register")["Arguments"]["CustomerMetadataProperties"]["image_size"] == "96"
    assert aws_calls == []


def test_a_region_without_an_image_is_refused_in_a_sentence(aws_calls: list[str]):
    with pytest.raises(PipelineConfigError, match="set training_image"):
        build(replace(CONFIG, region="mars-north-1"))


def _in_a_process_of_its_own(config: PipelineConfig) -> dict[str, Any]:
    return asyncio.run(definition_process.finished(definition_process.start(config)))


def test_a_process_of_its_own_builds_the_same_definition_and_says_the_same_no(raw: dict[str, Any]):
    assert _in_a_process_of_its_own(CONFIG) == raw
    with pytest.raises(PipelineConfigError, match=r"^no TensorFlow .* set training_image"):
        _in_a_process_of_its_own(replace(CONFIG, region="mars-north-1"))


def test_a_process_that_is_killed_gives_no_definition():
    building = definition_process.start(CONFIG)
    building.kill()
    with pytest.raises(RuntimeError, match="could not be built"):
        asyncio.run(definition_process.finished(building))


def test_the_body_fits_the_inline_limit_of_the_api(definition: dict[str, Any]):
    """CreatePipeline takes at most 1,048,576 characters of PipelineDefinition (API reference)."""
    assert len(json.dumps(definition, separators=(",", ":"))) < 1_048_576


def test_no_sentinel_survives_substitution(raw: dict[str, Any], definition: dict[str, Any]):
    assert "@@subnet-ids@@" in json.dumps(raw)
    assert "@@" not in json.dumps(definition)


def test_a_forgotten_sentinel_is_an_error(raw: dict[str, Any]):
    incomplete = {key: value for key, value in SENTINELS.items() if key != sentinel("data-key")}
    with pytest.raises(UnresolvedSentinelError, match="data-key"):
        substitute(raw, incomplete)
