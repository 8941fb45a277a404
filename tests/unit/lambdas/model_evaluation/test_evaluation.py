# ruff: noqa: N803 - fixtures arrive as arguments, fakes have the service's argument names
"""The independent evaluation: own figures, agreement with the pipeline, and archives that are not trusted."""

from __future__ import annotations

import hashlib
import io
import json
import math
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

import model_evaluation.handler as entry
from lambda_shared.errors import InvalidEventError, NotFoundError
from model_evaluation.adapters import DynamoMetricsTable, S3Artifacts, SageMakerRegistry
from model_evaluation.archive import extract_model
from model_evaluation.figures import disagreement, figures, roc_auc
from model_evaluation.service import Evaluation
from model_evaluation.testset import TestSet
from training import metrics as training_metrics

RESEARCH = "proj-local-preprocessed-111122223333"
ARTIFACTS = "proj-local-model-artifacts-111122223333"
GROUP = "proj-local-pneumonia"
PACKAGE = f"arn:aws:sagemaker:us-east-1:111122223333:model-package/{GROUP}/3"
EXECUTION = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/proj-local-training/execution/e1"
JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/pipelines-e1-Train-a"
LABELS = np.array([0, 0, 1, 1, 1, 0, 1, 0], np.int8)
SCORES = np.array([0.1, 0.4, 0.9, 0.8, 0.3, 0.6, 0.7, 0.2], np.float32)


def archive(members: dict[str, bytes], path: Path | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as target:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            target.addfile(info, io.BytesIO(data))
    if path:
        path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


class FakeJudge:
    """A model that answers the scores above for the images, whose pixels carry their own number."""

    def scores(self, model: Path, batches: Any) -> Any:
        assert model.read_bytes() == b"onnx"
        numbers = np.concatenate([images[:, 0, 0] for images in batches]).astype(int)
        return SCORES[numbers]


@dataclass
class Recorder:
    events: list[tuple[Any, str]] = field(default_factory=list)

    def publish(self, data: Any, event_id: str) -> None:
        self.events.append((data, event_id))


@dataclass
class FakeSageMaker:
    """The registry's two calls; the steps come in two pages."""

    package: dict[str, Any]
    registered: str | None = PACKAGE
    billed: int | None = 120

    def list_pipeline_execution_steps(self, **request: Any) -> dict[str, Any]:
        if "NextToken" not in request:
            done = {"StepName": "Train", "StepStatus": "Succeeded", "Metadata": {"TrainingJob": {"Arn": JOB}}}
            failed = {"StepName": "Train", "StepStatus": "Failed", "Metadata": {"TrainingJob": {"Arn": f"{JOB}-0"}}}
            return {"PipelineExecutionSteps": [failed, done], "NextToken": "2"}
        if self.registered is None:
            return {"PipelineExecutionSteps": []}
        metadata = {"RegisterModel": {"Arn": self.registered}}
        return {"PipelineExecutionSteps": [{"StepName": "R", "StepStatus": "Succeeded", "Metadata": metadata}]}

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        assert TrainingJobName == "pipelines-e1-Train-a"
        if self.billed is None:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "DescribeTrainingJob")
        return {"BillableTimeInSeconds": self.billed, "ResourceConfig": {"InstanceCount": 2}}

    def describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        assert ModelPackageName == PACKAGE
        return self.package


def package(**changes: Any) -> dict[str, Any]:
    said = {
        "test_set_uri": f"s3://{RESEARCH}/runs/e1/test",
        "evaluation_uri": f"s3://{RESEARCH}/runs/e1/evaluation/evaluation.json",
        "snapshot_id": "a" * 32,
        "code_sha256": "c" * 64,
    }
    found = {
        "ModelPackageGroupName": GROUP,
        "ModelPackageVersion": 3,
        "InferenceSpecification": {"Containers": [{"ModelDataUrl": f"s3://{ARTIFACTS}/models/e1/model.tar.gz"}]},
        "CustomerMetadataProperties": said,
    }
    return {**found, **changes}


