"""DICOMweb as its clients speak it: search, metadata, instances, bulk data, pictures; dicomweb-client as the oracle."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from imaging import htj2k

pytestmark = pytest.mark.anyio

PIXELS = np.random.default_rng(9).integers(-900, 900, (64, 80)).astype(np.int16)
AS_JSON = {"Accept": "application/dicom+json"}
STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'


def rich(dataset: Callable[..., Dataset]) -> Dataset:
    """An instance with every kind of value."""
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "T-1", "Chest"
    item.PixelPaddingValue = -5
    one = dataset(
        PIXELS,
        PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
        OtherPatientNames=["A^B", "C^D"],
        ImageType=["ORIGINAL", "PRIMARY"],
        PixelSpacing=["0.7", "0.75"],
        WindowCenter="40",
        WindowWidth="400",
        SmallestImagePixelValue=-900,
        FrameIncrementPointer=0x00181063,
        ProcedureCodeSequence=Sequence([item]),
        SliceLocation="",
        PhysicianOfRecord=None,
        FailureReason=272,
    )
    one.SpecificCharacterSet = "ISO_IR 192"
    one.add_new("LUTData", "OW", b"\x01\x02" * 20_000)
    one.add_new(0x00090010, "LO", "PRIVATE")
    one.add_new(0x00091001, "OB", b"\x00\x01\x02\x03")
    one.add_new(0x00091002, "UN", b"\xff" * 40_000)
    return one


def path_of(dataset: Dataset) -> str:
    series = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
    return f"{series}/instances/{dataset.SOPInstanceUID}"


def part_of(answer: Any) -> bytes:
    boundary = answer.headers["content-type"].split("boundary=")[1].split(";")[0].encode()
    return answer.content.split(b"--" + boundary)[1].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


async def test_metadata_is_the_dicom_json_of_the_instance(start: Any, store: Any, dataset: Any) -> None:
    one = rich(dataset)
    store.put(one)
    client = await start()
    answer = await client.get(f"{path_of(one)}/metadata", **AS_JSON)
    (found,) = answer.json()
    read = Dataset.from_json({tag: value for tag, value in found.items() if "BulkDataURI" not in value})
    assert read.PatientName == one.PatientName
    assert read.PatientName.ideographic == "山田^太郎"
    for keyword in ("OtherPatientNames", "ImageType", "PixelSpacing", "WindowCenter", "Rows", "SOPClassUID"):
        assert read[keyword].value == one[keyword].value, keyword
    assert read.SmallestImagePixelValue == -900
    assert found["00280106"]["vr"] == "SS", "Pixel Representation chooses between US and SS"
    assert found["00280009"] == {"vr": "AT", "Value": ["00181063"]}
    assert read.ProcedureCodeSequence[0].CodeMeaning == "Chest"
    assert found["00091001"] == {"vr": "OB", "InlineBinary": "AAECAw=="}
    assert found["00091002"]["BulkDataURI"].endswith("/bulkdata/00091002")
    assert "7FE00010" not in found
    assert found["00083002"]["Value"] == ["1.2.840.10008.1.2.4.202"]
    assert found["00201041"] == {"vr": "DS"}
    again = await client.get(f"{path_of(one)}/metadata", If_None_Match=answer.headers["etag"], **AS_JSON)
    assert again.status_code == 304
    assert (await client.get(f"{path_of(one)}/metadata", Accept="text/html")).status_code == 406


async def test_metadata_of_series_and_study_hold_every_instance_in_order(start: Any, store: Any, dataset: Any) -> None:
    made = [dataset(PIXELS, InstanceNumber=str(number)) for number in (3, 1, 2)]
    other = dataset(PIXELS, SeriesInstanceUID="1.2.826.0.1.1.2", InstanceNumber="9")
    store.put(*made, other)
    client = await start()
    series = await client.get("/studies/1.2.826.0.1.1/series/1.2.826.0.1.1.1/metadata", **AS_JSON)
    assert [one["00200013"]["Value"] for one in series.json()] == [[1], [2], [3]]
    assert series.headers["content-encoding"] == "gzip"
    plain = await client.get(
        "/studies/1.2.826.0.1.1/series/1.2.826.0.1.1.1/metadata", Accept_Encoding="identity", **AS_JSON
    )
    assert "content-encoding" not in plain.headers
    assert plain.json() == series.json()
    assert plain.headers["etag"] != series.headers["etag"]
    study = await client.get("/studies/1.2.826.0.1.1/metadata", **AS_JSON)
    assert sorted(one["00200013"]["Value"][0] for one in study.json()) == [1, 2, 3, 9]
    for wrong in ("series/1.2.3/metadata", "series/1.2.826.0.1.1.1/instances/1.2.3/metadata"):
        assert (await client.get(f"/studies/1.2.826.0.1.1/{wrong}", **AS_JSON)).status_code == 404


async def test_an_instance_comes_back_as_a_dicom_file_with_nothing_lost(start: Any, store: Any, dataset: Any) -> None:
    one = rich(dataset)
    store.put(one)
    for public in ("", "https://viewer.example"):
        client = await start(public_url=public)
        whole = dcmread(io.BytesIO(part_of(await client.get(path_of(one), Accept=STORED))))
        assert whole.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.202"
        assert whole.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
        for element in one:
            if element.keyword != "PixelData":
                assert (whole[element.tag].value or None) == (element.value or None), element.tag
        from pydicom.encaps import get_frame

        assert np.array_equal(htj2k.decode(get_frame(whole.PixelData, 0, number_of_frames=1)), PIXELS)
        native = await client.get(path_of(one), Accept="application/dicom")
        assert native.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
        assert np.array_equal(dcmread(io.BytesIO(native.content)).pixel_array, PIXELS)
    for accept in ("image/png", "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50"):
        assert (await client.get(path_of(one), Accept=accept)).status_code == 406


async def test_series_and_study_come_as_one_part_an_instance(start: Any, store: Any, dataset: Any) -> None:
    colour = np.random.default_rng(2).integers(0, 255, (32, 31, 3), endpoint=True).astype(np.uint8)
    made = [
        dataset(PIXELS),
        dataset(colour, SeriesInstanceUID="1.2.826.0.1.1.2"),
        dataset(None, SeriesInstanceUID="1.2.826.0.1.1.3"),
    ]
    store.put(*made)
    client = await start()
    for path, count in (("/studies/1.2.826.0.1.1", 3), ("/studies/1.2.826.0.1.1/series/1.2.826.0.1.1.2", 1)):
        answer = await client.get(path, Accept='multipart/related; type="application/dicom"')
        boundary = answer.headers["content-type"].split("boundary=")[1].encode()
        parts = [
            part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in answer.content.split(b"--" + boundary)
        ]
        files = [dcmread(io.BytesIO(part)) for part in parts if part]
        assert len(files) == count
        by_uid = {str(one.SOPInstanceUID): one for one in files}
        assert np.array_equal(by_uid[str(made[1].SOPInstanceUID)].pixel_array, colour)
    assert "PixelData" not in next(one for one in by_uid.values() if one) or count == 1


async def test_bulk_data_is_what_was_stored(start: Any, store: Any, dataset: Any) -> None:
    one = rich(dataset)
    store.put(one)
    client = await start()
    (found,) = (await client.get(f"{path_of(one)}/metadata", **AS_JSON)).json()
    uri = found["00283006"]["BulkDataURI"]
    assert uri.startswith("series/"), "relative to the study when no public address is configured"
    answer = await client.get(f"/studies/{one.StudyInstanceUID}/{uri}", Accept="application/octet-stream")
    assert answer.content == one.LUTData
    base = f"{path_of(one)}/bulkdata"
    parts = await client.get(f"{base}/00091002", Accept="multipart/related; type=application/octet-stream")
    assert part_of(parts) == b"\xff" * 40_000
    nested = await client.get(f"{base}/00081032/0/00080104", Accept="application/octet-stream")
    assert nested.content in (b"Chest", b"\t\xc8^\xb2"), "the path goes into sequences"
    for wrong in ("00091009", "00081032/7/00080104", "00081032/x", "00100010/1", "zzz"):
        assert (await client.get(f"{base}/{wrong}", Accept="*/*")).status_code == 404, wrong


async def test_what_the_store_keeps_apart_is_fetched_from_its_dicomweb_host(
    start: Any, store: Any, dataset: Any
) -> None:
    from aiohttp import web

    one = dataset(PIXELS)
    one.add_new(0x00090010, "LO", "PRIVATE")
    one.add_new(0x00091001, "OB", b"\x07" * (1 << 20) + b"\x01\x02")
    store.put(one)
    store.fault = lambda path: web.Response(body=b"kept apart") if "/bulkdata/" in path else None
    client = await start()
    answer = await client.get(f"{path_of(one)}/bulkdata/00091001", Accept="application/octet-stream")
    assert answer.content == b"kept apart"
    assert any(f"/instances/{one.SOPInstanceUID}/bulkdata/" in path for path in store.calls)


PICTURES = [
    ("rendered", "image/png", (64, 80)),
    ("rendered?viewport=40,40", "image/png", (32, 40)),
    ("rendered?viewport=10,100&window=0,2000,linear&quality=50", "image/jpeg", (8, 10)),
    ("frames/1/rendered", "image/jpeg", (64, 80)),
    ("frames/1/thumbnail?viewport=20,20", "image/jpeg", (16, 20)),
    ("thumbnail", "image/jpeg", (64, 80)),
]


async def test_pictures_are_no_larger_than_asked_and_hold_the_image(start: Any, store: Any, dataset: Any) -> None:
    flat = np.full((64, 80), 100, np.int16)
    made = {
        "plain": dataset(PIXELS, WindowCenter="0", WindowWidth="1800"),
        "inverse": dataset(PIXELS, PhotometricInterpretation="MONOCHROME1", SeriesInstanceUID="1.2.826.0.1.1.2"),
        "flat": dataset(flat, SeriesInstanceUID="1.2.826.0.1.1.3", WindowCenter="", WindowWidth=""),
    }
    store.put(*made.values())
    client = await start()
    for path, media_type, shape in PICTURES:
        answer = await client.get(f"{path_of(made['plain'])}/{path}", Accept=media_type)
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type), path
        decode = imagecodecs.png_decode if media_type.endswith("png") else imagecodecs.jpeg_decode
        assert decode(answer.content).shape == shape, path
    plain = imagecodecs.png_decode((await client.get(f"{path_of(made['plain'])}/rendered", Accept="image/png")).content)
    expected = np.clip(np.rint((PIXELS + 900) * (255 / 1800)), 0, 255)
    assert np.abs(plain.astype(int) - expected).max() <= 1
    for name in ("inverse", "flat"):
        assert (await client.get(f"{path_of(made[name])}/rendered", Accept="image/png")).status_code == 200
    for query in ("viewport=x", "viewport=1", "viewport=-1,5", "window=1", "window=1,-5,linear", "quality=0"):
        assert (await client.get(f"{path_of(made['plain'])}/rendered?{query}", Accept="*/*")).status_code == 400, query
    assert (await client.get(f"{path_of(made['plain'])}/rendered", Accept="video/mp4")).status_code == 406


async def test_what_has_no_picture_says_so(start: Any, store: Any, dataset: Any) -> None:
    palette = dataset(np.zeros((8, 8), np.uint8), PhotometricInterpretation="PALETTE COLOR")
    bare = dataset(None, StudyInstanceUID="1.2.826.0.1.7", SeriesInstanceUID="1.2.826.0.1.7.1")
    deep = dataset(np.zeros((8, 8, 3), np.uint16), SeriesInstanceUID="1.2.826.0.1.1.5")
    colour = dataset(np.zeros((8, 8, 3), np.uint8), SeriesInstanceUID="1.2.826.0.1.1.6")
    store.put(palette, deep, colour)
    store.put(bare)
    client = await start()
    assert (await client.get(f"{path_of(palette)}/rendered", Accept="image/png")).status_code == 406
    assert (await client.get(f"{path_of(deep)}/rendered", Accept="image/png")).status_code == 406
    assert (await client.get(f"{path_of(colour)}/rendered", Accept="image/png")).status_code == 200
    assert (await client.get("/studies/1.2.826.0.1.7/thumbnail", Accept="image/png")).status_code == 404
    assert (await client.get(f"{path_of(bare)}/frames/1/rendered", Accept="image/png")).status_code == 404


def bits(dataset: Callable[..., Dataset]) -> Dataset:
    one = dataset(np.zeros((8, 16), np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0)
    one.PixelData = bytes(range(16))
    return one


async def test_one_bit_segmentations_are_served_packed_and_drawn(start: Any, store: Any, dataset: Any) -> None:
    one = bits(dataset)
    store.put(one)
    client = await start()
    raw = await client.get(f"{path_of(one)}/frames/1", Accept="application/octet-stream; transfer-syntax=*")
    assert raw.content == bytes(range(16))
    drawn = await client.get(f"{path_of(one)}/rendered", Accept="image/png")
    assert imagecodecs.png_decode(drawn.content).shape == (8, 16)
    whole = await client.get(path_of(one), Accept="application/dicom")
    assert dcmread(io.BytesIO(whole.content)).PixelData == bytes(range(16))
