"""The command: what it asks the endpoint, what it writes, and what it refuses without saying whose image it was."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pydicom
import pytest

from services.ai_results.__main__ import main
from tests.unit.services.ai_results.test_ai_results import ORIGIN, ct, written

ANSWER = {"probability": 0.875, "finding": "pneumonia", "threshold": 0.5, "model_version": "12", "appearance": {}}


class FakeEndpoint:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        assert (request["EndpointName"], request["ContentType"]) == ("pneumonia", "application/dicom")
        explained = {"explanations": [{"image": np.full((64, 64), 0.5).tolist(), "heat": [[0.0, 1.0], [0.0, 0.0]]}]}
        body = explained if request.get("CustomAttributes") == "explain=true" else self.answer
        self.asked.append((request.get("TargetVariant"), request.get("InferenceId")))
        return {"Body": io.BytesIO(json.dumps(body).encode()), "InvokedProductionVariant": "challenger"}


class FakeRegistry:
    def list_model_packages(self, **_: Any) -> dict[str, Any]:
        return {"ModelPackageSummaryList": [{"ModelPackageArn": ORIGIN.model_package_arn, "ModelPackageVersion": 12}]}

    def describe_model_package(self, **_: Any) -> dict[str, Any]:
        return {"CustomerMetadataProperties": {"snapshot_id": ORIGIN.snapshot_id, "code_commit": "c0ffee"}}


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.dcm" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        path.write_bytes(written(ct(number)))
    return [str(path) for path in paths]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def call(images: list[str], *options: str, **changes: Any) -> int:
        clients = {"sagemaker-runtime": FakeEndpoint({**ANSWER, **changes}), "sagemaker": FakeRegistry()}
        call.endpoint = clients["sagemaker-runtime"]  # pyright: ignore[reportFunctionMemberAccess]
        monkeypatch.setattr(boto3, "client", clients.__getitem__)
        return main(["--endpoint", "pneumonia", "--out", str(tmp_path / "out"), *options, *images])

    return call


def test_a_study_becomes_one_report_and_a_heat_map_for_each_image(ask: Any, images: list[str], tmp_path: Path) -> None:
    assert ask(images) == 0
    made = [pydicom.dcmread(path) for path in (tmp_path / "out").glob("*.dcm")]
    assert sorted(one.Modality for one in made) == ["OT", "OT", "SR"]
    assert len({one.StudyInstanceUID for one in made}) == 1
    assert ask(images) == 0
    assert len(list((tmp_path / "out").glob("*.dcm"))) == 3, "a repeat writes the same objects"


@pytest.mark.parametrize("changes", [{"model_version": None}, {"model_version": "13"}, {"finding": "DOE^JANE"}])
def test_an_answer_that_cannot_be_traced_writes_nothing_and_names_nobody(
    ask: Any, images: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    assert ask(images, **changes) == 2
    assert not (tmp_path / "out").exists()
    said = capsys.readouterr()
    assert "refused" in said.err
    assert not [word for word in ("DOE", "JANE", "4711") if word in said.err + said.out]


def test_in_a_trial_the_model_that_answered_first_answers_for_the_whole_study(ask: Any, images: list[str]) -> None:
    assert ask(images, "--study-key", "a" * 32) == 0
    assert ask.endpoint.asked == [(None, "a" * 32)] + 3 * [("challenger", "a" * 32)]
    assert ask(images) == 0
    assert {study for _, study in ask.endpoint.asked} == {None}
