"""The drill's lock: the same archive but for the plan, the steps that ask, and the pipeline as it was afterwards."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws

from tools.drill_lock import LOCK, locked_test_set
from training import dataset, package

OLD = "0" * 64


def step(name: str, **more: Any) -> dict[str, Any]:
    code = {"S3Input": {"S3Uri": f"s3://artifacts/code/{OLD}/"}}
    return {"Name": name, "Arguments": {"ProcessingInputs": [code], **more}}


DEFINITION = {
    "Steps": [
        step("Preprocess", AppSpecification={"ContainerArguments": ["--seed", "7"]}),
        step("Train"),
        step("Evaluate", AppSpecification={"ContainerArguments": ["--seed", "7"]}),
    ]
}


class Registry:
    """The pipeline and one model package."""

    definition = json.dumps(DEFINITION)

    def describe_model_package(self, **_: str) -> dict[str, Any]:
        return {"CustomerMetadataProperties": {"test_set_uri": "s3://research/run/test", "code_sha256": OLD}}

    def describe_pipeline(self, **_: str) -> dict[str, Any]:
        return {"PipelineDefinition": self.definition, "RoleArn": "role"}

    def update_pipeline(self, PipelineDefinition: str, **_: str) -> None:  # noqa: N803 - the API's name
        self.definition = PipelineDefinition


class Clients:
    """As local.cloud.Cloud."""

    def __init__(self, registry: Registry) -> None:
        self._clients = {"sagemaker": registry, "s3": boto3.client("s3", region_name="us-east-1")}

    def client(self, service: str) -> Any:
        return self._clients[service]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket with a test split of two patients and one with the code."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    columns = {
        "images": np.zeros((2, 32, 32), np.float32),
        "labels": np.array([0, 1], np.int8),
        "image_keys": np.array(["a", "b"]),
        "patient_keys": np.array(["p", "q"]),
        "pixel_digests": np.array(["1" * 64, "2" * 64]),
    }
    shard = dataset.write_shard(tmp_path, 0, columns)
    manifest = {"schema": "training-dataset/1", "split": "test", "images": 2, "image_size": 32, "shards": [shard]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with mock_aws():
        made = Clients(Registry())
        s3 = made.client("s3")
        for bucket in ("research", "artifacts"):
            s3.create_bucket(Bucket=bucket)
        for path in tmp_path.iterdir():
            s3.upload_file(str(path), "research", f"run/test/{path.name}")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"}
        s3.put_object(Bucket="artifacts", Key=f"code/{OLD}/sourcedir.tar.gz", Body=b"", **encrypted)
        yield made


def test_the_pipeline_is_locked_for_as_long_as_the_drill_asks(cloud: Any, tmp_path: Path) -> None:
    registry, s3 = cloud.client("sagemaker"), cloud.client("s3")
    with pytest.raises(KeyboardInterrupt), locked_test_set(cloud, "p", "arn") as lock:
        now = json.loads(registry.definition)
        asked = [
            one["Arguments"]["AppSpecification"]["ContainerArguments"] for one in (now["Steps"][0], now["Steps"][2])
        ]
        assert asked == [["--seed", "7", "--locked-test-set", LOCK]] * 2
        uri = now["Steps"][1]["Arguments"]["ProcessingInputs"][0]["S3Input"]["S3Uri"]
        key = f"{uri.removeprefix('s3://artifacts/')}sourcedir.tar.gz"
        stored = s3.get_object(Bucket="artifacts", Key=key)
        assert stored["SSEKMSKeyId"].endswith("key")
        with tarfile.open(fileobj=io.BytesIO(stored["Body"].read())) as archive:
            inside = archive.extractfile("training/change-control-plan.json")
            assert inside is not None
            assert json.load(inside)["locked_test_sets"] == {LOCK: lock}
            names = archive.getnames()
        assert (lock["images"], len(lock["patients"])) == (2, 2)
        raise KeyboardInterrupt
    assert json.loads(registry.definition) == DEFINITION
    with tarfile.open(package.build(tmp_path / "code").path) as archive:
        assert archive.getnames() == names
