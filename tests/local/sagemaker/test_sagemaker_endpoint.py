"""Endpoints through the embedded AWS: a model server per variant, capture, errors, exchange of fleets."""

from __future__ import annotations

import json
from typing import Any

import botocore.exceptions
import pytest

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-inference:2.19-cpu-py312"
# Stands for TensorFlow (which the tests marked `tensorflow` use): a SavedModel whose one signature doubles numbers.
FAKE_TENSORFLOW = """
class Float: as_numpy_dtype = "float64"
class Tensor(list):
    def numpy(self): return self
    def tolist(self): return list(self)
class Signature:
    structured_input_signature = ((), {"x": type("Spec", (), {"dtype": Float})()})
    def __call__(self, x): return {"y": Tensor([[2 * v for v in row] for row in x])}
class saved_model:
    @staticmethod
    def load(path):
        class Loaded: signatures = {"serving_default": Signature()}
        return Loaded()
def constant(value, dtype=None): return value.tolist()
"""
INFERENCE = """
import json
def input_handler(data, context):
    if context.request_content_type != "application/json":
        raise ValueError("only JSON, not " + context.request_content_type)
    return json.dumps({"instances": json.loads(data.read())["rows"]})
def output_handler(response, context):
    if response.status_code != 200:
        raise ValueError(response.content.decode())
    return json.dumps({"doubled": response.json()["predictions"], "model": "@MODEL@"}), "application/json"
"""


@pytest.fixture
def model_uri(world: Any, make_archive: Any) -> Any:
    """Stores a model archive; `model_uri("a")` answers its URI."""

    def store(name: str, inference: str = INFERENCE) -> str:
        files = {
            "1/saved_model.pb": "",
            "code/inference.py": inference.replace("@MODEL@", name),
            "code/lib/tensorflow.py": FAKE_TENSORFLOW,
        }
        return world.put(f"models/{name}/model.tar.gz", make_archive(files))

    return store


@pytest.fixture
def deploy(world: Any, model_uri: Any) -> Any:
    """`deploy({"blue": uri}, **config)`: models and an endpoint configuration; its name."""
    made: list[str] = []

    def make(models: dict[str, str], **config: Any) -> str:
        name = f"config-{world.tag}-{len(made)}"
        for variant, uri in models.items():
            world.sagemaker.create_model(
                ModelName=f"{name}-{variant}",
                PrimaryContainer={"Image": IMAGE, "ModelDataUrl": uri},
                ExecutionRoleArn=world.job_role,
            )
        world.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": variant,
                    "ModelName": f"{name}-{variant}",
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                }
                for variant in models
            ],
            **config,
        )
        made.append(name)
        return name

    return make


@pytest.fixture
def endpoint(world: Any, eventually: Any) -> Any:
    """`endpoint(config)`: create and wait for the end of its creation; deleted afterwards."""
    name = f"endpoint-{world.tag}"

    def create(config: str) -> dict[str, Any]:
        world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return settled(world, name, eventually)

    yield create
    world.sagemaker.delete_endpoint(EndpointName=name)


def settled(world: Any, name: str, eventually: Any) -> dict[str, Any]:
    """The endpoint once it is on no way any more."""

    def done() -> dict[str, Any] | None:
        found = world.sagemaker.describe_endpoint(EndpointName=name)
        return None if found["EndpointStatus"] in ("Creating", "Updating", "RollingBack") else found

    return eventually(done, what="the endpoint's end status", seconds=60)


def ask(aws: Any, name: str, rows: Any, **named: Any) -> Any:
    """InvokeEndpoint with JSON."""
    answer = aws("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=json.dumps({"rows": rows}), ContentType="application/json", **named
    )
    return json.loads(answer["Body"].read())


