"""The way of one image, from what each part of the platform remembers of it: pseudonyms, states and times only.

Names of uploads can be a sender's; they find the execution and are not shown. A part that does not answer is named
instead of hiding the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from lambda_shared.tracking import TrackedImage
from operations.stack import account, prefix

Clients = Callable[[str], Any]
Json = dict[str, Any]
SHOWN: Final = (
    *("status", "reason_code", "deid_status", "deid_reason", "modality", "rows", "columns", "frames", "size_bytes"),
    *("patient_key", "study_key", "series_key", "image_key", "image_set_id", "import_job_id", "import_attempts"),
)
"""What is shown of a tracked image: no name of an object and no free text."""
_AROUND: Final = timedelta(minutes=2)
_LOOKED_AT: Final = 300
_LISTED: Final = 200


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that a part of the platform did; `at` is None where it does not say when."""

    at: datetime | None
    where: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Trail:
    """One image: facts, moments in the order of time, and parts that did not answer."""

    object_id: str
    facts: dict[str, Any]
    moments: Sequence[Moment]
    silent: Sequence[str]


def images(clients: Clients, stack: str) -> list[TrackedImage]:
    """Some images of the stack, the newest first; a page is read, not the table."""
    table = f"{prefix(stack)}-image-tracking"
    items = clients("dynamodb").scan(TableName=table, Limit=_LISTED)["Items"]
    return sorted((TrackedImage.from_item(_plain(item)) for item in items), key=lambda one: one.received_at)[::-1]


def trail(clients: Clients, stack: str, object_id: str) -> Trail | None:
    """What is known of an image; None when it is not in the table."""
    table = f"{prefix(stack)}-image-tracking"
    answer = clients("dynamodb").get_item(TableName=table, Key={"object_id": {"S": object_id}}, ConsistentRead=True)
    if "Item" not in answer:
        return None
    image = TrackedImage.from_item(_plain(answer["Item"]))
    parts: list[tuple[str, Callable[[], Iterator[Moment]]]] = [
        ("tracking table", lambda: _tracked(image)),
        ("buckets", lambda: _stored(clients, stack, image)),
        ("workflow", lambda: _executed(clients, stack, image)),
        ("image archive", lambda: _imported(clients, image)),
        ("labels", lambda: _read(clients, stack, image)),
    ]
    moments, silent = list[Moment](), list[str]()
    for name, part in parts:
        try:
            moments += part()
        except (OSError, BotoCoreError, ClientError) as error:
            silent.append(f"{name}: {_code(error)}")
    moments.sort(key=lambda one: (one.at is None, one.at or datetime.min.replace(tzinfo=UTC)))
    facts = {key: value for key, value in asdict(image).items() if key in SHOWN and value not in ("", None)}
    return Trail(object_id=object_id, facts=facts, moments=moments, silent=silent)


def _tracked(image: TrackedImage) -> Iterator[Moment]:
    for at, what in (
        (image.received_at, "RECEIVED"),
        (image.validated_at, "VALIDATED"),
        (image.updated_at, f"now {image.status}, {image.deid_status.lower()}"),
    ):
        if at:
            yield Moment(at=_time(at), where="tracking table", what=what)


def _stored(clients: Clients, stack: str, image: TrackedImage) -> Iterator[Moment]:
    begin, owner = prefix(stack), account()
    for bucket, key, what in (
        ("training-data", image.upload_key, "uploaded"),
        ("training-data", image.validated_key, "validated copy, in the PHI zone"),
        ("preprocessed", image.processed_key, "de-identified copy, in the research zone"),
    ):
        if not key:
            continue
        try:
            head = clients("s3").head_object(Bucket=f"{begin}-{bucket}-{owner}", Key=key)
        except ClientError as error:
            if _code(error) not in {"404", "NoSuchKey", "NotFound"}:
                raise
            yield Moment(at=None, where="buckets", what=f"{what}: gone")
        else:
            said = f"{what}: {head['ContentLength']} bytes, encrypted by {head.get('ServerSideEncryption', 'nothing')}"
            yield Moment(at=head["LastModified"], where="buckets", what=said)