@pytest.fixture
def run(s3: Any) -> Callable[..., None]:
    """Writes what a pipeline run leaves behind; `report` overrides figures of evaluation.json."""

    def write(
        report: dict[str, float] | None = None, spoil: bool = False, champion: dict[str, Any] | None = None
    ) -> None:
        shards = []
        for index, rows in enumerate((range(5), range(5, 8))):
            images = np.stack([np.full((4, 4), row, np.float32) for row in rows])
            buffer = io.BytesIO()
            np.savez(buffer, images=images, labels=LABELS[list(rows)])
            data = buffer.getvalue()
            name = f"shard-{index:05d}.npz"
            shards.append({"file": name, "images": len(rows), "sha256": hashlib.sha256(data).hexdigest()})
            s3.put_object(Bucket=RESEARCH, Key=f"runs/e1/test/{name}", Body=data + (b"x" if spoil else b""))
        manifest = {"schema": "training-dataset/1", "split": "test", "shards": shards}
        s3.put_object(Bucket=RESEARCH, Key="runs/e1/test/manifest.json", Body=json.dumps(manifest))
        own = {**figures(LABELS, SCORES, 0.5), **(report or {})}
        document = {
            "metrics": {name: {"value": value} for name, value in own.items()},
            "threshold": 0.5,
            "champion": champion or {},
        }
        s3.put_object(Bucket=RESEARCH, Key="runs/e1/evaluation/evaluation.json", Body=json.dumps(document))
        data = archive({"metadata.json": b"{}", "./model.onnx": b"onnx"})
        s3.put_object(Bucket=ARTIFACTS, Key="models/e1/model.tar.gz", Body=data)

    return write


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def build(s3: Any, metrics_table: Any, recorder: Recorder, meter: Any, clock: Any) -> Callable[..., Evaluation]:
    def make(threshold: float = 0.7, sagemaker: Any = None) -> Evaluation:
        return Evaluation(
            registry=SageMakerRegistry(sagemaker or FakeSageMaker(package()), GROUP),
            artifacts=S3Artifacts(s3, frozenset({RESEARCH, ARTIFACTS})),
            judge=FakeJudge(),
            table=DynamoMetricsTable(metrics_table),
            publisher=recorder,
            meter=meter,
            clock=clock,
            accuracy_threshold=threshold,
            max_disagreement=0.01,
        )

    return make


def stored(metrics_table: Any) -> dict[str, Any]:
    (item,) = metrics_table.scan()["Items"]
    return item


def test_a_model_that_agrees_and_is_good_enough_passes(
    build: Any, run: Any, recorder: Recorder, metrics_table: Any, meter: Any
) -> None:
    run()
    assert build().succeeded(EXECUTION) == {"decision": "passed", "model_version": 3, "accuracy": 0.75}
    data, _ = recorder.events[0]
    assert (type(data).__name__, data.model_package_arn, data.threshold) == ("ModelEvaluationPassed", PACKAGE, 0.7)
    item = stored(metrics_table)
    assert (item["model_version"], item["decision"], item["test_images"]) == ("3", "passed", 8)
    assert float(item["accuracy"]) == 0.75
    figures = {
        "ModelAccuracy": 0.75,
        "ModelPrecision": 0.75,
        "ModelRecall": 0.75,
        "ModelF1": 0.75,
        "ModelRocAuc": 0.875,
    }
    assert meter.counts == {**figures, "EvaluationDisagreement": 0.0, "TrainingBillableSeconds": 240.0}


def test_the_model_in_service_is_shown_on_the_patients_that_it_never_saw(build: Any, run: Any, meter: Any) -> None:
    run(champion={"comparable": True, "champion_accuracy": 0.71})
    build().succeeded(EXECUTION)
    assert meter.counts["ChampionAccuracy"] == 0.71


