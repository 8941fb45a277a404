# ruff: noqa: N803 - fakes have the service's argument names
"""The transform of a study: what is read, asked and written, and what is refused before a job begins."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from operations import __main__ as entry
from operations import transform

STUDY = "a" * 32
BUCKET = "healthcare-imaging-mlops-local-preprocessed-111122223333"


class Fake:
    """SageMaker, S3, DynamoDB and STS as far as the command uses them."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []
        self.status = "Completed"
        self.patients = ["p1"]

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "111122223333"}

    def get_paginator(self, operation: str) -> Any:
        images = [("DEIDENTIFIED", "1"), ("DEIDENTIFIED", "2"), ("FAILED", "3")]
        items = [
            {"deid_status": {"S": status}, "processed_key": {"S": f"deidentified/{patient}/{STUDY}/{image}.dcm"}}
            for patient in self.patients
            for status, image in images
        ]
        pages = {
            "query": [{"Items": items}],
            "list_models": [{"Models": [{"ModelName": one["ModelName"]} for one in self.models]}],
            "list_objects_v2": [{"Contents": [{"Key": "1"}, {"Key": "2"}]}],
        }[operation]
        return SimpleNamespace(paginate=lambda **_: pages)

    def create_model(self, **request: Any) -> None:
        self.models.append(request)

    def create_transform_job(self, **request: Any) -> None:
        self.jobs.append(request)

    def describe_transform_job(self, TransformJobName: str) -> dict[str, Any]:
        assert TransformJobName == self.jobs[-1]["TransformJobName"]
        return {"TransformJobStatus": self.status, "FailureReason": "AlgorithmError: 500"}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        assert Bucket == BUCKET
        return {"Body": io.BytesIO(json.dumps({"probability": 0.3 * int(Key), "threshold": 0.4}).encode())}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(transform.boto3, "client", lambda service: fake)
    monkeypatch.setattr(transform.boto3, "Session", lambda: SimpleNamespace(region_name="us-east-1"))
    found = [{"version": 3, "approval": "Rejected"}, {"version": 2, "approval": "Approved", "arn": "arn:p/2"}]
    monkeypatch.setattr(transform.Registry, "versions", lambda _: found)
    return fake


def run(*words: str) -> Any:
    return json.loads(CliRunner().invoke(entry.app, ["transform", STUDY, *words], catch_exceptions=False).stdout)


def test_the_newest_approved_model_is_asked_about_the_studys_folder(aws: Fake) -> None:
    assert run() == {
        "version": 2,
        "images": 2,
        "probability": 0.45,
        "finding": "pneumonia",
        "answers": f"s3://{BUCKET}/answers/p1/{STUDY}/v2",
        "job": aws.jobs[0]["TransformJobName"],
    }
    source = aws.jobs[0]["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]
    assert source == f"s3://{BUCKET}/deidentified/p1/{STUDY}/"
    assert aws.models[0]["ExecutionRoleArn"].endswith("role/healthcare-imaging-mlops-local-transform-jobs")
    run()
    assert (len(aws.jobs), len(aws.models)) == (2, 1), "the model is made once"


def test_a_dry_run_starts_nothing(aws: Fake) -> None:
    assert run("--dry-run")["images"] == 2
    assert (aws.jobs, aws.models) == ([], [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"patients": []}, "no de-identified image"),
        ({"patients": ["p1", "p2"]}, "two patients"),
        ({"words": ["--version", "3"]}, "version 3 is not approved"),
        ({"status": "Failed"}, "AlgorithmError"),
    ],
)
def test_what_cannot_be_answered_says_why(
    aws: Fake, monkeypatch: pytest.MonkeyPatch, capsys: Any, changes: Any, reason: str
) -> None:
    for name, value in changes.items():
        setattr(aws, name, value)
    monkeypatch.setattr(entry.sys, "argv", ["operations", "transform", STUDY, *changes.get("words", [])])
    assert entry.main() == 1
    assert reason in capsys.readouterr().err
