"""Training and serving: what the pipeline is made of, and that it never sees the PHI zone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components._base import Context
from components._configuration import FunctionsSettings, RegistrySettings, TrainingSettings
from components._research_access import ResearchZone
from components._workload import Workload
from components.mlops import MLOpsPipeline, MLOpsPipelineArgs
from components.mlops_functions import MlopsSurroundings, MlopsTables
from components.training_pipeline import pipeline_arn, pipeline_name

PIPELINE = "aws:sagemaker/pipeline:Pipeline"
FUNCTION = "aws:lambda/function:Function"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
POLICY = "aws:iam/rolePolicy:RolePolicy"


@pytest.fixture
def program(context: Context, workload: Workload, table: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Training and serving of a stack; keywords change its training settings."""
    zone = ResearchZone(
        preprocessed=context.naming.bucket("preprocessed"), model_artifacts=context.naming.bucket("model-artifacts")
    )

    def run(**training: Any) -> dict[str, Any]:
        made = MLOpsPipeline(
            "mlops",
            MLOpsPipelineArgs(
                workload=workload,
                place=MlopsSurroundings(
                    zone=zone,
                    tables=MlopsTables(
                        tracking=table("image-tracking"),
                        labels=table("labels"),
                        metrics=table("metrics"),
                        training_runs=table("training-runs"),
                        idempotency=table("idempotency"),
                    ),
                    bus_name="platform",
                    bus_arn=context.naming.arn("events", "event-bus/platform"),
                    topic_arn=context.naming.arn("sns", "alerts"),
                    min_new_labels=100,
                    label_quiet_seconds=120,
                    accuracy_threshold=0.85,
                ),
                training=TrainingSettings(backbone="small_cnn", image_size=64, **training),
                registry=RegistrySettings(auto_approve=True),
                functions=FunctionsSettings.model_validate({}),
                evaluation_layer=context.naming.arn("lambda", "layer:evaluation:1"),
                code_bucket=zone.model_artifacts,
                vpc_id="vpc-1",
                subnet_ids=["subnet-1", "subnet-2"],
                security_group_ids=["sg-1"],
                commit="c0ffee",
                code_folder=tmp_path,
            ),
        )
        return {"pipeline": made.pipeline_name, "endpoint": made.endpoint_name, "arn": made.pipeline_arn}

    return run


def test_labels_wait_in_a_queue_until_the_readers_are_quiet(
    record: Any, program: Any, workload: Workload, preview: bool
) -> None:
    recording = record(program, preview=preview)
    queue = recording.one("aws:sqs/queue:Queue", "mlops-requests").inputs
    assert (queue["delaySeconds"], queue["kmsMasterKeyId"]) == (120, workload.keys.events)
    assert queue["visibilityTimeoutSeconds"] == 6 * 60
    assert recording.one("aws:sqs/queue:Queue", "mlops-dead-letters").inputs["name"].endswith("-training-dlq")


def test_only_the_rules_about_training_may_fill_the_queue(record: Any, program: Any) -> None:
    sender = record(program).policy("aws:sqs/queue:Queue", "mlops-requests")["FromTrainingRules"]
    arns = sender["Condition"]["ArnEquals"]["aws:SourceArn"]
    project = "healthcare-imaging-mlops-test"
    assert [arn.split(":rule/")[1] for arn in arns] == [
        f"{project}-platform/{project}-image-verified",
        f"{project}-platform/{project}-drift-found",
        f"{project}-training-ended",
    ]


def steps(body: dict[str, Any]) -> dict[str, Any]:
    return {step["Name"]: step for step in body["Steps"]}


def test_the_definition_goes_through_the_gate_and_is_filled_in_completely(
    record: Any, program: Any, workload: Workload
) -> None:
    text = record(program).one(PIPELINE).inputs["pipelineDefinition"]
    assert "@@" not in text, "a stand-in stayed in the definition"
    found = steps(json.loads(text))
    assert list(found) == ["Preprocess", "Train", "Evaluate", "AccuracyGate"]
    training = found["Train"]["Arguments"]
    assert training["VpcConfig"] == {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]}
    assert training["OutputDataConfig"]["KmsKeyId"] == workload.keys.models
    assert training["RoleArn"].endswith("role/healthcare-imaging-mlops-test-training-jobs")


def test_several_machines_get_ways_among_themselves_and_nowhere_else(record: Any, program: Any) -> None:
    ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    egress = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    alone = record(program)
    assert not alone.of("aws:ec2/securityGroup:SecurityGroup")
    recording = record(lambda: program(training_instances=2))
    group = recording.one("aws:ec2/securityGroup:SecurityGroup")
    for kind in (ingress, egress):
        rules = [rule.inputs for rule in recording.of(kind)]
        assert {rule["ipProtocol"] for rule in rules} == {"tcp", "udp", "50"}
        assert all(rule["securityGroupId"] == rule["referencedSecurityGroupId"] for rule in rules)
        assert not any("cidrIpv4" in rule for rule in rules)
    training = steps(json.loads(recording.one(PIPELINE).inputs["pipelineDefinition"]))["Train"]["Arguments"]
    assert training["ResourceConfig"]["InstanceCount"] == 2
    assert len(training["VpcConfig"]["SecurityGroupIds"]) == 2
    assert group.inputs["vpcId"] == "vpc-1"


