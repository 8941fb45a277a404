"""PipelineConfig refuses what SageMaker or the scripts would refuse later."""

from __future__ import annotations

from typing import Any

import pytest

from training.pipeline_config import PipelineConfig, PipelineConfigError

REQUIRED: dict[str, Any] = {
    "pipeline_name": "training",
    "region": "us-east-1",
    "role_arn": "arn:aws:iam::111122223333:role/training",
    "preprocessed_bucket": "preprocessed",
    "model_artifacts_bucket": "artifacts",
    "code_uri": "s3://artifacts/code/0123",
    "code_sha256": "0123",
    "model_package_group": "pneumonia",
    "model_registry_function_arn": "arn:aws:lambda:us-east-1:111122223333:function:model-registry",
}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"backbone": "vgg16"}, "backbone"),
        ({"augmentation": "wild"}, "augmentation"),
        ({"precision": "float8"}, "precision"),
        ({"approval_status": "Maybe"}, "approval_status"),
        ({"accuracy_threshold": 1.2}, "accuracy_threshold"),
        ({"test_fraction": 0.0}, "test_fraction"),
        ({"test_fraction": 0.4, "validation_fraction": 0.4}, "for training"),
        ({"image_size": 8}, "image_size"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"retry_attempts": 21}, "retry_attempts"),
        ({"training_instance_count": 0}, "training_instance_count"),
        ({"training_instance_count": 3, "batch_size": 2}, "training_instance_count"),
        ({"subnet_ids": ("subnet-1",)}, "security_group_ids"),
        ({"max_runtime_seconds": 10, "max_wait_seconds": 5}, "max_wait_seconds"),
        ({"backbone": "small_cnn", "weights_uri": "s3://artifacts/weights/"}, "weights_uri"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else value,
)
def test_a_bad_value_is_refused_in_a_sentence_that_names_it(changed: dict[str, Any], named: str):
    with pytest.raises(PipelineConfigError, match=named):
        PipelineConfig(**{**REQUIRED, **changed})


@pytest.mark.parametrize(
    ("instance_type", "key"),
    [("ml.g5.12xlarge", None), ("ml.p4d.24xlarge", None), ("ml.m5.xlarge", "the-key"), ("ml.p3.2xlarge", "the-key")],
)
def test_the_volume_key_is_left_out_where_the_disk_is_nvme(instance_type: str, key: str | None):
    config = PipelineConfig(**REQUIRED, volume_kms_key="the-key")
    assert config.volume_key_for(instance_type) == key
