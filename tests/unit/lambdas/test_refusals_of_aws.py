"""What AWS refuses is never taken for an answer: adapters pass on what they cannot read, and page to the end."""

# ruff: noqa: N803 - fakes have the service's argument names

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from breach_response.adapters import CloudTrail, Ec2Network, KmsGrants, S3Records
from breach_response.findings import Finding
from breach_response.ports import Grant
from image_ingestion.adapters import HealthImagingImports, S3Store
from image_ingestion.ports import StoredObject
from lambda_shared.errors import NotFoundError, TransientError
from model_evaluation.adapters import S3Artifacts
from model_registry.adapters import EndpointPlan, SageMakerHosting, SageMakerPackages
from monitoring.adapters import AwsProbes, HealthImagingArchive, IngestionWorkflow, S3Uploads
from monitoring.ports import Upload
from pipeline_trigger.adapters import DynamoTrainingRuns, SageMakerPipeline

NOW = datetime(2026, 11, 21, tzinfo=UTC)
STORED = StoredObject(bucket="b", key="k", etag="e", size=1, version_id="v")
PLAN = EndpointPlan(
    endpoint_name="p",
    role_arn="r",
    instance_type="i",
    data_capture_uri="s3://b",
    data_capture_percent=100,
    kms_key_arn="k",
)


class Refusing:
    """Any client: each call is refused with a code."""

    def __init__(self, code: str = "KMSInvalidStateException", status: int = 400) -> None:
        self._error = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**_: Any) -> Any:
            raise ClientError(self._error, name)  # type: ignore[arg-type]

        return call


def imports(client: Any) -> HealthImagingImports:
    return HealthImagingImports(client, datastore_id="d", role_arn="r", bucket="b")


def workflow(client: Any) -> IngestionWorkflow:
    return IngestionWorkflow(client, client, state_machine_arn="m", queue_url="q", bucket="b")