def test_an_endpoint_answers_and_captures_what_it_was_asked(
    world: Any, model_uri: Any, deploy: Any, endpoint: Any, eventually: Any
) -> None:
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{world.bucket}/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    found = endpoint(deploy({"blue": model_uri("a")}, DataCaptureConfig=capture))
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    assert ask(world.aws, found["EndpointName"], [[1.5]], CustomAttributes="trace=7") == {
        "doubled": [[3.0]],
        "model": "a",
    }

    def captured() -> Any:
        return world.s3.list_objects_v2(Bucket=world.bucket, Prefix="capture/").get("Contents")

    key = eventually(captured, what="the capture file")[0]["Key"]
    assert key.startswith(f"capture/{found['EndpointName']}/blue/20")
    record = json.loads(world.get(f"s3://{world.bucket}/{key}").splitlines()[0])
    assert json.loads(record["captureData"]["endpointInput"]["data"]) == {"rows": [[1.5]]}
    assert record["captureData"]["endpointOutput"]["encoding"] == "JSON"
    assert record["eventMetadata"]["customAttributes"] == ["trace=7"]


def test_a_failing_script_is_a_model_error(world: Any, model_uri: Any, deploy: Any, endpoint: Any) -> None:
    found = endpoint(deploy({"blue": model_uri("a")}))
    with pytest.raises(botocore.exceptions.ClientError, match="only JSON, not text/csv") as failed:
        world.aws("sagemaker-runtime").invoke_endpoint(
            EndpointName=found["EndpointName"], Body=b"1,2", ContentType="text/csv"
        )
    assert failed.value.response["Error"]["Code"] == "ModelError"
    assert failed.value.response["OriginalStatusCode"] == 500


def test_an_update_exchanges_the_servers_only_when_the_new_ones_are_healthy(
    world: Any, model_uri: Any, deploy: Any, endpoint: Any, eventually: Any
) -> None:
    first = deploy({"blue": model_uri("a")})
    found = endpoint(first)
    name = found["EndpointName"]

    world.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=deploy({"green": model_uri("broken", "raise RuntimeError('no')")})
    )
    kept = settled(world, name, eventually)
    assert (kept["EndpointStatus"], kept["EndpointConfigName"]) == ("InService", first)
    assert "ping health check" in kept["FailureReason"]
    assert ask(world.aws, name, [[1]])["model"] == "a"

    second = deploy({"green": model_uri("b")})
    world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=second)
    changed = settled(world, name, eventually)
    assert (changed["EndpointStatus"], changed["EndpointConfigName"]) == ("InService", second)
    assert ask(world.aws, name, [[1]])["model"] == "b"


def test_a_model_without_a_saved_model_fails_its_endpoint(
    world: Any, make_archive: Any, deploy: Any, endpoint: Any
) -> None:
    uri = world.put("models/empty.tar.gz", make_archive({"readme.txt": "nothing"}))
    found = endpoint(deploy({"blue": uri}))
    assert found["EndpointStatus"] == "Failed"
    assert "ping health check" in found["FailureReason"]


def test_only_an_approved_package_can_become_a_model(world: Any, model_uri: Any) -> None:
    world.sagemaker.create_model_package_group(ModelPackageGroupName=world.group)
    container = {"Image": IMAGE, "ModelDataUrl": model_uri("a")}
    arn = world.sagemaker.create_model_package(
        ModelPackageGroupName=world.group,
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    model = {
        "ModelName": f"from-package-{world.tag}",
        "PrimaryContainer": {"ModelPackageName": arn},
        "ExecutionRoleArn": world.job_role,
    }
    with pytest.raises(botocore.exceptions.ClientError, match="PendingManualApproval"):
        world.sagemaker.create_model(**model)
    world.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    world.sagemaker.create_model(**model)
    assert world.sagemaker.describe_model(ModelName=model["ModelName"])["PrimaryContainer"]["ModelPackageName"] == arn


def test_a_variant_is_chosen_by_target_and_refused_when_unknown(
    world: Any, model_uri: Any, deploy: Any, endpoint: Any
) -> None:
    found = endpoint(deploy({"blue": model_uri("a"), "green": model_uri("b")}))
    name = found["EndpointName"]
    assert ask(world.aws, name, [[1]], TargetVariant="green")["model"] == "b"
    assert ask(world.aws, name, [[1]], TargetVariant="blue")["model"] == "a"
    with pytest.raises(botocore.exceptions.ClientError, match="Variant red does not exist"):
        ask(world.aws, name, [[1]], TargetVariant="red")
