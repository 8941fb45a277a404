"""A real SavedModel behind an endpoint: the train interpreter's TensorFlow loads and answers."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

TRAIN_PYTHON = Path(__file__).resolve().parents[3] / ".venvs/train/bin/python"
EXPORT = """
import sys, tensorflow as tf
class Doubler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="image")])
    def serve(self, image):
        return {"score": tf.reduce_sum(image, axis=1) * 2.0, "image": image}
module = Doubler()
tf.saved_model.save(module, sys.argv[1], signatures={"serving_default": module.serve})
"""


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """model.tar.gz with 1/saved_model.pb."""
    folder = tmp_path_factory.mktemp("model")
    subprocess.run([TRAIN_PYTHON, "-c", EXPORT, str(folder / "1")], check=True, capture_output=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        bundle.add(folder / "1", arcname="1")
    return buffer.getvalue()


def test_a_saved_model_answers_rows_columns_and_csv(world: Any, saved_model: bytes, eventually: Any) -> None:
    sagemaker, name = world.sagemaker, f"tf-{world.tag}"
    uri = world.put("models/model.tar.gz", saved_model)
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": "i", "ModelDataUrl": uri},
        ExecutionRoleArn=world.job_role,
    )
    variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def settled() -> dict[str, Any] | None:
        found = sagemaker.describe_endpoint(EndpointName=name)
        return found if found["EndpointStatus"] != "Creating" else None

    found = eventually(settled, seconds=120, what="the endpoint")
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")

    def ask(body: str, content_type: str = "application/json") -> Any:
        answer = world.aws("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=body.encode(), ContentType=content_type
        )
        return json.loads(answer["Body"].read())

    rows = ask('{"instances": [[1, 2], [3, 4]]}')
    assert [row["score"] for row in rows["predictions"]] == [6.0, 14.0]
    columns = ask('{"inputs": {"image": [[1, 2]]}}')
    assert columns["outputs"] == {"score": [6.0], "image": [[1.0, 2.0]]}
    assert ask("5,6\n", "text/csv")["predictions"][0]["score"] == 22.0
    with pytest.raises(Exception, match="Exactly one of 'instances' and 'inputs'") as refused:
        ask("{}")
    assert refused.value.response["OriginalStatusCode"] == 400  # type: ignore[attr-defined]
    sagemaker.delete_endpoint(EndpointName=name)