def _executed(clients: Clients, stack: str, image: TrackedImage) -> Iterator[Moment]:
    """The states of the iteration that took this object through the ingestion's Map."""
    machines = clients("stepfunctions")
    arn = f"arn:aws:states:{machines.meta.region_name}:{account()}:stateMachine:{prefix(stack)}-ingestion"
    began, ended = _time(image.received_at) - _AROUND, _time(image.updated_at) + _AROUND
    pages = machines.get_paginator("list_executions").paginate(
        stateMachineArn=arn, PaginationConfig={"MaxItems": _LOOKED_AT}
    )
    for run in (one for page in pages for one in page["executions"] if began <= one["startDate"] <= ended):
        told = machines.describe_execution(executionArn=run["executionArn"])
        keys = [one.get("key") for one in cast("Json", json.loads(told["input"])).get("objects", [])]
        if image.upload_key in keys:
            yield Moment(at=told["startDate"], where="workflow", what=f"execution {run['name']} of {len(keys)} objects")
            index = keys.index(image.upload_key)
            yield from _states(machines, run["executionArn"], index, alone=len(keys) == 1)
            if told.get("stopDate"):
                yield Moment(
                    at=told["stopDate"], where="workflow", what=f"execution {told['status']}{_outcome(told, index)}"
                )


def _outcome(execution: Json, index: int) -> str:
    """What the workflow made of this object."""
    outcomes = cast("Json", json.loads(execution.get("output") or "{}")).get("outcomes", [])
    return f": {outcomes[index]}" if index < len(outcomes) else ""


def _states(machines: Any, execution: str, index: int, *, alone: bool) -> Iterator[Moment]:
    """States entered by the Map's iteration `index`, whose events each name the one before; by all if it is `alone`.

    The embedded AWS tells no events of iterations.
    """
    pages = machines.get_paginator("get_execution_history").paginate(executionArn=execution)
    own: set[int] = set()
    for event in (event for page in pages for event in page["events"]):
        kind = str(event["type"])
        if kind == "MapIterationStarted" and event["mapIterationStartedEventDetails"]["index"] == index:
            own.add(event["id"])
        elif alone or (event.get("previousEventId") in own and not kind.startswith("MapIteration")):
            own.add(event["id"])
            if kind.endswith("StateEntered"):
                name = event["stateEnteredEventDetails"]["name"]
                yield Moment(at=event["timestamp"], where="workflow", what=f"state {name}")


def _imported(clients: Clients, image: TrackedImage) -> Iterator[Moment]:
    archive = clients("medical-imaging")
    if image.import_job_id and image.datastore_id:
        job = archive.get_dicom_import_job(datastoreId=image.datastore_id, jobId=image.import_job_id)["jobProperties"]
        yield Moment(at=job["submittedAt"], where="image archive", what=f"import job {job['jobId']}")
        if job.get("endedAt"):
            yield Moment(at=job["endedAt"], where="image archive", what=f"import job {job['jobStatus']}")
    if image.image_set_id:
        found = archive.get_image_set(datastoreId=image.datastore_id, imageSetId=image.image_set_id)
        yield Moment(
            at=found.get("createdAt"),
            where="image archive",
            what=f"image set {image.image_set_id}, {found['imageSetState']}",
        )


def _read(clients: Clients, stack: str, image: TrackedImage) -> Iterator[Moment]:
    """Labels of the image's study, then the first training that could learn from them."""
    verified: list[str] = []
    for label in _query(clients, f"{prefix(stack)}-labels", "study_key", image.study_key) if image.study_key else []:
        what = f"label version {label['version']}: {label['finding']}, {label['state']}"
        yield Moment(at=_time(label["created_at"]), where="labels", what=what)
        verified += [str(label["created_at"])] if label["state"] == "VERIFIED" else []
    if not verified:
        return
    runs = _query(clients, f"{prefix(stack)}-training-runs", "pipeline_name", f"{prefix(stack)}-training")
    for run in [one for one in runs if str(one["created_at"]) >= verified[0]][:1]:
        what = f"snapshot of {run['study_count']} studies, training {run['status']}"
        yield Moment(at=_time(run["created_at"]), where="training", what=what)
        yield from _learned(clients, str(run.get("execution_arn", "")))


def _learned(clients: Clients, execution: str) -> Iterator[Moment]:
    if not execution:
        return
    pages = (
        clients("sagemaker")
        .get_paginator("list_pipeline_execution_steps")
        .paginate(PipelineExecutionArn=execution, SortOrder="Ascending")
    )
    for step in (step for page in pages for step in page["PipelineExecutionSteps"]):
        what = f"step {step['StepName']}: {step['StepStatus']}"
        yield Moment(at=step.get("EndTime") or step.get("StartTime"), where="training", what=what)


def _query(clients: Clients, table: str, key: str, value: str) -> Iterator[Json]:
    pages = (
        clients("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=table,
            KeyConditionExpression="#key = :value",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":value": {"S": value}},
        )
    )
    yield from (_plain(item) for page in pages for item in page["Items"])


def _plain(item: Json) -> Json:
    read = TypeDeserializer()
    return {key: cast("Any", read).deserialize(value) for key, value in item.items()}


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _code(error: Exception) -> str:
    """What AWS called it; a message could quote an object's name."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
