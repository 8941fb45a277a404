"""Options of the receiver, rates, places and metrics: each alone."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest
from pydicom import dcmread

from services.store_scp import command, content, metrics, part10
from services.store_scp.configuration import Naming
from services.store_scp.limits import AddressRates, Places, Rate
from services.store_scp.receiver import CANNOT_UNDERSTAND, DUPLICATE, SUCCESS, Arrival, Receiver
from services.store_scp.spool import Body, Room

CT, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


def receive(store: Any, naming: Naming, image: Any, tools: Any) -> tuple[int, metrics.Row]:
    """The status of an instance under a naming."""
    row = metrics.Board(1).row(0)
    receiver = Receiver(
        store=store, naming=naming, room=Room(memory=1 << 20, disk=1 << 24, threshold=1 << 16, largest=1 << 24), row=row
    )
    request = command.StoreRequest(1, CT, str(image.SOPInstanceUID))
    receiving = receiver.begin(Arrival(request, CT, SYNTAX, "peer"))
    receiving.write(tools.encoded(image))
    return receiver.finish(receiving), row


def test_gzip_and_metadata_and_study_folders_are_options(memory_store: Any, tools: Any) -> None:
    image = tools.instance(64)
    naming = Naming(layout="uid", study_level=True, gzip=True, metadata_prefix="META")
    assert receive(memory_store, naming, image, tools)[0] == SUCCESS
    stem = f"{image.StudyInstanceUID}/{image.SOPInstanceUID}"
    unpacked = dcmread(io.BytesIO(gzip.decompress(memory_store.objects[f"upload/{stem}.dcm.gz"])))
    assert unpacked.SOPInstanceUID == image.SOPInstanceUID
    metadata = json.loads(memory_store.objects[f"META/{stem}.json"])
    assert metadata["00080018"]["Value"] == [image.SOPInstanceUID]
    assert "7FE00010" not in metadata, "pixel data is no metadata"


def test_an_instance_whose_study_cannot_be_read_is_refused_only_where_it_is_needed(
    memory_store: Any, tools: Any
) -> None:
    class Damaged:
        SOPInstanceUID = "1.2.3"

    tools = type("T", (), {"encoded": staticmethod(lambda _image: b"\xff" * 100)})
    study = Naming(layout="uid", study_level=True)
    assert receive(memory_store, study, Damaged, tools)[0] == CANNOT_UNDERSTAND
    assert receive(memory_store, Naming(layout="uid", metadata_prefix="META"), Damaged, tools)[0] == SUCCESS
    assert list(memory_store.objects) == ["upload/1.2.3.dcm"], "kept without metadata, and not lost"


@pytest.mark.parametrize(
    ("layout", "conflicts", "status", "kept"),
    [
        ("uid", "keep-both", SUCCESS, 2),
        ("uid", "refuse", DUPLICATE, 1),
        ("uid", "replace", SUCCESS, 1),
        ("opaque", "keep-both", SUCCESS, 2),
        ("opaque", "refuse", DUPLICATE, 1),
    ],
)
def test_another_content_of_a_known_instance_is_handled_by_policy(
    layout: str, conflicts: str, status: int, kept: int, request: pytest.FixtureRequest
) -> None:
    tools, store = request.getfixturevalue("tools"), request.getfixturevalue("memory_store")
    key = {"key": f"file:{request.getfixturevalue('key_file')}"} if layout == "opaque" else {}
    naming = Naming.model_validate({"layout": layout, "conflicts": conflicts, **key})
    image = tools.instance()
    assert receive(store, naming, image, tools)[0] == SUCCESS
    image.PatientComments = "later"
    assert receive(store, naming, image, tools)[0] == status
    assert len(store.objects) == kept


# limits and metrics ---------------------------------------------------------------------------------------------------
def test_a_rate_lets_through_what_was_agreed() -> None:
    now = [0.0]
    rate = Rate(2.0, clock=lambda: now[0])
    assert [rate.try_take() for _ in range(3)] == [True, True, False]
    now[0] = 1.0
    assert [rate.take() for _ in range(3)] == [0.0, 0.0, 0.5]


def test_addresses_that_call_once_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AddressRates, "REMEMBERED", 3)
    rates = AddressRates(1.0)
    assert rates.allow("10.0.0.0")
    assert not rates.allow("10.0.0.0")
    assert all(rates.allow(f"10.0.0.{number}") for number in range(1, 5))
    assert rates.allow("10.0.0.0"), "remembering every stranger would cost memory"


def test_places_are_counted() -> None:
    places = Places()
    assert places.take("a", 2)
    assert places.take("a", 2)
    assert not places.take("a", 2)
    places.give_back("a")
    assert places.used("a") == 1
    places.give_back("a")
    assert places.used("a") == 0


def test_metrics_are_summed_and_shown_in_both_formats() -> None:
    board = metrics.Board(2)
    board.row(0).add("instances_stored_total", 3)
    board.row(1).add("instances_stored_total", 4)
    board.row(1).set("store_failures_in_a_row", 6)
    totals = board.totals()
    assert totals["instances_stored_total"] == 7
    assert board.failing() == 6
    text = metrics.prometheus(totals, ready=True)
    assert "store_scp_instances_stored_total 7\n" in text
    assert "# TYPE store_scp_connections gauge" in text
    line = json.loads(metrics.emf(totals, {"instances_stored_total": 5}, "Space"))
    assert (line["instances_stored_total"], line["service"]) == (2, "store-scp")
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Space"
    board.row(1).clear_gauges()
    assert board.failing() == 0


@pytest.mark.parametrize("threshold", [1 << 16, 0], ids=["in memory", "spooled"])
def test_an_object_too_large_to_be_read_is_kept_without_metadata(
    memory_store: Any, tools: Any, monkeypatch: pytest.MonkeyPatch, threshold: int
) -> None:
    image = tools.instance()
    body = Body(Room(memory=1 << 20, disk=1 << 24, threshold=threshold, largest=1 << 24))
    body.write(part10.header(CT, str(image.SOPInstanceUID), SYNTAX) + tools.encoded(image))
    assert content.study_of(body) == image.StudyInstanceUID
    monkeypatch.setattr(content, "LARGEST_READ", 100)
    with pytest.raises(content.UnreadableError, match="too large"):
        content.without_bulk(body)
    assert receive(memory_store, Naming(layout="uid", metadata_prefix="META"), image, tools)[0] == SUCCESS
    assert [key for key in memory_store.objects if key.startswith("META")] == []


def test_a_value_that_pydicom_chokes_on_is_told_by_the_errors_kind_alone(tools: Any) -> None:
    """A number that is none: pydicom's own text would quote it."""
    image = tools.instance(SliceThickness="1")
    encoded = tools.encoded(image).replace(b"DS\x02\x001 ", b"DS\x02\x00Q?")
    body = Body(Room(memory=1 << 20, disk=1 << 24, threshold=1 << 16, largest=1 << 24))
    body.write(part10.header(CT, str(image.SOPInstanceUID), SYNTAX) + encoded)
    with pytest.raises(content.UnreadableError) as caught:
        content.without_bulk(body)
    assert "Q?" not in str(caught.value)
