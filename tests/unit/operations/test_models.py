# ruff: noqa: N803 - fakes have the service's argument names
"""The registry's commands: what people see of versions and decisions, and under which name they decide."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from operations import __main__ as entry
from operations import models

GROUP = "healthcare-imaging-mlops-local-pneumonia"
ARN = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/{GROUP}/"


def figure(value: float | None) -> dict[str, Any]:
    return {"value": value, "interval": [value, value]}


REPORTS: dict[str, dict[str, Any]] = {
    "1": {"snapshot_id": "s1", "metrics": {"accuracy": figure(0.88), "f1": figure(None)}},
    "2": {
        "snapshot_id": "s2",
        "metrics": {"accuracy": figure(0.92), "f1": figure(0.9)},
        "champion": {
            "comparable": True,
            "snapshot_id": "s1",
            "patients": 9,
            "accuracy": 0.92,
            "champion_accuracy": 0.88,
            "difference": 0.04,
            "interval": [-0.01, 0.09],
            "p_value": 0.25,
        },
    },
}


class Fake:
    """SageMaker, Lambda, S3, DynamoDB and STS as far as the commands use them."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.refusal = ""
        self.judgement: dict[str, Any] = {"decision": "no-trial"}

    def get_paginator(self, operation: str) -> Any:
        pages = {
            "list_model_packages": [
                {"ModelPackageSummaryList": [{"ModelPackageArn": f"{ARN}1"}]},
                {"ModelPackageSummaryList": [{"ModelPackageArn": f"{ARN}2"}]},
            ],
            "query": [
                {
                    "Items": [
                        {
                            "model_version": {"S": "decisions"},
                            "evaluation_timestamp": {"S": "t#0"},
                            "decided_at": {"S": "t"},
                            "step": {"S": step},
                            "version": {"N": version},
                            "actor": {"S": "role/admin"},
                            "reason": {"S": "drift"},
                        }
                    ]
                }
                for step, version in (("gate-refused", "0"), ("rolled-back", "1"))
            ],
        }[operation]
        return type("Paginator", (), {"paginate": staticmethod(lambda **_: pages)})

    def describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        version = ModelPackageName.rpartition("/")[2]
        return {
            "ModelPackageArn": ModelPackageName,
            "ModelPackageVersion": version,
            "ModelApprovalStatus": "Approved",
            "CreationTime": datetime(2026, 11, 21, tzinfo=UTC),
            "CustomerMetadataProperties": {"snapshot_id": f"s{version}", "evaluation_uri": f"s3://b/{version}"},
        }

    def list_endpoints(self, **_: Any) -> dict[str, Any]:
        return {"Endpoints": [{"EndpointName": GROUP}]}

    def describe_endpoint(self, **_: Any) -> dict[str, Any]:
        return {"EndpointConfigName": "c"}

    def describe_endpoint_config(self, **_: Any) -> dict[str, Any]:
        return {"ProductionVariants": [{"ModelName": "m"}]}

    def describe_model(self, **_: Any) -> dict[str, Any]:
        return {"Containers": [{"ModelPackageName": f"{ARN}2"}]}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(json.dumps(REPORTS[Key]).encode())}

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": "arn:aws:sts::111122223333:assumed-role/admin/kim"}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        self.commands.append(json.loads(Payload))
        judges = self.commands[-1] == {"operation": "trial", "dry_run": self.commands[-1].get("dry_run")}
        assert FunctionName == f"healthcare-imaging-mlops-local-model-{'evaluation' if judges else 'registry'}"
        if judges:
            return {"Payload": io.BytesIO(json.dumps(self.judgement).encode())}
        body = {"errorMessage": self.refusal} if self.refusal else {"decision": "rolled-back"}
        failed = {"FunctionError": "Unhandled"} if self.refusal else {}
        return {"Payload": io.BytesIO(json.dumps(body).encode()), **failed}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(models.boto3, "client", lambda service, **_: fake)
    return fake


def run(*words: str, app: str = "registry") -> str:
    done = CliRunner().invoke(entry.app, [app, *words], catch_exceptions=False)
    return done.output


def test_versions_are_listed_newest_first_with_the_one_in_service(aws: Fake) -> None:
    lines = run("list").splitlines()
    assert lines[0].startswith("*    2  Approved")
    assert lines[2].startswith("     1  Approved")
    assert json.loads(run("list", "--json"))[0]["snapshot_id"] == "s2"


def test_a_decision_is_carried_out_under_the_callers_name(aws: Fake) -> None:
    assert "rolled-back" in run("rollback", "1", "--reason", "drift")
    assert aws.commands == [
        {"operation": "rollback", "version": 1, "reason": "drift", "actor": "assumed-role/admin/kim"}
    ]


def test_a_refused_decision_says_why(aws: Fake, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    aws.refusal = "NOT_APPROVED: version 2 was never approved"
    monkeypatch.setattr(entry.sys, "argv", ["operations", "registry", "rollback", "2", "--reason", "drift"])
    assert entry.main() == 1
    assert "never approved" in capsys.readouterr().err


def test_two_versions_are_compared_and_the_paired_test_is_shown(aws: Fake) -> None:
    text = run("compare", "1", "2")
    assert "+0.0400" in text
    assert "undefined" in text
    assert "same 9 patients" in text
    assert "McNemar p=0.2500" in text


def test_without_a_common_test_the_comparison_says_so(aws: Fake) -> None:
    assert "not paired" in run("compare", "2", "1")


def test_a_version_that_is_not_there_cannot_be_compared(aws: Fake) -> None:
    with pytest.raises(models.RefusedError, match="no version 9"):
        models.Registry.of("local").report(9)


def test_the_history_tells_who_decided_what(aws: Fake) -> None:
    lines = run("history").splitlines()
    assert lines[0] == "t  gate-refused  no version  role/admin: drift"
    assert "rolled-back   version 1" in lines[1]
    assert "evaluation_timestamp" not in run("history", "--json")


def test_a_trial_is_started_dry_or_wet_and_stopped_under_the_callers_name(aws: Fake) -> None:
    run("start", "2", "--reason", "new scanner", "--dry-run", app="trial")
    run("start", "2", "--reason", "new scanner", app="trial")
    run("stop", "2", "--reason", "wrong scanner", app="trial")
    asked = [(one["operation"], one.get("dry_run", False), one["actor"]) for one in aws.commands]
    who = "assumed-role/admin/kim"
    assert asked == [("trial", True, who), ("trial", False, who), ("end-trial", False, who)]


def test_a_trial_is_judged_and_its_evidence_shown(aws: Fake) -> None:
    assert run("judge", app="trial") == "No trial is under way.\n"
    arm = {"version": 1, "studies": 100, "agreements": 80, "agreement": 0.8}
    aws.judgement = {
        "decision": "better",
        "since": "2026-11-21",
        "champion": arm,
        "challenger": {**arm, "version": 2, "agreements": 95, "agreement": 0.95},
        "evidence_better": 31.4,
        "evidence_worse": 1.0,
        "evidence_needed": 20,
        "studies": 200,
        "most_studies": 2000,
    }
    text = run("judge", "--dry-run", app="trial")
    assert aws.commands[-1] == {"operation": "trial", "dry_run": True}
    assert "challenger  version 2        95 of   100 studies as the readers (0.9500)" in text
    assert "better 31.4, worse 1; needed 20" in text
    assert json.loads(run("judge", "--json", app="trial")) == aws.judgement
