"""The API over fake ports, asked as API Gateway asks it: through Mangum with authorizer claims."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from api import models
from api.lambda_handler import gateway
from api.ports import Judgement, Ports, Prediction, StudyImages
from api.reading import Rules
from lambda_shared.assignments import Assignment
from lambda_shared.errors import NotFoundError
from lambda_shared.events.outbox import Waiting
from lambda_shared.labels import Label
from lambda_shared.tracking import TrackedImage

STUDY = "a" * 32
PATIENT = "b" * 32
CONTEXT = SimpleNamespace(
    function_name="radiologist-api",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:radiologist-api",
    aws_request_id="r-1",
    get_remaining_time_in_millis=lambda: 10_000,
)


class Late:
    """A port that a test sets after the application was made."""

    target: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)


@dataclass
class World:
    """Everything behind the ports, and what was done to it."""

    images: dict[str, list[TrackedImage]] = field(default_factory=dict)
    rights: dict[tuple[str, str], Assignment] = field(default_factory=dict)
    label_versions: dict[str, list[Label]] = field(default_factory=dict)
    events: list[tuple[Any, str]] = field(default_factory=list)
    audited: list[tuple[str, str, list[str]]] = field(default_factory=list)
    denied: list[tuple[str, str, list[str]]] = field(default_factory=list)
    decisions: list[tuple[Any, ...]] = field(default_factory=list)
    outbox: dict[str, Waiting] = field(default_factory=dict)
    predictions: dict[tuple[str, int], Prediction] = field(default_factory=dict)
    in_service: int | None = 3
    judged: list[str] = field(default_factory=list)
    judgements: dict[str, Judgement | None] = field(default_factory=dict)
    lost_races: int = 0
    failure: Exception | None = None
    delivery: Any = field(default_factory=Late)
    moment: datetime = datetime(2026, 11, 21, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    def place(self, upload_id: str) -> models.UploadPlace:
        return models.UploadPlace(upload_id=upload_id, url="https://s3/x", headers={}, expires_in_seconds=60)

    def publish(self, data: Any, event_id: str) -> None:
        if self.failure:
            raise self.failure
        self.events.append((data, event_id))

    def record(self, person: str, action: str, keys: list[str], outcome: str = "allowed") -> None:
        (self.audited if outcome == "allowed" else self.denied).append((person, action, keys))

    def assign(self, assignment: Assignment) -> None:
        self.rights[assignment.reader, assignment.patient_key] = assignment

    def withdraw(self, reader: str, patient_key: str) -> bool:
        return self.rights.pop((reader, patient_key), None) is not None

    def assignment(self, reader: str, patient_key: str) -> Assignment | None:
        return self.rights.get((reader, patient_key))

    def patients_of(self, reader: str, after: str = "") -> Iterator[Assignment]:
        yield from (right for (who, patient), right in sorted(self.rights.items()) if who == reader and patient > after)

    def readers_of(self, patient_key: str) -> Iterator[Assignment]:
        yield from (right for (_, patient), right in sorted(self.rights.items()) if patient == patient_key)

    def page_of(self, patients: Iterable[str], status: Any, limit: int) -> tuple[list[StudyImages], str | None]:
        wanted = set(patients)
        found = [
            StudyImages(study_key=key, images=images)
            for key, images in self.images.items()
            if images[0].patient_key in wanted
        ]
        return found, None

    def page(self, status: Any, limit: int, cursor: str | None) -> tuple[list[StudyImages], str | None]:
        return [StudyImages(study_key=key, images=images) for key, images in self.images.items()][:limit], "next"

    def of_study(self, study_key: str) -> list[TrackedImage]:
        return self.images.get(study_key, [])

    def versions(self, study_key: str) -> list[Label]:
        return self.label_versions.get(study_key, [])

    def commit(self, labels: Sequence[Label], waiting: Waiting | None = None) -> bool:
        known = self.label_versions.setdefault(labels[0].study_key, [])
        if self.lost_races:
            self.lost_races -= 1
            return False
        known.extend(labels)
        if waiting:
            self.outbox[waiting.event_id] = waiting
        return True

    def reads(self) -> Iterator[Label]:
        yield from (label for known in self.label_versions.values() for label in known if label.state == "READ")

    def undelivered(self, created_before: str) -> Iterator[Waiting]:
        yield from (waiting for waiting in self.outbox.values() if waiting.created_at < created_before)

    def take_out(self, event_id: str) -> None:
        del self.outbox[event_id]

    def version(self) -> int | None:
        return self.in_service

    def judge(self, processed_key: str) -> Judgement | None:
        self.judged.append(processed_key)
        return self.judgements.get(processed_key, Judgement(probability=0.9, threshold=0.5, model_version=3))

    def prediction(self, study_key: str, model_version: int) -> Prediction | None:
        return self.predictions.get((study_key, model_version))

    def keep(self, prediction: Prediction) -> bool:
        known = len(self.predictions)
        self.predictions.setdefault((prediction.study_key, prediction.model_version), prediction)
        return len(self.predictions) > known

    def models(self) -> list[models.Model]:
        return [
            models.Model(version=1, model_package_arn="arn", approval="Approved", description="", created_at="2026")
        ]

    def evaluations(self, version: int) -> list[models.Evaluation]:
        if version != 1:
            return []
        return [
            models.Evaluation(
                evaluation_timestamp="2026",
                decision="passed",
                figures={"accuracy": 0.9},
                threshold=0.85,
                disagreement=0.0,
                test_images=8,
                snapshot_id="s",
            )
        ]

    def history(self, limit: int) -> list[models.DecisionRecord]:
        entry = models.DecisionRecord(decided_at="2026", step="approved", version=1, actor="p", reason="good")
        return [entry][:limit]

    def decide(self, version: int, decision: str, reason: str, actor: str) -> models.Decision:
        if self.failure:
            raise self.failure
        self.decisions.append((version, decision, reason, actor))
        return models.Decision(version=version, decision=decision)

    def executions(self, limit: int, cursor: str | None) -> tuple[list[models.Execution], str | None]:
        return [models.Execution(id="e1", status="Succeeded", started_at="2026", display_name="d")][:limit], None

    def execution(self, execution_id: str) -> models.ExecutionDetail:
        if execution_id != "e1":
            raise NotFoundError("UNKNOWN_EXECUTION", "no")
        return models.ExecutionDetail(
            id="e1", status="Failed", started_at="2026", display_name="d", failure_reason="r", steps=[]
        )


@pytest.fixture
def world() -> World:
    found = World()
    found.images[STUDY] = [
        TrackedImage(
            object_id=f"{number:032x}",
            study_key=STUDY,
            patient_key="b" * 32,
            series_key="c" * 32,
            image_key=f"{number:032x}",
            modality="CT",
            status=status,
            deid_status="DEIDENTIFIED",
            processed_key=f"deidentified/{number}.dcm",
            image_set_id="set1" if status == "IMPORTED" else "",
            updated_at=f"2026-11-21T12:00:0{number}.000000Z",
        )
        for number, status in enumerate(("IMPORTED", "VALIDATED", "QUARANTINED"))
    ]
    for reader in ("person-1", "person-2", "person-7"):
        found.assign(Assignment(reader=reader, patient_key=PATIENT, assigned_by="boss", assigned_at="2026"))
    return found


@pytest.fixture
def rules() -> Rules:
    """One reader, unless a test says otherwise."""
    return Rules(readers=1)


@pytest.fixture
def ports(world: World, rules: Rules) -> Ports:
    """The ports, all of them the world's."""
    return Ports(
        uploads=world,
        delivery=world.delivery,
        studies=SimpleNamespace(page=world.page, page_of=world.page_of, images=world.of_study),
        assignments=world,
        labels=world,  # type: ignore[arg-type]
        outbox=world,
        rules=rules,
        models=world,
        endpoint=world,
        predictions=SimpleNamespace(get=world.prediction, keep=world.keep),
        pipeline=world,
        publisher=world,
        audit=world,
        clock=world,
        datastore_id="d" * 32,
        names=SimpleNamespace(study_key=lambda uid: STUDY if uid == "1.2.3" else "f" * 32),
        client_ids=frozenset({"client-1", "viewer-1"}),
    )


