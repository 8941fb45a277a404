"""From the scanner to the archive: a DICOM association into the receiver, and what the stack makes of it.

The receiver is the service itself as a process of this machine, over the stack's landing bucket; the sender is
pynetdicom's client.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from local.cloud import Cloud
from local.console import wait_for
from local.demo.watch import FINAL, tracking_items
from local.engine.paths import ROOT
from local.receiver import CALLED, CALLING, configuration
from local.stack import LocalStack
from operations import backfill
from tests.local.chain.conftest import free_port

pytestmark = [pytest.mark.local, pytest.mark.engine]
SLICES = 6


def ct_series(slices: int) -> list[Dataset]:
    """A small CT series of one study."""
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    random = np.random.default_rng(7)
    return [_slice(number, study, series, frame, random) for number in range(slices)]


def _slice(number: int, study: str, series: str, frame: str, random: np.random.Generator) -> Dataset:
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID, made.FrameOfReferenceUID = study, series, frame
    made.PatientID, made.PatientName, made.Modality = "SCP-0001", "Receiver^Case", "CT"
    made.StudyDate, made.StudyTime, made.SeriesNumber, made.InstanceNumber = "20250309", "101112", 1, number + 1
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, -number], [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.SliceThickness = [0.7, 0.7], 1
    made.RescaleIntercept, made.RescaleSlope = -1024, 1
    made.Rows = made.Columns = 64
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.PixelData = random.integers(900, 1300, (64, 64), dtype=np.uint16).tobytes()
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def too_few_pixels() -> Dataset:
    """An image that claims more rows than it has: nothing for a receiver to judge, everything for ingestion."""
    made = ct_series(1)[0]
    made.Rows = 512
    return made


@pytest.fixture(scope="module")
def receiver(stack: LocalStack, out: dict) -> Iterator[int]:
    """Port of the receiver, over the stack's landing bucket."""
    stack.aws.start()
    port = free_port()
    settings = configuration(stack, out["training_data_bucket"], port)
    process = subprocess.Popen(
        [sys.executable, "-m", "services.store_scp", "--config", "env:STORE_SCP_CONFIG"],
        cwd=ROOT,
        env={**os.environ, **stack.client_environment(), "STORE_SCP_CONFIG": settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    line = process.stderr.readline().decode()
    assert "listens" in line, line
    yield port
    process.terminate()
    process.wait(60)


class Scanner:
    """Sends over real associations, and knows which uploads of the stack are its own."""

    def __init__(self, port: int, cloud: Cloud, out: dict) -> None:
        self._port = port
        self._cloud = cloud
        self._out = out

    def send(self, images: list[Dataset]) -> set[str]:
        """One association; every instance acknowledged with success. Answers the uploads that are new."""
        before = self.uploads()
        entity = AE(CALLING)
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", self._port, ae_title=CALLED)
        assert association.is_established
        assert [association.send_c_store(one).Status for one in images] == [0x0000] * len(images)
        association.release()
        return self.uploads() - before

    def uploads(self) -> set[str]:
        """Every key below upload/, read after the association has ended."""
        pages = self._cloud.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self._out["training_data_bucket"], Prefix="upload/")
        return {entry["Key"] for page in found for entry in page.get("Contents", [])}

    def tracked(self, keys: set[str]) -> dict[str, dict]:
        """Items of the tracking table by upload."""
        items = tracking_items(self._cloud, self._out["tracking_table"], keys)
        assert len({item["upload_key"] for item in items}) == len(items), "one item an upload"
        return {item["upload_key"]: item for item in items}

    def settled(self, keys: set[str]) -> dict[str, dict]:
        """The items once all are in a final state."""

        def done() -> dict[str, dict] | None:
            items = self.tracked(keys)
            return items if items.keys() == keys and all(i["status"] in FINAL for i in items.values()) else None

        return wait_for("Every image in a final state", done, seconds=180, every=1)


@pytest.fixture(scope="module")
def scanner(receiver: int, stack: LocalStack, out: dict) -> Scanner:
    return Scanner(receiver, Cloud(stack.aws.start()), out)


@pytest.fixture(scope="module")
def series() -> list[Dataset]:
    return ct_series(SLICES)


@pytest.fixture(scope="module")
def ingested(scanner: Scanner, series: list[Dataset]) -> dict[str, dict]:
    """The series after it was sent once, by upload."""
    keys = scanner.send(series)
    assert len(keys) == SLICES
    return scanner.settled(keys)


def test_a_series_from_a_scanner_is_imported_and_deidentified(ingested: dict[str, dict], cloud: Cloud) -> None:
    assert [item["status"] for item in ingested.values()] == ["IMPORTED"] * SLICES
    outcomes = {(item["deid_status"], item.get("deid_reason", "")) for item in ingested.values()}
    assert outcomes == {("DEIDENTIFIED", "")}
    sets = {(item["datastore_id"], item["image_set_id"]) for item in ingested.values()}
    images = cloud.client("medical-imaging")
    for datastore, image_set in sets:
        assert images.get_image_set(datastoreId=datastore, imageSetId=image_set)["imageSetState"] == "ACTIVE"


def test_a_series_that_is_sent_again_changes_nothing(
    ingested: dict[str, dict], scanner: Scanner, series: list[Dataset], cloud: Cloud, out: dict
) -> None:
    assert scanner.send(series) == set(), "the same content has the same name"
    versions = cloud.client("s3").list_object_versions(Bucket=out["training_data_bucket"], Prefix="upload/")["Versions"]
    mine = [one["Key"] for one in versions if one["Key"] in ingested]
    assert sorted(mine) == sorted(ingested), "one version each"
    assert scanner.tracked(set(ingested)) == ingested


def test_a_hostile_image_lies_in_quarantine_with_its_reason(scanner: Scanner, cloud: Cloud, out: dict) -> None:
    ((key, item),) = scanner.settled(scanner.send([too_few_pixels()])).items()
    assert item["status"] == "QUARANTINED"
    assert item["reason_code"]
    s3, bucket = cloud.client("s3"), out["training_data_bucket"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="quarantine/")["Contents"]
    (reason,) = [e["Key"] for e in listed if item["object_id"] in e["Key"] and e["Key"].endswith(".reason.json")]
    told = json.loads(s3.get_object(Bucket=bucket, Key=reason)["Body"].read())
    assert item["reason_code"] in json.dumps(told)
    assert "SCP-0001" not in json.dumps(told), "no identifier in a reason"
    s3.head_object(Bucket=bucket, Key=key)


def test_a_back_fill_ingests_what_no_event_told_of_and_leaves_the_rest(
    ingested: dict[str, dict], scanner: Scanner, cloud: Cloud, out: dict
) -> None:
    """The rule is off while images arrive, as it was before the platform was there."""
    events, prefix = cloud.client("events"), "healthcare-imaging-mlops-local"
    events.disable_rule(Name=f"{prefix}-dicom-uploaded")
    try:
        missed = scanner.send(ct_series(2))
    finally:
        events.enable_rule(Name=f"{prefix}-dicom-uploaded")
    assert len(missed) == 2
    assert scanner.tracked(missed) == {}
    machines = cloud.client("stepfunctions")
    (arn,) = [
        one["stateMachineArn"]
        for one in machines.list_state_machines()["stateMachines"]
        if one["name"] == f"{prefix}-backfill"
    ]
    ended = backfill.follow(machines, backfill.start(machines, arn, prefix="upload/"), lambda _: None, pause=1)
    assert ended.status == "SUCCEEDED"
    assert ended.objects["succeeded"] == ended.objects["total"] == len(scanner.uploads())
    assert {item["status"] for item in scanner.settled(missed).values()} == {"IMPORTED"}
    assert scanner.tracked(set(ingested)) == ingested, "what was ingested stays as it is"