CALLS: dict[str, Callable[[Any], Any]] = {
    "locate an upload": lambda c: S3Store(c).locate("b", "k", "e"),
    "read an upload": lambda c: S3Store(c).read(STORED),
    "copy an upload": lambda c: S3Store(c).copy(STORED, "b", "k"),
    "read a result": lambda c: S3Store(c).read_if_exists("b", "k"),
    "ask for an import": lambda c: imports(c).job("j"),
    "keep evidence": lambda c: S3Records(c, "b").add("i", "n.json", b""),
    "read evidence": lambda c: S3Records(c, "b").read("i", "n"),
    "describe interfaces": lambda c: Ec2Network(c, "g").describe(("eni-1",)),
    "list grants": lambda c: KmsGrants(c, ("k",)).of_principal("p"),
    "revoke a grant": lambda c: KmsGrants(c, ("k",)).revoke(Grant(key_arn="k", grant_id="g", operations=())),
    "look up the trail": lambda c: CloudTrail(c).events("ResourceName", "r", NOW, NOW),
    "list uploads": lambda c: list(S3Uploads(c, "b").listing()),
    "start a workflow": lambda c: workflow(c).start([Upload(key="k", etag="e", size=1, received_at=NOW)], "n"),
    "count instances": lambda c: HealthImagingArchive(c, "d").instances("i"),
    "ask for the trail": lambda c: AwsProbes(
        {"cloudtrail": c}, None, datastore_id="d", state_machine_arn="m", queue_url="q"  # type: ignore[arg-type]
    ).last_audit_delivery(),
    "take the lock": lambda c: DynamoTrainingRuns(c, "p").lock("o", "1", "2"),
    "give the lock back": lambda c: DynamoTrainingRuns(c, "p").unlock("o"),
    "find the last run": lambda c: DynamoTrainingRuns(c, "p").last_started(),
    "ask whether it runs": lambda c: SageMakerPipeline(c, "p", "g").running(),
    "start a run": lambda c: SageMakerPipeline(c, "p", "g").start("s", "s3://b/k"),
    "read an artifact": lambda c: S3Artifacts(c, frozenset({"b"})).read("s3://b/k"),
    "find a version": lambda c: SageMakerPackages(c, "g").by_arn("a"),
    "list versions": lambda c: SageMakerPackages(c, "g").version(1),
    "look at the endpoint": lambda c: SageMakerHosting(c, PLAN)._describe(),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_refusal_stays_a_refusal(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ClientError):
        call(Refusing())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_throttled_call_is_tried_again(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TransientError):
        call(Refusing("ThrottlingException"))


ABSENT: dict[str, tuple[str, int, Any]] = {
    "read a result": ("NoSuchKey", 404, None),
    "ask for an import": ("ResourceNotFoundException", 404, None),
    "keep evidence": ("PreconditionFailed", 412, False),
    "describe interfaces": ("InvalidNetworkInterfaceID.NotFound", 400, []),
    "revoke a grant": ("NotFoundException", 400, None),
    "start a workflow": ("ExecutionAlreadyExists", 400, False),
    "take the lock": ("ConditionalCheckFailedException", 400, False),
    "give the lock back": ("ConditionalCheckFailedException", 400, None),
    "locate an upload": ("AccessDenied", 403, None),
    "look at the endpoint": ("ValidationException", 400, None),
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_only_absent_or_there_already_is_an_answer(name: str) -> None:
    code, status, answer = ABSENT[name]
    assert CALLS[name](Refusing(code, status)) == answer


@pytest.mark.parametrize(
    ("name", "code", "status", "error"),
    [
        ("read an upload", "PreconditionFailed", 412, TransientError),
        ("copy an upload", "NoSuchKey", 404, TransientError),
        ("read evidence", "NoSuchKey", 404, NotFoundError),
        ("read an artifact", "NoSuchKey", 404, NotFoundError),
    ],
)
def test_what_must_be_there_and_is_not_has_its_own_error(name: str, code: str, status: int, error: Any) -> None:
    with pytest.raises(error):
        CALLS[name](Refusing(code, status))


class Pages:
    """Any client: each call answers the next page, and remembers what was asked."""

    def __init__(self, *pages: dict[str, Any]) -> None:
        self._pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.asked.append(dict(request))
            return self._pages[len(self.asked) - 1]

        return call


def test_an_older_version_is_found_on_a_later_page_of_versions() -> None:
    other = {"Key": "k", "ETag": '"other"', "Size": 1, "VersionId": "v9"}
    wanted = {"Key": "k", "ETag": '"e"', "Size": 7, "VersionId": "v1"}
    more = {"IsTruncated": True, "NextKeyMarker": "k", "NextVersionIdMarker": "v9"}
    client = Pages({"ETag": '"new"', "ContentLength": 1}, {"Versions": [other], **more}, {"Versions": [wanted]})
    found = S3Store(client).locate("b", "k", "e")
    assert found == StoredObject(bucket="b", key="k", etag="e", size=7, version_id="v1")
    assert (client.asked[-1]["KeyMarker"], client.asked[-1]["VersionIdMarker"]) == ("k", "v9")


def test_grants_of_every_page_are_found_and_other_principals_keep_theirs() -> None:
    def grant(number: int, principal: str) -> dict[str, Any]:
        return {"GrantId": f"g{number}", "GranteePrincipal": principal, "Operations": ["Decrypt"]}

    client = Pages(
        {"Grants": [grant(1, "thief"), grant(2, "other")], "Truncated": True, "NextMarker": "m"},
        {"Grants": [grant(3, "thief")], "Truncated": False},
    )
    assert [one.grant_id for one in KmsGrants(client, ("key",)).of_principal("thief")] == ["g1", "g3"]
    assert client.asked[-1]["Marker"] == "m"


def test_doings_of_every_page_of_the_trail_are_found() -> None:
    event = {"CloudTrailEvent": '{"eventName": "GetObject"}'}
    client = Pages({"Events": [event], "NextToken": "n"}, {"Events": [event]})
    assert len(CloudTrail(client).events("ResourceName", "r", NOW, NOW)) == 2


def test_uploads_of_every_page_are_listed() -> None:
    def upload(name: str) -> dict[str, Any]:
        return {"Key": f"upload/{name}", "ETag": '"e"', "Size": 2, "LastModified": NOW}

    client = Pages(
        {"Contents": [upload("a")], "IsTruncated": True, "NextContinuationToken": "c"}, {"Contents": [upload("b")]}
    )
    assert [one.key for one in S3Uploads(client, "b").listing()] == ["upload/a", "upload/b"]


def test_a_running_execution_on_a_later_page_counts_and_so_does_an_older_started_run() -> None:
    def page(status: str) -> dict[str, Any]:
        return {"PipelineExecutionSummaries": [{"PipelineExecutionStatus": status}]}

    client = Pages({**page("Succeeded"), "NextToken": "n"}, page("Executing"))
    assert SageMakerPipeline(client, "p", "g").running()
    assert not SageMakerPipeline(Pages(page("Failed")), "p", "g").running()
    run = {"created_at": "1", "snapshot_id": "s", "snapshot_uri": "u", "study_count": 2, "status": "STARTED"}
    table = Pages({"Items": [{**run, "status": "FAILED"}], "LastEvaluatedKey": {"k": 1}}, {"Items": [run]})
    found = DynamoTrainingRuns(table, "p").last_started()
    assert found is not None
    assert (found.snapshot_id, found.study_count, found.label_watermark) == ("s", 2, "")
    assert DynamoTrainingRuns(Pages({"Items": []}), "p").last_started() is None


def test_another_teams_trail_is_passed_over_and_the_newest_delivery_counts() -> None:
    class Trails:
        def describe_trails(self, includeShadowTrails: bool) -> Any:
            return {"trailList": [{"TrailARN": name} for name in ("foreign", "off", "old", "new")]}

        def get_trail_status(self, Name: str) -> Any:
            if Name == "foreign":
                raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetTrailStatus")
            return {"IsLogging": Name != "off", "LatestDeliveryTime": NOW.replace(hour=5 if Name == "new" else 2)}

    probes = AwsProbes({"cloudtrail": Trails()}, None, datastore_id="d", state_machine_arn="m", queue_url="q")  # type: ignore[arg-type]
    assert probes.last_audit_delivery() == NOW.replace(hour=5)


def test_a_trail_that_has_not_delivered_yet_is_measured_from_its_start() -> None:
    class Trail:
        def describe_trails(self, includeShadowTrails: bool) -> Any:
            return {"trailList": [{"TrailARN": "new"}]}

        def get_trail_status(self, Name: str) -> Any:
            return {"IsLogging": True, "StartLoggingTime": NOW.replace(hour=4)}

    probes = AwsProbes({"cloudtrail": Trail()}, None, datastore_id="d", state_machine_arn="m", queue_url="q")  # type: ignore[arg-type]
    assert probes.last_audit_delivery() == NOW.replace(hour=4)


def test_the_trail_is_searched_by_what_names_the_actor_best() -> None:
    def attribute(**names: str) -> Any:
        return Finding.model_construct(**names).trail_attribute  # type: ignore[arg-type]

    role = "arn:aws:iam::111122223333:role/service/worker"
    assert attribute(access_key_id="AKIA", instance_id="i-1", function_role=role) == ("AccessKeyId", "AKIA")
    assert attribute(instance_id="i-1", function_role=role) == ("ResourceName", "i-1")
    assert attribute(function_role=role) == ("ResourceName", "worker")
    assert attribute(user_type="AssumedRole", user_name="somebody", function_role=role) == ("ResourceName", "somebody")
    assert attribute(user_type="Root", user_name="root") is None
