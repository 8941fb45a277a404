# ruff: noqa: N803, PLR0917 - fixtures arrive as arguments, fakes have the service's argument names
"""When a training run starts, that it starts once, and what it learns from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from lambda_shared.errors import ConflictError, TransientError
from lambda_shared.labels import DynamoLabelsTable, Label
from lambda_shared.tracking import DynamoTrackingTable, TrackedImage
from pipeline_trigger.adapters import DynamoTrainingRuns, S3SnapshotStore, SageMakerPipeline
from pipeline_trigger.service import Trigger
from pipeline_trigger.snapshot import canonical_sha256

RESEARCH = "proj-local-preprocessed-111122223333"
PIPELINE = "proj-local-training"
EXECUTION = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/proj-local-training/execution/"


@dataclass
class FakeSageMaker:
    """The two calls, with the service's own idempotency by ClientRequestToken."""

    executions: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    running: bool = False
    error: Exception | None = None
    approved: list[str] = field(default_factory=list)

    def list_pipeline_executions(self, **_: Any) -> dict[str, Any]:
        statuses = ["Executing"] if self.running else ["Succeeded"]
        return {"PipelineExecutionSummaries": [{"PipelineExecutionStatus": status} for status in statuses]}

    def list_model_packages(self, **request: Any) -> dict[str, Any]:
        assert (request["ModelApprovalStatus"], request["SortOrder"]) == ("Approved", "Descending")
        return {"ModelPackageSummaryList": [{"ModelPackageArn": arn} for arn in reversed(self.approved)]}

    def describe_model_package(self, ModelPackageName: str) -> dict[str, Any]:
        return {"InferenceSpecification": {"Containers": [{"ModelDataUrl": f"s3://models/{ModelPackageName}"}]}}

    def start_pipeline_execution(self, **request: Any) -> dict[str, str]:
        if self.error:
            raise self.error
        self.requests.append(request)
        token = request["ClientRequestToken"]
        return {"PipelineExecutionArn": self.executions.setdefault(token, f"{EXECUTION}e{len(self.executions)}")}


@pytest.fixture
def sagemaker() -> FakeSageMaker:
    return FakeSageMaker()


@pytest.fixture
def labels(labels_table: Any) -> DynamoLabelsTable:
    return DynamoLabelsTable(labels_table)


@pytest.fixture
def trigger(s3: Any, labels: Any, tracking: Any, runs_table: Any, sagemaker: Any, meter: Any, clock: Any) -> Trigger:
    return Trigger(
        labels=labels,
        tracking=tracking,
        runs=DynamoTrainingRuns(runs_table, PIPELINE),
        snapshots=S3SnapshotStore(s3, RESEARCH),
        pipeline=SageMakerPipeline(sagemaker, PIPELINE, "pneumonia"),
        meter=meter,
        clock=clock,
        bucket=RESEARCH,
        min_new_labels=2,
    )


def key(number: int) -> str:
    return f"{number:032x}"


def image(number: int, study: int, patient: int, **changes: Any) -> TrackedImage:
    values: dict[str, Any] = {
        "object_id": key(number),
        "study_key": key(study),
        "patient_key": key(patient),
        "image_key": key(number),
        "modality": "CT",
        "status": "IMPORTED",
        "deid_status": "DEIDENTIFIED",
        "processed_key": f"deidentified/{key(patient)}/{key(study)}/{key(number)}.dcm",
    }
    return TrackedImage(**{**values, **changes})


def store(table: Any, *images: TrackedImage) -> None:
    for item in images:
        table.put_item(Item={name: value for name, value in vars(item).items() if value != ""})


def verify(labels: DynamoLabelsTable, study: int, clock: Any, finding: Any = "normal") -> Label:
    clock.forward(1)
    versions = labels.versions(key(study))
    label = Label(
        study_key=key(study),
        version=len(versions) + 1,
        finding=finding,
        certainty="definite",
        reader="r",
        created_at=clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
        image_count=1,
    )
    assert labels.commit([label])
    return label


@pytest.fixture
def two_studies(tracking_table: Any) -> None:
    store(tracking_table, image(1, 101, 201), image(2, 102, 202), image(3, 103, 203), image(4, 104, 204))


