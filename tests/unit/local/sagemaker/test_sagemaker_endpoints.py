"""Endpoints with a server process of this interpreter: start, capture, errors, idle rest, traffic."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.sagemaker.endpoints.capture import Capture
from local.sagemaker.endpoints.runtime import RuntimeValidationError, choose

JOB_ROLE = "arn:aws:iam::111122223333:role/job"
HANDLER = """
import json
def handler(data, context):
    body = json.loads(data.read())
    if "fail" in body:
        raise ValueError("cannot read this")
    return json.dumps({"sum": sum(body["numbers"]), "attributes": context.custom_attributes}), "application/json"
"""
FAKE_TENSORFLOW = "class saved_model:\n    @staticmethod\n    def load(path): return object()\n"


@pytest.fixture
def endpoint(api: Any, make_archive: Any) -> Iterator[Callable[..., dict[str, Any]]]:
    """Make a model, a configuration and an endpoint; its description once it has settled."""
    api.cloud.objects["b/model.tar.gz"] = make_archive(
        {"1/saved_model.pb": "", "code/inference.py": HANDLER, "code/lib/tensorflow.py": FAKE_TENSORFLOW}
    )

    def make(**config: Any) -> dict[str, Any]:
        container = {"Image": "i", "ModelDataUrl": "s3://b/model.tar.gz"}
        api("CreateModel", ModelName="m", PrimaryContainer=container, ExecutionRoleArn=JOB_ROLE)
        variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        api("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant], **config)
        api("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        end = time.monotonic() + 30
        while (found := api("DescribeEndpoint", EndpointName="e"))["EndpointStatus"] == "Creating":
            assert time.monotonic() < end, "the endpoint stays in Creating"
            time.sleep(0.02)
        return found

    yield make
    api.service.manager.close()


def invoke(api: Any, body: Any, **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """POST /endpoints/e/invocations."""
    given = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    status, answered, content = api.service.answer(
        "POST", "/endpoints/e/invocations", given, json.dumps(body).encode(), {}
    )
    return status, answered, json.loads(content)


def test_an_endpoint_goes_into_service_and_answers(api: Any, endpoint: Any) -> None:
    found = endpoint()
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    assert found["ProductionVariants"][0]["DesiredWeight"] == 1.0
    status, headers, answer = invoke(api, {"numbers": [1, 2]}, x_amzn_sagemaker_custom_attributes="a=b")
    assert (status, answer) == (200, {"sum": 3, "attributes": "a=b"})
    assert headers["x-Amzn-Invoked-Production-Variant"] == "v"
    changes = [d["EndpointStatus"] for kind, d in api.cloud.events if kind == "SageMaker Endpoint State Change"]
    assert changes == ["CREATING", "IN_SERVICE"]
    assert ("AWS/SageMaker", "Invocations", 1.0, {"EndpointName": "e", "VariantName": "v"}) in api.cloud.metrics


def test_an_exception_of_the_script_is_a_model_error_with_its_text(api: Any, endpoint: Any) -> None:
    endpoint()
    status, headers, answer = invoke(api, {"fail": 1})
    assert (status, headers["x-amzn-errortype"], answer["OriginalStatusCode"]) == (424, "ModelError", 500)
    assert "cannot read this" in answer["OriginalMessage"]
    assert "log-group:/aws/sagemaker/Endpoints/e:log-stream:v/i-" in answer["LogStreamArn"]


def test_an_endpoint_whose_role_may_not_read_the_model_fails(api: Any, endpoint: Any) -> None:
    api.cloud.denied.add((JOB_ROLE, "s3:read"))
    found = endpoint()
    assert found["EndpointStatus"] == "Failed"
    assert "AccessDenied" in found["FailureReason"]


def test_servers_come_back_at_the_first_use_after_a_restart(
    api: Any, endpoint: Any, restarted: Callable[[], Any]
) -> None:
    endpoint()
    api.service.manager.close()
    after = restarted()
    assert after("DescribeEndpoint", EndpointName="e")["EndpointStatus"] == "InService"
    assert after.service.manager._fleets == {}
    try:
        assert invoke(after, {"numbers": [4]})[2]["sum"] == 4
    finally:
        after.service.manager.close()


def test_a_server_that_died_is_replaced_at_the_next_use(api: Any, endpoint: Any) -> None:
    endpoint()
    server = api.service.manager._fleets["e"].servers["v"]
    server._process.stop(0.0)
    end = time.monotonic() + 20
    while server.alive() and time.monotonic() < end:
        time.sleep(0.02)
    assert invoke(api, {"numbers": [5]})[2]["sum"] == 5


def test_deleting_an_endpoint_ends_its_servers_and_keeps_the_configuration(api: Any, endpoint: Any) -> None:
    endpoint()
    server = api.service.manager._fleets["e"].servers["v"]
    api("DeleteEndpoint", EndpointName="e")
    end = time.monotonic() + 20
    while server.alive() and time.monotonic() < end:
        time.sleep(0.02)
    assert not server.alive()
    assert invoke(api, {"numbers": []})[0] == 400
    assert api("DescribeEndpointConfig", EndpointConfigName="c")["EndpointConfigName"] == "c"


def test_traffic_follows_the_weights() -> None:
    source = random.Random(7)
    counted = Counter(choose({"a": 3.0, "b": 1.0, "c": 0.0}, None, source) for _ in range(4000))
    assert counted["c"] == 0
    assert counted["a"] / counted["b"] == pytest.approx(3, rel=0.15)


def test_a_target_variant_must_exist() -> None:
    assert choose({"a": 0.0, "b": 1.0}, "a") == "a"
    with pytest.raises(RuntimeValidationError, match="Variant x does not exist"):
        choose({"a": 1.0}, "x")


@pytest.mark.parametrize(
    ("content_type", "body", "written"),
    [
        pytest.param("application/json; charset=utf-8", b'{"a": 1}', ("JSON", '{"a": 1}'), id="json"),
        pytest.param("text/csv", b"1,2", ("CSV", "1,2"), id="csv"),
        pytest.param("application/dicom", b"\x00\xff", ("BASE64", "AP8="), id="binary"),
        pytest.param("application/json", b"\xff", ("BASE64", "/w=="), id="no-text"),
    ],
)
def test_capture_writes_each_content_type_in_its_encoding(
    context: Any, cloud: Any, content_type: str, body: bytes, written: tuple[str, str]
) -> None:
    config = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": "s3://b/capture",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    capture = Capture(context, "e", config, cloud.assume(JOB_ROLE, "s"))
    capture.add("v", (content_type, body), ("text/plain", b"secret"), {})
    capture.close()
    (name, content), *_ = cloud.objects.items()
    assert name.startswith("b/capture/e/v/2027/")
    record = json.loads(content)
    assert record["captureData"] == {
        "endpointInput": {
            "observedContentType": content_type,
            "mode": "INPUT",
            "encoding": written[0],
            "data": written[1],
        }
    }
    assert record["eventVersion"] == "0"


def test_capture_takes_only_its_sample(context: Any, cloud: Any) -> None:
    config = {"InitialSamplingPercentage": 0, "DestinationS3Uri": "s3://b/capture", "CaptureOptions": []}
    capture = Capture(context, "e", config, cloud.assume(JOB_ROLE, "s"))
    capture.add("v", ("text/csv", b""), ("text/csv", b""), {})
    capture.close()
    assert cloud.objects == {}


def test_a_guarded_update_is_checked_and_kept(api: Any, endpoint: Any) -> None:
    endpoint()
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    routing = {"Type": "CANARY", "WaitIntervalInSeconds": 180, "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50}}
    asked = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}

    def update(config: str, **changes: Any) -> Any:
        api("CreateEndpointConfig", EndpointConfigName=config, ProductionVariants=[{**variant, **changes}])
        return api("UpdateEndpoint", EndpointName="e", EndpointConfigName=config, DeploymentConfig=asked)

    for config, changes in (("one", {}), ("other", {"VariantName": "w", "InitialInstanceCount": 2})):
        with pytest.raises(Exception, match="needs"):
            update(config, **changes)
    assert api("DescribeEndpoint", EndpointName="e")["EndpointStatus"] == "InService"
    update("two", InitialInstanceCount=2)
    assert api("DescribeEndpoint", EndpointName="e")["LastDeploymentConfig"] == asked
