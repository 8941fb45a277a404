"""The platform's own pipeline definition is one that this stand-in takes, before anybody deploys it."""

from __future__ import annotations

import json

from local.sagemaker.definition.validate import dependencies
from local.sagemaker.pipelines import load
from training.definition import PipelineConfig, build


def test_the_generated_definition_is_accepted_and_has_the_designed_graph() -> None:
    config = PipelineConfig(
        pipeline_name="healthcare-imaging-mlops-local-training",
        region="us-east-1",
        role_arn="arn:aws:iam::111122223333:role/training",
        preprocessed_bucket="preprocessed",
        model_artifacts_bucket="artifacts",
        code_uri="s3://artifacts/code/0123",
        code_sha256="0123",
        model_package_group="pneumonia",
        model_registry_function_arn="arn:aws:lambda:us-east-1:111122223333:function:model-registry",
        training_instance_type="ml.m5.xlarge",
        volume_kms_key="arn:aws:kms:us-east-1:111122223333:key/k",
        output_kms_key="arn:aws:kms:us-east-1:111122223333:key/k",
        subnet_ids=("subnet-0aaa",),
        security_group_ids=("sg-0ccc",),
        weights_uri="s3://artifacts/weights/",
        commit="abc1234",
    )
    edges = dependencies(load(json.dumps(build(config))))
    assert edges["Train"] == {"Preprocess"}
    assert edges["AccuracyGate"] == {"Evaluate"}
    assert "AccuracyGate" in edges["Register"] & edges["NotifyRejected"]
    assert "NotifyRejected" in edges["RefusedByGate"]