def test_a_comparison_that_could_not_be_made_shows_nothing(build: Any, run: Any, meter: Any) -> None:
    run(champion={"comparable": False, "reason": "the model in service reads another image size"})
    build().succeeded(EXECUTION)
    assert "ChampionAccuracy" not in meter.counts


def test_a_cost_that_cannot_be_read_changes_no_decision(build: Any, run: Any, meter: Any) -> None:
    run()
    assert build(sagemaker=FakeSageMaker(package(), billed=None)).succeeded(EXECUTION)["decision"] == "passed"
    assert "TrainingBillableSeconds" not in meter.counts


def test_a_report_that_flatters_the_model_is_a_violation(
    build: Any, run: Any, recorder: Recorder, metrics_table: Any
) -> None:
    run({"roc_auc": 0.99})
    assert build().succeeded(EXECUTION)["decision"] == "disagreement"
    data, _ = recorder.events[0]
    assert (type(data).__name__, data.metric) == ("MetricViolation", "disagreement:roc_auc")
    assert stored(metrics_table)["decision"] == "disagreement"


def test_an_honest_model_below_the_threshold_is_a_violation(build: Any, run: Any, recorder: Recorder) -> None:
    run()
    assert build(threshold=0.8).succeeded(EXECUTION)["decision"] == "below-threshold"
    assert recorder.events[0][0].metric == "accuracy"


def test_a_run_that_registered_nothing_is_no_error(build: Any, recorder: Recorder) -> None:
    answer = build(sagemaker=FakeSageMaker(package(), registered=None)).succeeded(EXECUTION)
    assert answer == {"decision": "nothing-registered"}
    assert recorder.events == []


def test_the_same_execution_gives_the_same_event_id(build: Any, run: Any, recorder: Recorder, clock: Any) -> None:
    run()
    build().succeeded(EXECUTION)
    clock.forward(60)
    build().succeeded(EXECUTION)
    assert len({event_id for _, event_id in recorder.events}) == 1


def test_a_changed_test_set_is_not_judged_on(build: Any, run: Any, recorder: Recorder) -> None:
    run(spoil=True)
    with pytest.raises(InvalidEventError, match="changed"):
        build().succeeded(EXECUTION)
    assert recorder.events == []