def test_the_settings_of_the_stack_reach_the_definition(record: Any, program: Any) -> None:
    body = json.loads(
        record(lambda: program(epochs=3, accuracy_threshold=0.9)).one(PIPELINE).inputs["pipelineDefinition"]
    )
    defaults = {parameter["Name"]: parameter.get("DefaultValue") for parameter in body["Parameters"]}
    assert (defaults["Epochs"], defaults["AccuracyThreshold"], defaults["CodeCommit"]) == ("3", 0.9, "c0ffee")


def test_in_a_preview_the_definition_is_known_because_its_names_are(record: Any, program: Any) -> None:
    text = record(program, preview=True).one(PIPELINE).inputs["pipelineDefinition"]
    assert "healthcare-imaging-mlops-test-preprocessed-111122223333" in text


def test_code_lies_under_its_own_hash_and_key(record: Any, program: Any, workload: Workload) -> None:
    first, second = (record(program).of(OBJECT) for _ in range(2))
    keys = {item.inputs["key"] for item in first}
    assert keys == {item.inputs["key"] for item in second}, "the same sources are the same object"
    assert {key.rsplit("/", 1)[-1] for key in keys} == {"sourcedir.tar.gz", "bootstrap.py"}
    assert all(len(key.split("/")[1]) == 64 for key in keys)
    assert {item.inputs["kmsKeyId"] for item in first} == {workload.keys.models}


@pytest.mark.parametrize(
    "role", ["mlops-pipeline-role-policy", "mlops-model-role-policy", "mlops-transform-role-policy"]
)
def test_the_roles_of_sagemaker_know_the_research_zone_only(record: Any, program: Any, role: str) -> None:
    text = record(program).one(POLICY, role).inputs["policy"]
    buckets = {part.split("/")[0].strip('"') for part in text.split("arn:aws:s3:::")[1:]}
    assert {name.split('"')[0] for name in buckets} <= {
        "healthcare-imaging-mlops-test-preprocessed-111122223333",
        "healthcare-imaging-mlops-test-model-artifacts-111122223333",
    }


def test_the_pipeline_may_hand_on_its_own_role_and_no_other(record: Any, program: Any) -> None:
    statement = record(program).policy(POLICY, "mlops-pipeline-role-policy")["HandOwnRoleToJobs"]
    assert statement["Resource"] == ["arn:aws:iam::111122223333:role/healthcare-imaging-mlops-test-training-jobs"]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_the_served_model_can_write_what_was_captured_and_nothing_else(record: Any, program: Any) -> None:
    statements = record(program).policy(POLICY, "mlops-model-role-policy")
    written = [one["Resource"] for one in statements.values() if "s3:PutObject" in one["Action"]]
    assert len(written) == 1
    assert [arn.rsplit(":::", 1)[-1].split("/", 1)[1] for arn in written[0]] == ["endpoint-data-capture/*"]


def test_a_transform_reads_images_which_the_endpoint_cannot_and_writes_answers_alone(record: Any, program: Any) -> None:
    recording = record(program)

    def folders(role: str, action: str) -> set[str]:
        found = recording.policy(POLICY, f"mlops-{role}-role-policy").values()
        resources = [arn for one in found if action in one["Action"] for arn in one["Resource"]]
        return {arn.rsplit(":::", 1)[-1].split("/", 1)[1] for arn in resources}

    assert folders("transform", "s3:GetObject") == {"models/*", "deidentified/*"}
    assert folders("transform", "s3:PutObject") == {"answers/*"}
    assert folders("model", "s3:GetObject") == {"models/*"}


def test_the_functions_have_their_time_and_layers(record: Any, program: Any) -> None:
    functions = {item.name: item.inputs for item in record(program).of(FUNCTION)}
    sizes = {
        name: (inputs["timeout"], inputs["memorySize"], len(inputs["layers"])) for name, inputs in functions.items()
    }
    assert sizes == {
        "mlops-pipeline-trigger": (60, 256, 1),
        "mlops-model-evaluation": (900, 1024, 2),
        "mlops-model-registry": (300, 512, 1),
    }
    registry = functions["mlops-model-registry"]["environment"]["variables"]
    assert (registry["AUTO_APPROVE"], registry["AUTO_DEPLOY"]) == ("true", "false")
    assert registry["DATA_CAPTURE_URI"].endswith("/endpoint-data-capture/")


def test_the_endpoints_log_group_is_made_before_sagemaker_makes_an_open_one(record: Any, program: Any) -> None:
    group = record(program).one("aws:cloudwatch/logGroup:LogGroup", "mlops-endpoint-logs").inputs
    assert group["name"] == "/aws/sagemaker/Endpoints/healthcare-imaging-mlops-test-pneumonia"
    assert group["kmsKeyId"].endswith("key/logs")


def test_names_are_known_before_anything_exists(record: Any, program: Any, context: Context, preview: bool) -> None:
    recording = record(program, preview=preview)
    assert recording.values["pipeline"] == pipeline_name(context)
    assert recording.values["endpoint"] == "healthcare-imaging-mlops-test-pneumonia"
    assert pipeline_arn(context).endswith(":pipeline/healthcare-imaging-mlops-test-training")
    assert recording.known["arn"] is not preview