def test_a_run_starts_with_the_label_that_makes_the_number_full(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, s3: Any, sagemaker: FakeSageMaker, meter: Any
) -> None:
    verify(labels, 101, clock)
    assert trigger.verified(key(101), 1) == {"decision": "waiting", "new_labels": 1}
    verify(labels, 102, clock, "pneumonia")
    answer = trigger.verified(key(102), 1)
    assert answer["decision"] == "started"
    parameters = {entry["Name"]: entry["Value"] for entry in sagemaker.requests[0]["PipelineParameters"]}
    snapshot_id = answer["snapshot_id"]
    assert parameters == {
        "SnapshotUri": f"s3://{RESEARCH}/snapshots/{snapshot_id}.json",
        "SnapshotId": snapshot_id,
        "ChampionModelUri": "none",
    }
    assert len(sagemaker.requests[0]["ClientRequestToken"]) >= 32
    document = json.loads(s3.get_object(Bucket=RESEARCH, Key=f"snapshots/{snapshot_id}.json")["Body"].read())
    assert document["sha256"] == canonical_sha256(document["studies"])
    assert [study["finding"] for study in document["studies"]] == ["normal", "pneumonia"]
    assert meter.counts["TrainingStarted"] == 1


def test_the_model_approved_last_is_the_champion_of_the_run(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    sagemaker.approved = ["version/1", "version/2"]
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    assert trigger.verified(key(102), 1)["decision"] == "started"
    assert sagemaker.requests[0]["PipelineParameters"][-1] == {
        "Name": "ChampionModelUri",
        "Value": "s3://models/version/2",
    }


def test_labels_of_the_last_run_do_not_count_again(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    assert trigger.verified(key(102), 1)["decision"] == "started"
    assert trigger.verified(key(102), 1)["decision"] == "waiting", "a repeated event starts nothing"
    clock.forward(60)
    verify(labels, 103, clock)
    verify(labels, 103, clock, "pneumonia")
    assert trigger.verified(key(103), 2) == {"decision": "waiting", "new_labels": 1}, "one study is one study"
    verify(labels, 104, clock)
    assert trigger.verified(key(104), 1)["studies"] == 4, "the snapshot has all studies, not only the new ones"


def test_a_label_that_another_one_followed_leaves_the_decision_to_it(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    for study in (101, 102, 103):
        verify(labels, study, clock)
    assert trigger.verified(key(101), 1) == trigger.verified(key(102), 1) == {"decision": "superseded"}
    assert trigger.verified(key(103), 1)["studies"] == 3, "a session of reading becomes one run"
    assert len(sagemaker.requests) == 1


def test_labels_that_came_during_a_run_are_counted_at_its_end(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    sagemaker.running = True
    assert trigger.verified(key(102), 1)["decision"] == "busy"
    sagemaker.running = False
    assert trigger.pipeline_ended()["decision"] == "started"
    assert trigger.pipeline_ended()["decision"] == "waiting", "the end of that run finds nothing new"


def test_a_drift_asks_for_a_run_from_one_new_label_on(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    assert trigger.drifted()["decision"] == "waiting", "without a new label a training would repeat itself"
    verify(labels, 101, clock)
    assert trigger.pipeline_ended()["decision"] == "waiting"
    assert trigger.drifted()["decision"] == "started"
    assert len(sagemaker.requests) == 1


def test_a_person_starts_a_run_on_chosen_studies_alone(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, s3: Any
) -> None:
    verify(labels, 101, clock, "pneumonia")
    verify(labels, 101, clock, "normal")
    verify(labels, 102, clock)
    answer = trigger.start_selected([key(101), key(999)])
    assert (answer["decision"], answer["studies"]) == ("started", 1)
    body = s3.get_object(Bucket=RESEARCH, Key=f"snapshots/{answer['snapshot_id']}.json")["Body"].read()
    assert [(s["study_key"], s["finding"]) for s in json.loads(body)["studies"]] == [(key(101), "normal")]
    verify(labels, 103, clock)
    assert trigger.verified(key(103), 1)["decision"] == "started", "labels outside the selection still count as new"


def test_a_selection_of_everything_new_leaves_nothing_for_the_next_run(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    assert trigger.start_selected([key(101), key(102)])["decision"] == "started"
    assert trigger.verified(key(102), 1)["decision"] == "waiting"


@pytest.mark.parametrize(("running", "studies", "decision"), [(True, 101, "busy"), (False, 999, "nothing-usable")])
def test_a_selection_that_cannot_start_says_why(
    trigger: Trigger,
    labels: Any,
    two_studies: None,
    clock: Any,
    sagemaker: FakeSageMaker,
    running: bool,
    studies: int,
    decision: str,
) -> None:
    verify(labels, 101, clock)
    sagemaker.running = running
    assert trigger.start_selected([key(studies)])["decision"] == decision
    assert sagemaker.requests == []


def test_nothing_starts_while_a_run_is_running(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    sagemaker.running = True
    assert trigger.verified(key(102), 1)["decision"] == "busy"
    assert sagemaker.requests == []


def test_two_triggers_at_once_start_one_run(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker, runs_table: Any
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    rival = DynamoTrainingRuns(runs_table, PIPELINE)
    assert rival.lock("rival", "2026-11-21T12:00:00.000000Z", "2026-11-21T12:30:00.000000Z")
    assert trigger.verified(key(102), 1)["decision"] == "busy"
    rival.unlock("somebody else")
    assert trigger.verified(key(102), 1)["decision"] == "busy", "only its owner gives a lock back"
    rival.unlock("rival")
    assert trigger.verified(key(102), 1)["decision"] == "started"
    assert len(sagemaker.requests) == 1


def test_the_lock_of_a_dead_invocation_expires(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, runs_table: Any
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    DynamoTrainingRuns(runs_table, PIPELINE).lock("dead", "2026-11-21T11:00:00.000000Z", "2026-11-21T11:02:00.000000Z")
    assert trigger.verified(key(102), 1)["decision"] == "started"


def test_a_crash_between_start_and_record_leads_to_the_same_execution(
    trigger: Trigger,
    labels: Any,
    two_studies: None,
    clock: Any,
    sagemaker: FakeSageMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    record = trigger.runs.record

    def crash(run: Any) -> None:
        if run.status == "STARTED":
            raise TransientError("InternalServerError", "table away")
        record(run)

    with monkeypatch.context() as patched:
        patched.setattr(trigger.runs, "record", crash)
        with pytest.raises(TransientError):
            trigger.verified(key(102), 1)
    clock.forward(5)
    assert trigger.verified(key(102), 1)["decision"] == "started"
    assert (len(sagemaker.requests), len(sagemaker.executions)) == (2, 1)


def test_a_refused_start_is_recorded_and_its_labels_count_again(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, sagemaker: FakeSageMaker
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    sagemaker.error = ConflictError("ResourceNotFound", "no pipeline")
    with pytest.raises(ConflictError):
        trigger.verified(key(102), 1)
    sagemaker.error = None
    clock.forward(5)
    assert trigger.verified(key(102), 1)["decision"] == "started"


def test_the_events_own_label_counts_even_if_the_index_is_late(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify(labels, 101, clock)
    verify(labels, 102, clock)
    everything = labels.verified_since
    monkeypatch.setattr(
        labels, "verified_since", lambda after: (entry for entry in everything(after) if entry.study_key != key(102))
    )
    answer = trigger.verified(key(102), 1)
    assert (answer["decision"], answer["studies"]) == ("started", 2)


def test_an_event_without_its_label_starts_nothing(trigger: Trigger) -> None:
    assert trigger.verified(key(999), 1) == {"decision": "unknown-label"}


def test_the_latest_version_of_a_contradicted_label_is_frozen(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, s3: Any
) -> None:
    verify(labels, 101, clock, "pneumonia")
    verify(labels, 101, clock, "normal")
    verify(labels, 102, clock)
    answer = trigger.verified(key(102), 1)
    body = s3.get_object(Bucket=RESEARCH, Key=f"snapshots/{answer['snapshot_id']}.json")["Body"].read()
    study = json.loads(body)["studies"][0]
    assert (study["finding"], study["label_version"]) == ("normal", 2)
    assert study["reader"] and study["certainty"] and study["verified_at"], "who said so, how surely, and when"


def test_the_training_code_accepts_the_snapshot(
    trigger: Trigger, labels: Any, two_studies: None, clock: Any, s3: Any, tmp_path: Any
) -> None:
    from training.snapshot import read

    verify(labels, 101, clock)
    verify(labels, 102, clock, "pneumonia")
    answer = trigger.verified(key(102), 1)
    path = tmp_path / "snapshot.json"
    path.write_bytes(s3.get_object(Bucket=RESEARCH, Key=f"snapshots/{answer['snapshot_id']}.json")["Body"].read())
    assert sorted(image.label for image in read(path).images) == [0, 1]


def test_the_tracking_table_answers_for_a_study(tracking: DynamoTrackingTable, two_studies: None) -> None:
    assert [entry.patient_key for entry in tracking.study_members(key(101))] == [key(201)]