FOREIGN: dict[str, dict[str, Any]] = {
    "another group": {"ModelPackageGroupName": "other"},
    "nothing said": {"CustomerMetadataProperties": {}},
    "another bucket": {
        "CustomerMetadataProperties": {**package()["CustomerMetadataProperties"], "evaluation_uri": "s3://evil/e.json"}
    },
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_package_that_points_elsewhere_is_refused(build: Any, run: Any, changes: dict[str, Any]) -> None:
    run()
    with pytest.raises(InvalidEventError):
        build(sagemaker=FakeSageMaker(package(**changes))).succeeded(EXECUTION)


def test_a_missing_artifact_is_named_as_missing(build: Any, run: Any, s3: Any) -> None:
    run()
    s3.delete_object(Bucket=ARTIFACTS, Key="models/e1/model.tar.gz")
    with pytest.raises(NotFoundError):
        build().succeeded(EXECUTION)


def test_only_the_model_leaves_the_archive(tmp_path: Path) -> None:
    source = tmp_path / "a.tar.gz"
    archive({"../../evil": b"x", "/model.onnx": b"x", "sub/model.onnx": b"x", "./model.onnx": b"onnx"}, source)
    target = tmp_path / "out" / "m.onnx"
    target.parent.mkdir()
    assert extract_model(source, target).read_bytes() == b"onnx"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a.tar.gz", "m.onnx"]


def hostile(kind: str, path: Path) -> None:
    if kind in {"link", "absent"}:
        with tarfile.open(path, "w:gz") as target:
            info = tarfile.TarInfo("model.onnx" if kind == "link" else "other")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            target.addfile(info)
    elif kind == "not gzip":
        path.write_bytes(b"no archive at all")
    else:
        whole = archive({"big": bytes(100_000), "model.onnx": b"onnx"})
        path.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("kind", ["link", "absent", "not gzip", "truncated"])
def test_a_hostile_archive_is_refused(tmp_path: Path, kind: str) -> None:
    hostile(kind, tmp_path / "a.tar.gz")
    with pytest.raises(InvalidEventError):
        extract_model(tmp_path / "a.tar.gz", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(("limit", "value"), [("MAX_MEMBERS", 1), ("MAX_MODEL_BYTES", 3)])
def test_an_archive_beyond_its_bounds_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    archive({"other": b"", "model.onnx": b"onnx"}, tmp_path / "a.tar.gz")
    monkeypatch.setattr(f"model_evaluation.archive.{limit}", value)
    with pytest.raises(InvalidEventError):
        extract_model(tmp_path / "a.tar.gz", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize(
    "manifest",
    [
        {"schema": "other", "split": "test", "shards": []},
        {"schema": "training-dataset/1", "split": "train", "shards": []},
        {"schema": "training-dataset/1", "split": "test", "shards": [{"file": "../x.npz", "sha256": ""}]},
    ],
    ids=["other schema", "training split", "outside"],
)
def test_a_test_set_that_is_none_is_refused(manifest: dict[str, Any]) -> None:
    artifacts = SimpleNamespace(read=lambda uri: json.dumps(manifest).encode())
    with pytest.raises(InvalidEventError):
        list(TestSet(artifacts, "s3://b/test").batches())


def test_own_figures_are_those_of_the_hand_count() -> None:
    # 3 of 4 positives called, 1 of 4 negatives called; 14 of the 16 pairs are in order
    assert figures(LABELS, SCORES, 0.5) == {
        "accuracy": 0.75,
        "precision": 0.75,
        "recall": 0.75,
        "f1": 0.75,
        "roc_auc": 14 / 16,
    }


@pytest.mark.parametrize("seed", range(5))
def test_two_independent_implementations_agree_on_random_scores_with_ties(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 200).astype(np.int8)
    scores = np.round(generator.random(200), 1)
    own, theirs = figures(labels, scores, 0.5), training_metrics.all_metrics(labels, scores, 0.5)
    for name, value in own.items():
        assert value == pytest.approx(theirs[name], abs=1e-12)


def test_one_class_alone_has_no_curve() -> None:
    assert math.isnan(roc_auc(np.array([1, 1]), np.array([0.2, 0.4])))


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [({"accuracy": 0.75, "precision": 0.75, "recall": 0.75, "f1": 0.75}, ("roc_auc", 1.0)), ({}, ("accuracy", 1.0))],
    ids=["one figure missing", "nothing said"],
)
def test_silence_is_no_agreement(claimed: dict[str, float], expected: tuple[str, float]) -> None:
    assert disagreement(figures(LABELS, SCORES, 0.5), claimed) == expected


def test_the_entry_point_judges_an_execution_once(idempotency_table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    monkeypatch.setattr(
        entry,
        "evaluation",
        lambda: SimpleNamespace(succeeded=lambda arn: judged.append(arn) or {"decision": "passed"}),
    )
    for name in entry.Settings.__dataclass_fields__:
        monkeypatch.setenv(name.upper(), "1")
    monkeypatch.setenv("IDEMPOTENCY_TABLE", "idempotency")
    detail = {"pipelineExecutionArn": EXECUTION, "currentPipelineExecutionStatus": "Succeeded", "pipelineArn": "x"}
    context = SimpleNamespace(
        function_name="f",
        memory_limit_in_mb=1,
        invoked_function_arn="a",
        aws_request_id="r",
        get_remaining_time_in_millis=lambda: 1000,
    )
    event = {"source": "aws.sagemaker", "detail-type": "x", "detail": detail}
    assert entry.handler(event, context) == entry.handler(event, context) == {"decision": "passed"}
    assert judged == [EXECUTION]
    with pytest.raises(InvalidEventError):
        entry.handler({**event, "detail": {**detail, "currentPipelineExecutionStatus": "Failed"}}, context)
