"""QIDO-RS: what matches, what is answered, what may not stand in a URL; and dicomweb-client against all of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from imaging import htj2k

pytestmark = pytest.mark.anyio

PIXELS = np.random.default_rng(9).integers(-900, 900, (32, 40)).astype(np.int16)
AS_JSON = {"Accept": "application/dicom+json"}


def worklist(dataset: Callable[..., Dataset]) -> list[Dataset]:
    """Three studies of the assigned patient, one with two series."""

    def one(number: int, modality: str, series: int = 1, **elements: Any) -> Dataset:
        uid = f"1.2.826.0.1.{number}"
        return dataset(
            PIXELS,
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.{series}",
            Modality=modality,
            SeriesNumber=str(series),
            **elements,
        )

    return [
        one(11, "CT", StudyDate="20260101", StudyTime="080000", StudyDescription="Chest [low]", AccessionNumber="A11"),
        one(
            11, "SR", 2, StudyDate="20260101", StudyTime="080000", StudyDescription="Chest [low]", AccessionNumber="A11"
        ),
        one(12, "MR", StudyDate="20260215", StudyDescription="Head", AccessionNumber="A12", PatientName="Doe^Jane Ann"),
        one(13, "CT", StudyDate="20260320", StudyDescription="Chest", AccessionNumber="A13"),
    ]


SEARCHES = [
    ("", ["13", "12", "11"]),
    ("StudyInstanceUID=1.2.826.0.1.12", ["12"]),
    ("0020000D=1.2.826.0.1.12,1.2.826.0.1.13", ["13", "12"]),
    ("StudyDate=20260101-20260215", ["12", "11"]),
    ("StudyDate=20260215-", ["13", "12"]),
    ("StudyDate=-20260131", ["11"]),
    ("StudyDate=20260320", ["13"]),
    ("StudyDate=20260101&StudyTime=0700-0900", ["11"]),
    ("ModalitiesInStudy=CT", ["13", "11"]),
    ("ModalitiesInStudy=SR", ["11"]),
    ("StudyDescription=Chest*", ["13", "11"]),
    ("StudyDescription=Chest [low]", ["11"]),
    ("StudyDescription=Che?t", ["13"]),
    ("StudyDescription=chest", []),
    ("StudyDescription=*", ["13", "12", "11"]),
    ("NumberOfStudyRelatedSeries=2", ["11"]),
    ("limit=1&offset=1", ["12"]),
    ("limit=0", []),
    ("includefield=all&fuzzymatching=true", ["13", "12", "11"]),
]
IDENTIFYING = [
    ({"PatientName": "planted*"}, ["13", "11"]),
    ({"PatientName": "jane", "fuzzymatching": "true"}, ["12"]),
    ({"PatientName": "DOE ann", "fuzzymatching": "true"}, ["12"]),
    ({"PatientName": "doe bob", "fuzzymatching": "true"}, []),
    ({"00100020": "P-1"}, ["13", "12", "11"]),
    ({"AccessionNumber": "A13"}, ["13"]),
]


def found(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["0020000D"]["Value"][0].rsplit(".", 1)[-1] for one in answer.json()]


async def test_studies_are_found_by_what_ps3_4_lets_match(start: Any, store: Any, dataset: Any) -> None:
    store.put(*worklist(dataset))
    client = await start()
    for query, expected in SEARCHES:
        assert found(await client.get(f"/studies?{query}", **AS_JSON)) == expected, query
    for form, expected in IDENTIFYING:
        answer = await client.http.post("/dicom-web/studies", data=form, headers=AS_JSON)
        assert found(answer) == expected, form
        named = "fuzzymatching" in form or next(iter(form)) == "00100020"
        assert named or (await client.http.get("/dicom-web/studies", params=form, headers=AS_JSON)).status_code == 400
    open_to_names = await start(identifying_search_keys=True)
    assert found(await open_to_names.get("/studies?PatientName=Doe*", **AS_JSON)) == ["12"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("PatientName=X", "IDENTIFIER_IN_URL"),
        ("Nonsense=1", "BAD_REQUEST"),
        ("limit=x", "BAD_REQUEST"),
        ("offset=-1", "BAD_REQUEST"),
        ("StudyDate=a-b", "BAD_REQUEST"),
        ("SliceThickness=1", "UNSUPPORTED_KEY"),
    ],
)
async def test_a_search_that_cannot_be_answered_names_its_reason_and_no_value(
    start: Any, query: str, code: str
) -> None:
    client = await start()
    answer = await client.get(f"/studies?{query}", **AS_JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_series_and_instances_are_found_below_a_study(start: Any, store: Any, dataset: Any) -> None:
    store.put(*worklist(dataset))
    client = await start()
    study = "/studies/1.2.826.0.1.11"
    series = (await client.get(f"{study}/series", **AS_JSON)).json()
    assert {one["00080060"]["Value"][0]: one["00201209"]["Value"] for one in series} == {"CT": [1], "SR": [1]}
    assert all(one["00081190"]["Value"][0].startswith("/dicom-web/studies/") for one in series)
    assert len((await client.get(f"{study}/series?Modality=SR", **AS_JSON)).json()) == 1
    (shown,) = (await client.get(f"{study}/series?Modality=CT&includefield=PatientID", **AS_JSON)).json()
    assert shown["00100020"]["Value"] == ["P-1"]
    assert len((await client.get("/series?Modality=CT", **AS_JSON)).json()) == 2
    assert len((await client.get(f"{study}/instances", **AS_JSON)).json()) == 2
    (one,) = (await client.get(f"{study}/series/1.2.826.0.1.11.2/instances", **AS_JSON)).json()
    assert (one["00280010"]["Value"], "00100010" in one) == ([32], False)
    (whole,) = (await client.get(f"{study}/series/1.2.826.0.1.11.2/instances?includefield=all", **AS_JSON)).json()
    assert whole["00100010"]["Value"] == [{"Alphabetic": "Planted^Name"}]
    assert (await client.get(f"{study}/instances?SOPInstanceUID=1.2.3", **AS_JSON)).json() == []


async def test_a_worklist_is_not_answered_before_it_is_whole(start: Any, store: Any) -> None:
    client = await start()
    client.app.services.directory._listed = float("-inf")
    for path in ("/studies", "/series"):
        answer = await client.get(path, **AS_JSON)
        assert (answer.status_code, answer.json()["code"]) == (503, "STARTING")
    assert (await client.http.get("/readyz")).status_code == 503


async def test_dicomweb_client_works_for_search_metadata_frames_and_instances(
    start: Any, store: Any, dataset: Any, pool: Any
) -> None:
    import uvicorn

    made = worklist(dataset)
    store.put(*made)
    client = await start(identifying_search_keys=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(client.app, port=port, lifespan="off", log_config=None))
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    outside = DICOMwebClient(f"http://127.0.0.1:{port}/dicom-web", headers={"Authorization": f"Bearer {pool.token()}"})
    await asyncio.to_thread(_as_a_client_does, outside, made)
    server.should_exit = True
    await serving


def _as_a_client_does(client: DICOMwebClient, made: list[Dataset]) -> None:
    studies = client.search_for_studies(search_filters={"PatientID": "P-1"}, limit=2)
    assert len(studies) == 2
    one = made[0]
    study, series, instance = str(one.StudyInstanceUID), str(one.SeriesInstanceUID), str(one.SOPInstanceUID)
    assert len(client.search_for_series(study)) == 2
    assert len(client.search_for_instances(study, series)) == 1
    (metadata,) = client.retrieve_series_metadata(study, series)
    assert Dataset.from_json(metadata).SOPInstanceUID == instance
    assert len(client.retrieve_study_metadata(study)) == 2
    assert Dataset.from_json(client.retrieve_instance_metadata(study, series, instance)).Rows == 32
    (stored,) = client.retrieve_instance_frames(study, series, instance, frame_numbers=[1])
    assert np.array_equal(htj2k.decode(stored), PIXELS), "whatever form: as it is stored"
    (frame,) = client.retrieve_instance_frames(study, series, instance, [1], media_types=("application/octet-stream",))
    assert np.array_equal(np.frombuffer(frame, "<i2").reshape(32, 40), PIXELS)
    assert client.retrieve_instance(study, series, instance).SOPInstanceUID == instance
    native = (("application/dicom", "1.2.840.10008.1.2.1"),)
    whole = client.retrieve_instance(study, series, instance, media_types=native)
    assert np.array_equal(whole.pixel_array, PIXELS)
    assert {str(each.SOPInstanceUID) for each in client.retrieve_study(study)} == {
        str(each.SOPInstanceUID) for each in made[:2]
    }
    assert len(client.retrieve_series(study, series)) == 1
    picture = client.retrieve_instance_rendered(study, series, instance, media_types=("image/png",))
    assert picture.startswith(b"\x89PNG")


def test_problem_documents_hold_no_value_of_the_request() -> None:
    from services.frame_proxy.errors import answer, bad_request

    body = json.loads(bytes(answer(bad_request("limit is not a number")).body))
    assert body == {
        "type": "about:blank",
        "title": "Bad request",
        "status": 400,
        "code": "BAD_REQUEST",
        "detail": "limit is not a number",
    }
