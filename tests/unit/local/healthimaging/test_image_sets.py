"""Image sets: grouping, versions, search, metadata, frames."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def imported(api: Any, surroundings: Any) -> Any:
    """`imported(files)` imports files by name into one data store and returns it."""
    state: dict[str, Any] = {"number": 0}

    def run(files: dict[str, bytes]) -> str:
        state.setdefault("datastore", None)
        state["datastore"] = state["datastore"] or api.create()
        state["number"] += 1
        prefix = f"in/{state['number']}/"
        for name, body in files.items():
            surroundings.objects[("landing", prefix + name)] = body
        state["job"] = api.start(state["datastore"], f"j-{state['number']}", inputS3Uri=f"s3://landing/{prefix}")
        api.service.run_waiting_jobs()
        assert api.job(state["datastore"], state["job"])["jobStatus"] == "COMPLETED"
        return state["datastore"]

    return run


def metadata(api: Any, datastore: str, image_set: str, **query: str) -> Any:
    path = f"/datastore/{datastore}/imageSet/{image_set}/getImageSetMetadata"
    return json.loads(gzip.decompress(api.call("POST", path, **query)))


def only(api: Any, datastore: str, criteria: Any = None) -> Any:
    (found,) = api.search(datastore, criteria)["imageSetsMetadataSummaries"]
    return found


def equal(name: str, value: Any) -> dict[str, Any]:
    return {"filters": [{"operator": "EQUAL", "values": [{name: value}]}]}


def test_each_series_is_an_image_set(api: Any, imported: Any, dicom: Any) -> None:
    files = {f"{number}.dcm": dicom(series=f"1.2.3.{number % 2}") for number in range(4)}
    datastore = imported(files)
    found = api.search(datastore)["imageSetsMetadataSummaries"]
    assert sorted(one["DICOMTags"]["DICOMSeriesInstanceUID"] for one in found) == ["1.2.3.0", "1.2.3.1"]
    assert {one["DICOMTags"]["DICOMNumberOfStudyRelatedInstances"] for one in found} == {2}


def test_further_instances_of_a_series_extend_its_image_set(
    api: Any, imported: Any, dicom: Any, surroundings: Any
) -> None:
    imported({"a.dcm": dicom(instance="1.9.1")})
    datastore = imported({"b.dcm": dicom(instance="1.9.2")})
    one = only(api, datastore)
    assert one["version"] == 2
    now = metadata(api, datastore, one["imageSetId"])["Study"]["Series"]["1.2.3.4"]["Instances"]
    then = metadata(api, datastore, one["imageSetId"], version="1")["Study"]["Series"]["1.2.3.4"]["Instances"]
    assert (set(now), set(then)) == ({"1.9.1", "1.9.2"}, {"1.9.1"})
    assert surroundings.told("Image Set") == ["Image Set Created", "Image Set Updated"]
    _, detail, resources = next(event for event in surroundings.events if event[0] == "Image Set Updated")
    assert detail["imageSetVersion"] == "2"
    assert detail["imagesetId"] == one["imageSetId"]
    assert resources[0].endswith(f":datastore/{datastore}/imageset/{one['imageSetId']}")


def test_an_instance_that_contradicts_the_study_is_kept_apart(api: Any, imported: Any, dicom: Any) -> None:
    imported({"a.dcm": dicom()})
    datastore = imported({"b.dcm": dicom(patient="P-2")})
    assert only(api, datastore, equal("isPrimary", False))["DICOMTags"]["DICOMPatientId"] == "P-2"
    assert only(api, datastore, equal("isPrimary", True))["version"] == 1


def test_two_files_of_one_instance_both_count_as_imported(
    api: Any, imported: Any, dicom: Any, surroundings: Any
) -> None:
    datastore = imported({"a.dcm": dicom(instance="1.9.1"), "copy.dcm": dicom(instance="1.9.1")})
    assert only(api, datastore)["DICOMTags"]["DICOMNumberOfStudyRelatedInstances"] == 1
    (body,) = [body for (_, key), body in surroundings.objects.items() if key.endswith("success.ndjson")]
    assert {json.loads(line)["inputFile"] for line in body.splitlines()} == {"in/1/a.dcm", "in/1/copy.dcm"}


@pytest.mark.parametrize(
    ("criteria", "count"),
    [
        pytest.param(equal("DICOMPatientId", "P-1"), 2, id="patient"),
        pytest.param(equal("DICOMPatientId", "P-9"), 0, id="nobody"),
        pytest.param(equal("DICOMSeriesInstanceUID", "1.2.3.1"), 1, id="series"),
        pytest.param(equal("DICOMStudyInstanceUID", "1.2.3"), 2, id="study"),
        pytest.param(equal("DICOMAccessionNumber", "A-7"), 1, id="accession"),
        pytest.param(
            {
                "filters": [
                    {
                        "operator": "BETWEEN",
                        "values": [
                            {"DICOMStudyDateAndTime": {"DICOMStudyDate": "20260101"}},
                            {"DICOMStudyDateAndTime": {"DICOMStudyDate": "20260103"}},
                        ],
                    }
                ]
            },
            2,
            id="study-date",
        ),
        pytest.param(
            {"filters": [{"operator": "BETWEEN", "values": [{"createdAt": 0}, {"createdAt": 1}]}]}, 0, id="created"
        ),
    ],
)
def test_search_by_each_criterion(api: Any, imported: Any, dicom: Any, criteria: Any, count: int) -> None:
    imported({"a.dcm": dicom(series="1.2.3.1", AccessionNumber="A-7")})
    # the accession number is a study element: the second import is a non-primary image set
    datastore = imported({"b.dcm": dicom(series="1.2.3.2")})
    assert len(api.search(datastore, criteria)["imageSetsMetadataSummaries"]) == count


@pytest.mark.parametrize(
    "criteria",
    [
        pytest.param({"filters": []}, id="no-filter"),
        pytest.param({"filters": [{"operator": "LIKE", "values": [{"DICOMPatientId": "x"}]}]}, id="operator"),
        pytest.param(
            {"filters": [{"operator": "BETWEEN", "values": [{"DICOMPatientId": "a"}, {"DICOMPatientId": "b"}]}]},
            id="between-texts",
        ),
        pytest.param({"filters": [{"operator": "EQUAL", "values": [{"createdAt": 1}]}]}, id="equal-time"),
        pytest.param({"sort": {"sortField": "name", "sortOrder": "ASC"}}, id="sort"),
    ],
)
def test_a_search_outside_the_rules_is_a_validation_error(api: Any, refused: Any, criteria: Any) -> None:
    with pytest.raises(refused, match="ValidationException"):
        api.search(api.create(), criteria)


def test_search_pages_and_sorts(api: Any, imported: Any, dicom: Any) -> None:
    datastore = imported({f"{n}.dcm": dicom(series=f"1.2.3.{n}") for n in range(3)})
    sort = {"sort": {"sortField": "createdAt", "sortOrder": "ASC"}}
    first = api.search(datastore, sort, maxResults="2")
    rest = api.search(datastore, sort, maxResults="2", nextToken=first["nextToken"])
    times = [one["createdAt"] for page in (first, rest) for one in page["imageSetsMetadataSummaries"]]
    assert times == sorted(times)
    assert len(times) == 3


def test_metadata_is_normalised_by_level(api: Any, imported: Any, dicom: Any) -> None:
    datastore = imported({"a.dcm": dicom(instance="1.9.1", PixelSpacing=["0.7", "0.70"], SeriesNumber="3")})
    one = only(api, datastore)
    document = metadata(api, datastore, one["imageSetId"])
    assert (document["DatastoreID"], document["ImageSetID"]) == (datastore, one["imageSetId"])
    assert document["Patient"]["DICOM"]["PatientName"] == "Planted^Name"
    assert document["Study"]["DICOM"]["StudyDate"] == "20260102"
    series = document["Study"]["Series"]["1.2.3.4"]
    assert series["DICOM"] == {"Modality": "CT", "SeriesInstanceUID": "1.2.3.4", "SeriesNumber": "3"}
    instance = series["Instances"]["1.9.1"]
    assert instance["DICOM"]["PixelSpacing"] == ["0.7", "0.70"]
    assert instance["DICOM"]["Rows"] == 64
    assert instance["DICOM"]["PixelData"] is None
    assert instance["StoredTransferSyntaxUID"] == "1.2.840.10008.1.2.4.202"


def test_a_frame_belongs_to_its_image_set_alone(api: Any, imported: Any, dicom: Any, refused: Any) -> None:
    imported({"a.dcm": dicom(series="1.2.3.1", instance="1.9.1")})
    datastore = imported({"b.dcm": dicom(series="1.2.3.2", instance="1.9.2")})
    one = only(api, datastore, equal("DICOMSeriesInstanceUID", "1.2.3.1"))["imageSetId"]
    other = only(api, datastore, equal("DICOMSeriesInstanceUID", "1.2.3.2"))["imageSetId"]
    (frame,) = metadata(api, datastore, one)["Study"]["Series"]["1.2.3.1"]["Instances"]["1.9.1"]["ImageFrames"]
    body = {"imageFrameId": frame["ID"]}
    assert (
        len(api.call("POST", f"/datastore/{datastore}/imageSet/{one}/getImageFrame", body)) == frame["FrameSizeInBytes"]
    )
    with pytest.raises(refused, match="404 ResourceNotFoundException"):
        api.call("POST", f"/datastore/{datastore}/imageSet/{other}/getImageFrame", body)


def test_a_deleted_image_set_takes_its_frames_along(
    api: Any, imported: Any, dicom: Any, tmp_path: Any, surroundings: Any
) -> None:
    datastore = imported({"a.dcm": dicom()})
    one = only(api, datastore)["imageSetId"]
    assert [path for path in (tmp_path / "frames").rglob("*") if path.is_file()]
    api.call("POST", f"/datastore/{datastore}/imageSet/{one}/deleteImageSet")
    assert [path for path in (tmp_path / "frames").rglob("*") if path.is_file()] == []
    assert surroundings.told("Image Set Delet") == ["Image Set Deleting", "Image Set Deleted"]
    assert api.search(datastore)["imageSetsMetadataSummaries"] == []


def test_nothing_of_a_patient_is_in_events_or_failures(api: Any, imported: Any, dicom: Any, surroundings: Any) -> None:
    imported({"a.dcm": dicom(), "cut.dcm": dicom()[:700], "long.dcm": dicom(AccessionNumber="Planted" * 40)})
    told = json.dumps(surroundings.events)
    failures = b"".join(body for (_, key), body in surroundings.objects.items() if key.endswith("failure.ndjson"))
    assert len(failures.splitlines()) == 2
    for text in (told, failures.decode()):
        assert "Planted" not in text
        assert "P-1" not in text


def test_versions_are_listed_newest_first(api: Any, imported: Any, dicom: Any) -> None:
    for _ in range(2):
        datastore = imported({"a.dcm": dicom(instance="1.9.1", pixels=np.zeros((64, 32), np.int16))})
    one = only(api, datastore)["imageSetId"]
    listed = api.call("POST", f"/datastore/{datastore}/imageSet/{one}/listImageSetVersions")["imageSetPropertiesList"]
    assert [(each["versionId"], each["ImageSetWorkflowStatus"]) for each in listed] == [
        ("2", "UPDATED"),
        ("1", "CREATED"),
    ]
