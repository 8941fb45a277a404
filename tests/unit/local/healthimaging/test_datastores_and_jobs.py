"""Data stores and import jobs by the API: idempotency, quotas, states, rights."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.healthimaging import datastores, importer, jobs

STORE = "arn:aws:medical-imaging:us-east-1:111122223333:datastore/"


def test_the_same_client_token_makes_one_data_store(api: Any, refused: Any) -> None:
    first = api.create("token", datastoreName="a")
    assert api.create("token", datastoreName="a") == first
    with pytest.raises(refused, match="ConflictException"):
        api.create("token", datastoreName="b")
    assert len(api.call("GET", "/datastore")["datastoreSummaries"]) == 1


def test_creation_is_told_in_two_events(api: Any, surroundings: Any) -> None:
    identifier = api.create(datastoreName="clinical")
    assert surroundings.told("Data Store") == ["Data Store Creating", "Data Store Created"]
    _, detail, resources = surroundings.events[-1]
    assert detail == {
        "imagingVersion": "1.0",
        "datastoreId": identifier,
        "datastoreName": "clinical",
        "datastoreStatus": "ACTIVE",
    }
    assert resources == [STORE + identifier]


def test_the_quota_of_data_stores_is_an_error(api: Any, refused: Any) -> None:
    for number in range(datastores.MAXIMUM):
        api.create(f"t-{number}")
    with pytest.raises(refused, match="402 ServiceQuotaExceededException"):
        api.create("one-more")


def test_a_deleted_data_store_is_shown_as_deleted_and_takes_no_import(api: Any, refused: Any) -> None:
    identifier = api.create()
    api.call("DELETE", f"/datastore/{identifier}")
    assert api.call("GET", f"/datastore/{identifier}")["datastoreProperties"]["datastoreStatus"] == "DELETED"
    with pytest.raises(refused, match="ResourceNotFoundException"):
        api.start(identifier)


def test_tags_are_kept_by_arn(api: Any, refused: Any) -> None:
    arn = STORE + api.create(tags={"zone": "phi"})
    api.call("POST", f"/tags/{arn}", {"tags": {"owner": "imaging"}})
    api.call("DELETE", f"/tags/{arn}", tagKeys="zone")
    assert api.call("GET", f"/tags/{arn}")["tags"] == {"owner": "imaging"}
    with pytest.raises(refused, match="ResourceNotFoundException"):
        api.call("GET", f"/tags/{STORE}{'0' * 32}")


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        pytest.param({"inputS3Uri": "https://bucket/x"}, "inputS3Uri", id="uri"),
        pytest.param({"dataAccessRoleArn": "import"}, "dataAccessRoleArn", id="role"),
        pytest.param({"clientToken": "not allowed!"}, "clientToken", id="token"),
        pytest.param({"jobName": "x" * 65}, "jobName", id="name"),
        pytest.param({"outputS3Uri": None}, "outputS3Uri", id="missing"),
    ],
)
def test_a_request_that_breaks_the_model_names_the_member(
    api: Any, refused: Any, changed: dict[str, Any], word: str
) -> None:
    with pytest.raises(refused, match=f"ValidationException.*{word}"):
        api.start(api.create(), **changed)


def test_a_job_is_started_once_per_client_token(api: Any, surroundings: Any, refused: Any, dicom: Any) -> None:
    surroundings.objects[("landing", "in/a.dcm")] = dicom()
    datastore = api.create()
    job = api.start(datastore, "once")
    api.service.run_waiting_jobs()
    assert api.start(datastore, "once") == job
    api.service.run_waiting_jobs()
    assert len(surroundings.told("Import Job Completed")) == 1
    with pytest.raises(refused, match="ConflictException"):
        api.start(datastore, "once", inputS3Uri="s3://landing/other/")


def test_the_hundred_and_first_concurrent_job_is_throttled(api: Any, refused: Any) -> None:
    datastore = api.create()
    for number in range(jobs.CONCURRENT_LIMIT):
        api.start(datastore, f"job-{number}")
    with pytest.raises(refused, match="429 ThrottlingException"):
        api.start(datastore, "job-too-many")


def test_a_role_that_cannot_be_assumed_is_refused_at_the_start(api: Any, surroundings: Any, refused: Any) -> None:
    surroundings.trusted = False
    with pytest.raises(refused, match="403 AccessDeniedException"):
        api.start(api.create())


def test_starting_a_job_needs_the_right_to_pass_its_role(api: Any, surroundings: Any, refused: Any) -> None:
    surroundings.denied_actions.add("iam:PassRole")
    with pytest.raises(refused, match="iam:PassRole"):
        api.start(api.create())
    assert surroundings.asked[-1] == ("iam:PassRole", "arn:aws:iam::111122223333:role/import")


def test_each_operation_is_authorised_on_its_resource(api: Any, surroundings: Any, refused: Any) -> None:
    datastore = api.create()
    with pytest.raises(refused, match="ResourceNotFoundException"):
        api.call("POST", f"/datastore/{datastore}/imageSet/{'a' * 32}/getImageSet")
    assert surroundings.asked == [
        ("medical-imaging:CreateDatastore", "*"),
        ("medical-imaging:GetImageSet", f"{STORE}{datastore}/imageset/{'a' * 32}"),
    ]


@pytest.mark.parametrize("operation", ["ListObjectsV2", "PutObject"])
def test_a_right_the_role_lacks_fails_the_job(api: Any, surroundings: Any, dicom: Any, operation: str) -> None:
    surroundings.objects[("landing", "in/a.dcm")] = dicom()
    surroundings.refused_operation = operation
    datastore = api.create()
    job = api.start(datastore)
    api.service.run_waiting_jobs()
    found = api.job(datastore, job)
    assert (found["jobStatus"], found["message"]) == ("FAILED", f"AccessDenied when calling {operation}")
    assert surroundings.told("Import Job") == ["Import Job Submitted", "Import Job In Progress", "Import Job Failed"]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        pytest.param(("FILES_LIMIT", 1), "more than 1 files", id="files"),
        pytest.param(("JOB_BYTES_LIMIT", 100), "more than 100 bytes", id="bytes"),
    ],
)
def test_a_job_over_the_limits_fails(
    api: Any, surroundings: Any, dicom: Any, limit: tuple[str, int], message: str
) -> None:
    for name in "ab":
        surroundings.objects[("landing", f"in/{name}.dcm")] = dicom()
    datastore = api.create()
    job = api.start(datastore)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importer, *limit)
        api.service.run_waiting_jobs()
    assert message in api.job(datastore, job)["message"]
    assert api.search(datastore)["imageSetsMetadataSummaries"] == []


def test_a_file_over_four_gigabytes_fails_alone(api: Any, surroundings: Any, dicom: Any) -> None:
    surroundings.objects[("landing", "in/big.dcm")] = b""
    surroundings.sizes["in/big.dcm"] = importer.FILE_BYTES_LIMIT + 1
    surroundings.objects[("landing", "in/small.dcm")] = dicom()
    datastore = api.create()
    job = api.start(datastore)
    api.service.run_waiting_jobs()
    folder = f"out/{datastore}-DicomImport-{job}"
    manifest = json.loads(surroundings.objects[("landing", f"{folder}/job-output-manifest.json")])["jobSummary"]
    assert (manifest["numberOfImportedFiles"], manifest["numberOfFilesWithCustomerError"]) == (1, 1)
    (line,) = surroundings.objects[("landing", f"{folder}/FAILURE/failure.ndjson")].splitlines()
    assert json.loads(line)["inputFile"] == "in/big.dcm"


def test_jobs_are_listed_by_status_in_pages(api: Any, surroundings: Any, dicom: Any) -> None:
    surroundings.objects[("landing", "in/a.dcm")] = dicom()
    datastore = api.create()
    for number in range(3):
        api.start(datastore, f"job-{number}")
    path = f"/listDICOMImportJobs/datastore/{datastore}"
    first = api.call("GET", path, maxResults="2", jobStatus="SUBMITTED")
    second = api.call("GET", path, maxResults="2", jobStatus="SUBMITTED", nextToken=first["nextToken"])
    assert (len(first["jobSummaries"]), len(second["jobSummaries"])) == (2, 1)
    assert "nextToken" not in second
    api.service.run_waiting_jobs()
    assert api.call("GET", path, jobStatus="SUBMITTED")["jobSummaries"] == []


def test_a_job_found_running_after_a_restart_is_finished(
    make_service: Any, make_api: Any, surroundings: Any, dicom: Any
) -> None:
    surroundings.objects[("landing", "in/a.dcm")] = dicom()
    before = make_api(make_service())
    datastore = before.create()
    job = before.start(datastore)
    after = make_api(make_service())
    after.service.start()
    after.service.stop()
    assert after.job(datastore, job)["jobStatus"] == "COMPLETED"
    assert len(after.search(datastore)["imageSetsMetadataSummaries"]) == 1


def test_a_kill_between_image_sets_and_output_imports_nothing_twice(
    make_service: Any, make_api: Any, surroundings: Any, dicom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    surroundings.objects[("landing", "in/a.dcm")] = dicom()
    before = make_api(make_service())
    datastore = before.create()
    job = before.start(datastore)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importer.Importer, "_write_output", killed)
    with pytest.raises(KeyboardInterrupt):
        before.service.run_waiting_jobs()
    monkeypatch.undo()
    after = make_api(make_service())
    after.service.start()
    after.service.stop()
    assert after.job(datastore, job)["jobStatus"] == "COMPLETED"
    (one,) = after.search(datastore)["imageSetsMetadataSummaries"]
    assert one["version"] == 1
    assert ("landing", f"out/{datastore}-DicomImport-{job}/job-output-manifest.json") in surroundings.objects