@pytest.fixture
def call(ports: Ports) -> Callable[..., tuple[int, Any, dict[str, str]]]:
    """Ask the API: (method, path, body, groups, query) -> status, body, headers."""
    through_gateway = gateway(ports)

    def ask(
        method: str,
        path: str,
        body: Any = None,
        *,
        groups: Any = "[radiologist]",
        query: dict[str, str] | None = None,
        subject: str = "person-1",
        changed_claims: dict[str, str] | None = None,
    ) -> tuple[int, Any, dict[str, str]]:
        claims = {"sub": subject, "cognito:groups": groups, "token_use": "id", "aud": "client-1"} if subject else {}
        claims |= changed_claims or {}
        event = {
            "resource": path,
            "path": path,
            "httpMethod": method,
            "headers": {"Content-Type": "application/json", "Host": "api", "x-sub": "forged"},
            "multiValueHeaders": {"Content-Type": ["application/json"], "Host": ["api"]},
            "queryStringParameters": query,
            "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
            "requestContext": {"authorizer": {"claims": claims}, "identity": {"sourceIp": "10.0.0.1"}, "stage": "v1"},
            "body": json.dumps(body) if body is not None and not isinstance(body, str) else body,
            "isBase64Encoded": False,
        }
        answer = through_gateway(event, CONTEXT)  # type: ignore[arg-type]
        headers = {name.lower(): value[0] for name, value in answer.get("multiValueHeaders", {}).items()}
        headers.update({name.lower(): value for name, value in answer.get("headers", {}).items()})
        return answer["statusCode"], json.loads(answer["body"] or "null"), headers

    return ask
