"""A batch transform of this interpreter's server process: every object is asked, each answer lies beside its name."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.local.sagemaker.test_sagemaker_endpoints import FAKE_TENSORFLOW, HANDLER, JOB_ROLE

JOB = {
    "TransformJobName": "t",
    "ModelName": "m",
    "TransformInput": {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in/study/"}},
        "ContentType": "application/json",
    },
    "TransformOutput": {"S3OutputPath": "s3://b/out/study", "Accept": "application/json"},
    "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
}


@pytest.fixture
def run(api: Any, make_archive: Any) -> Any:
    """Run a job over given objects; its description at the end."""
    api.cloud.objects["b/model.tar.gz"] = make_archive(
        {"1/saved_model.pb": "", "code/inference.py": HANDLER, "code/lib/tensorflow.py": FAKE_TENSORFLOW}
    )
    container = {"Image": "i", "ModelDataUrl": "s3://b/model.tar.gz"}
    api("CreateModel", ModelName="m", PrimaryContainer=container, ExecutionRoleArn=JOB_ROLE)

    def call(objects: dict[str, Any]) -> dict[str, Any]:
        for key, body in objects.items():
            api.cloud.objects[f"b/{key}"] = json.dumps(body).encode()
        api("CreateTransformJob", **JOB)
        end = time.monotonic() + 60
        while (found := api("DescribeTransformJob", TransformJobName="t"))["TransformJobStatus"] == "InProgress":
            assert time.monotonic() < end, "the job does not end"
            time.sleep(0.02)
        return found

    return call


def test_each_object_under_the_prefix_has_an_answer_under_its_own_name(api: Any, run: Any) -> None:
    found = run({"in/study/1.dcm": {"numbers": [1, 2]}, "in/study/series/2.dcm": {"numbers": [4]}, "in/other": {}})
    assert found["TransformJobStatus"] == "Completed", found.get("FailureReason")
    written = {key: json.loads(body) for key, body in api.cloud.objects.items() if key.startswith("b/out/")}
    assert {key: answer["sum"] for key, answer in written.items()} == {
        "b/out/study/1.dcm.out": 3,
        "b/out/study/series/2.dcm.out": 4,
    }


def test_an_object_that_the_model_refuses_fails_the_job(run: Any) -> None:
    found = run({"in/study/1.dcm": {"fail": True}})
    assert found["TransformJobStatus"] == "Failed"
    assert found["FailureReason"].startswith("AlgorithmError")


def test_a_prefix_without_objects_and_a_role_without_rights_fail_the_job(api: Any, run: Any) -> None:
    assert "No S3 objects" in run({})["FailureReason"]


def test_a_role_that_may_not_read_fails_the_job(api: Any, run: Any) -> None:
    api.cloud.denied.add((JOB_ROLE, "s3:read"))
    assert "AccessDenied" in run({"in/study/1.dcm": {}})["FailureReason"]


@pytest.mark.parametrize(
    "changes", [{"ModelName": "none"}, {"BatchStrategy": "MultiRecord"}, {"TransformJobName": "t"}]
)
def test_what_is_not_served_or_there_twice_is_refused(api: Any, run: Any, changes: dict[str, Any]) -> None:
    run({"in/study/1.dcm": {"numbers": [1]}})
    status, _, _ = api.service.answer(
        "POST",
        "/",
        {"x-amz-target": "SageMaker.CreateTransformJob"},
        json.dumps({**JOB, "TransformJobName": "u", **changes}).encode(),
        {},
    )
    assert status == 400
