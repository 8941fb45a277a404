"""Pixels and DICOM JSON values one by one, and the list of studies when summaries arrive out of order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import imagecodecs
import numpy as np
import pytest

from imaging.pseudonym import Pseudonymizer
from services.frame_proxy import directory as module
from services.frame_proxy.dicom_json import INLINE_BYTES, attributes, tag_of
from services.frame_proxy.directory import Directory, require_listed
from services.frame_proxy.errors import ProxyError
from services.frame_proxy.pixels import View, decode, render

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
JPEG, JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.91"
EXPLICIT, VIDEO = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.102"


def kept(syntax: str, *, bits: int = 8, samples: int = 1, signed: bool = False) -> Any:
    return SimpleNamespace(stored_syntax=syntax, bits=bits, samples=samples, signed=signed, rows=8, columns=8)


# pixels ---------------------------------------------------------------------------------------------------------------
def test_frames_kept_as_jpeg_2000_or_jpeg_are_decoded() -> None:
    assert (decode(imagecodecs.jpeg2k_encode(GREY, level=0), kept(JPEG_2000)) == GREY).all()
    colour = np.full((8, 8, 3), 100, np.uint8)
    assert np.abs(decode(imagecodecs.jpeg_encode(colour), kept(JPEG, samples=3)).astype(int) - 100).max() <= 2


def test_uncompressed_colour_is_by_pixel_and_signed_samples_keep_their_sign() -> None:
    colour = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    assert (decode(colour.tobytes(), kept(EXPLICIT, samples=3)) == colour).all()
    signed = (GREY.astype(np.int16) - 32) * 100
    assert (decode(signed.tobytes(), kept(EXPLICIT, bits=16, signed=True)) == signed).all()


def test_samples_of_another_width_than_named_are_brought_to_it() -> None:
    found = decode(imagecodecs.jpeg2k_encode(GREY, level=0), kept(JPEG_2000, bits=16))
    assert found.dtype == np.uint16
    assert (found == GREY).all()


@pytest.mark.parametrize("syntax", [JPEG, JPEG_2000, EXPLICIT, "1.2.840.10008.1.2.4.201"])
def test_a_frame_that_does_not_decode_is_the_stores_fault(syntax: str) -> None:
    with pytest.raises(ProxyError) as refused:
        decode(b"nonsense", kept(syntax))
    assert (refused.value.status, refused.value.code) == (502, "UPSTREAM_FRAME")


def test_video_is_not_decoded() -> None:
    with pytest.raises(ProxyError) as refused:
        decode(b"", kept(VIDEO))
    assert refused.value.status == 406


def drawn(samples: Any, view: View | None = None, **values: Any) -> Any:
    """Samples as the PNG shows them; values are attributes by tag."""
    found = {tag.lstrip("t"): {"Value": [value]} for tag, value in values.items()}
    return imagecodecs.png_decode(render(samples, found, view or View(media_type="image/png")))


def test_windows_of_image_or_viewer_are_applied_and_inverted_images_are_inverted() -> None:
    samples = np.array([[0, 50, 100, 200]], np.int16)
    assert drawn(samples, t00281050="100", t00281051="100").tolist() == [[0, 0, 128, 255]]
    assert drawn(samples, t00281050="100", t00281051="100", t00280004="MONOCHROME1").tolist() == [[255, 255, 127, 0]]
    own = View(media_type="image/png", centre=0, width_of_window=200)
    assert drawn(samples, own, t00281050="100", t00281051="100").tolist() == [[128, 191, 255, 255]]
    assert drawn(samples, t00281053="2", t00281052="-100", t00281050="100", t00281051="400").tolist() == [
        [0, 64, 128, 255]
    ]


@pytest.mark.parametrize("window", [{}, {"t00281050": "wide", "t00281051": "wide"}, {"t00281050": 1, "t00281051": 0}])
def test_without_a_usable_window_the_whole_range_is_shown(window: dict[str, Any]) -> None:
    assert drawn(np.array([[-1000, 0, 1000]], np.int16), **window).tolist() == [[0, 128, 255]]


def test_what_is_neither_greyscale_nor_plain_colour_is_not_drawn() -> None:
    for samples, values in (
        (GREY, {"t00280004": "PALETTE COLOR"}),
        (np.zeros((8, 8, 4), np.uint8), {}),
        (np.zeros((8, 8, 3), np.uint16), {}),
    ):
        with pytest.raises(ProxyError) as refused:
            drawn(samples, **values)
        assert refused.value.status == 406


# DICOM JSON -----------------------------------------------------------------------------------------------------------
def converted(values: dict[str, Any], vrs: dict[str, str] | None = None, *, signed: bool = False) -> dict[str, Any]:
    return attributes(values, vrs or {}, signed=signed, bulk="/b/")


CONVERTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an empty value": ({"PatientID": ""}, {"00100020": {"vr": "LO"}}),
    "a gap in a list": ({"ImageType": ["A", None]}, {"00080008": {"vr": "CS", "Value": ["A", None]}}),
    "an integer as text": ({"SeriesNumber": "7"}, {"00200011": {"vr": "IS", "Value": [7]}}),
    "an integer with a point": ({"SeriesNumber": "7.5"}, {"00200011": {"vr": "IS", "Value": ["7.5"]}}),
    "a number that is none": ({"SliceThickness": "thin"}, {"00180050": {"vr": "DS", "Value": ["thin"]}}),
    "a decimal": ({"SliceThickness": ["0.5", "2.0"]}, {"00180050": {"vr": "DS", "Value": [0.5, 2]}}),
    "a number as text": ({"PatientID": 7}, {"00100020": {"vr": "LO", "Value": ["7"]}}),
    "a tag as a number": ({"FrameIncrementPointer": 0x00181063}, {"00280009": {"vr": "AT", "Value": ["00181063"]}}),
    "a tag as text": ({"FrameIncrementPointer": "(0018,1063)"}, {"00280009": {"vr": "AT", "Value": ["00181063"]}}),
    "pixels": ({"PixelData": "AAAA", "7FE00010": "AAAA"}, {}),
    "neither keyword nor tag": ({"NoSuchKeyword": 1}, {}),
    "private without a VR": ({"00091001": "x"}, {"00091001": {"vr": "UN", "InlineBinary": "eA=="}}),
    "private sequence": (
        {"00091002": [{"PatientID": "x"}]},
        {"00091002": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["x"]}}]}},
    ),
    "a sequence of one item alone": (
        {"ReferencedStudySequence": {"PatientID": "x"}},
        {"00081110": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["x"]}}]}},
    ),
    "several binary values": ({"00091001": ["ab", "cd"]}, {"00091001": {"vr": "UN", "InlineBinary": "YWJcY2Q="}}),
    "binary of no whole bytes": ({"00091001": "A===="}, {"00091001": {"vr": "UN", "InlineBinary": "QT09PT0="}}),
    "binary that is no base64": ({"00091001": "a^b!"}, {"00091001": {"vr": "UN", "InlineBinary": "YV5iIQ=="}}),
    "binary kept apart": ({"00091001": {"href": "x"}}, {"00091001": {"vr": "UN", "BulkDataURI": "/b/00091001"}}),
    "binary that is large": (
        {"00091001": "AAAA" * INLINE_BYTES},
        {"00091001": {"vr": "UN", "BulkDataURI": "/b/00091001"}},
    ),
    "a person in three scripts": (
        {"PatientName": "A^B==c"},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B", "Phonetic": "c"}]}},
    ),
}


@pytest.mark.parametrize(("given", "wanted"), CONVERTED.values(), ids=CONVERTED)
def test_every_kind_of_value_has_its_form_in_dicom_json(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert converted(given) == wanted


def test_a_private_elements_own_vr_counts_however_its_tag_is_written() -> None:
    assert converted({"0009100a": "3"}, {"0009100A": "IS"}) == {"0009100A": {"vr": "IS", "Value": [3]}}
    assert tag_of("0009100a") == "0009100A"
    assert tag_of("PatientID") == "00100020"
    assert tag_of("NoSuchKeyword") is None


def test_where_the_standard_leaves_a_choice_the_pixels_sign_and_the_values_kind_decide() -> None:
    assert converted({"SmallestImagePixelValue": -5}, signed=True)["00280106"] == {"vr": "SS", "Value": [-5]}
    assert converted({"SmallestImagePixelValue": [5]})["00280106"] == {"vr": "US", "Value": [5]}
    assert converted({"LUTData": "AAAA"})["00283006"]["vr"] == "OW"
    assert converted({"LUTData": [1, 2]})["00283006"] == {"vr": "US", "Value": [1, 2]}
    assert converted({"SmallestImagePixelValue": "5"})["00280106"] == {"vr": "US", "Value": [5]}


# the list of studies --------------------------------------------------------------------------------------------------
def summary(image_set: str, version: int, study: str, **more: Any) -> dict[str, Any]:
    tags = {"DICOMStudyInstanceUID": study, "DICOMPatientId": "P-1"}
    return {"imageSetId": image_set, "version": version, "DICOMTags": tags, **more}


class Upstream:
    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = list(pages)

    async def search(self, criteria: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        for one in self.pages.pop(0) if self.pages else []:
            yield one


def listed(*pages: list[dict[str, Any]]) -> tuple[Directory, Upstream]:
    upstream = Upstream(*pages)
    return Directory(upstream, Pseudonymizer(bytes(32)), clock=lambda: 1_000.0), upstream


@pytest.mark.anyio
async def test_before_the_first_list_nothing_is_answered() -> None:
    directory, _ = listed([])
    with pytest.raises(ProxyError) as refused:
        require_listed(directory)
    assert (refused.value.status, refused.value.code) == (503, "STARTING")
    await directory.refresh()
    require_listed(directory)


@pytest.mark.anyio
async def test_an_older_version_that_arrives_later_changes_nothing() -> None:
    directory, _ = listed([summary("one", 3, "1.2.3")], [summary("one", 2, "1.2.9")])
    await directory.refresh()
    await directory.refresh()
    assert [row.version for row in directory.held("1.2.3")] == [3]
    assert directory.held("1.2.9") == ()


@pytest.mark.anyio
async def test_an_image_set_that_moves_to_another_study_leaves_the_first_one() -> None:
    directory, _ = listed(
        [summary("one", 1, "1.2.3"), summary("two", 1, "1.2.3"), summary("alone", 1, "1.2.4")],
        [summary("one", 2, "1.2.5"), summary("alone", 2, "1.2.5")],
    )
    await directory.refresh()
    (alone,) = directory.held("1.2.4")
    await directory.refresh()
    assert [row.image_set_id for row in directory.held("1.2.3")] == ["two"]
    assert directory.held("1.2.4") == directory.held(alone.study_key) == ()
    assert {row.image_set_id for row in directory.held("1.2.5")} == {"one", "alone"}
    assert len(directory) == 3


@pytest.mark.anyio
async def test_what_has_no_study_or_is_no_primary_copy_is_left_out_and_guesses_are_forgotten_by_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory, upstream = listed([summary("one", 1, ""), summary("two", 1, "1.2.3", isPrimary=False), {"version": 1}])
    await directory.refresh()
    assert len(directory) == 0
    monkeypatch.setattr(module, "_KEEP_UNKNOWN", 1)
    for guess in ("9.1", "9.2"):
        assert await directory.study(guess) == ()
    upstream.pages = [[summary("two", 1, "9.1")]]
    assert await directory.study("9.2") == (), "not asked about again so soon"
    assert [row.image_set_id for row in await directory.study("9.1")] == ["two"], "forgotten, so asked"
