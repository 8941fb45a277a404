"""A drift drill: images of other patients of the same scanner are no drift, brighter ones are told to people.

Needs a model in service (`make train COHORT=DIR FAST=1` brings one). Sends every CT slice of an invented cohort to the
endpoint, has the drift check look at what was captured since, and does it again with Hounsfield units shifted, as
after a scanner that was calibrated wrongly.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydicom

if TYPE_CHECKING:
    from tools.drills import Drill

COHORT = Path(".cache/drift-drill")
PATIENTS, SLICES, SEED = 24, 3, 909
SHIFT_HU = 150.0
CAPTURE_SECONDS = 600
"""SageMaker writes captured data within minutes; the local endpoint within seconds."""


def run(drill: Drill) -> None:
    """The whole drill."""
    images = [path.read_bytes() for path in sorted(_cohort().glob("patient-*/*.dcm"))]
    _alerts(drill)  # what was told before is not of this drill
    told = _judged(drill, images)
    drill.expect(f"{told['images']} unshifted images are stable", _figures(told), good=told["decision"] == "stable")
    found = _told_within(drill, seconds=10)
    drill.expect("nobody is told", "".join(found) or "nothing", good=not found)
    told = _judged(drill, [_shifted(content) for content in images])
    moved = [one["name"] for one in told["figures"] if one["drifted"]]
    drill.expect(
        f"{told['images']} images {SHIFT_HU:+g} HU are a drift of intensities",
        _figures(told),
        good=told["decision"] == "drift" and any(name.startswith("intensity") for name in moved),
    )
    if drill.outputs.get("alerts_inbox_url"):
        found = _told_within(drill, seconds=60)
        drill.expect("people are told which figures", "".join(found)[:300], good=any(moved[0] in one for one in found))


def _cohort() -> Path:
    """Invented patients, made once."""
    if not (COHORT / "labels.csv").is_file():
        command = [sys.executable, "-m", "local.cohort", "--out", str(COHORT), "--cache", ".cache"]
        command += ["--patients", str(PATIENTS), "--slices-per-patient", str(SLICES), "--seed", str(SEED)]
        subprocess.run([*command, "--finding-mm2", "2000"], check=True)
    return COHORT


def _shifted(content: bytes) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.RescaleIntercept = float(dataset.RescaleIntercept) + SHIFT_HU
    written = io.BytesIO()
    dataset.save_as(written)
    return written.getvalue()


def _judged(drill: Drill, images: list[bytes]) -> dict[str, Any]:
    """Send the images, and let the drift check look at them as soon as all are captured."""
    begin = datetime.now(UTC).replace(microsecond=0)
    time.sleep(1)  # a capture's time has no fractions
    runtime, name = drill.client("sagemaker-runtime"), drill.outputs["endpoint_name"]
    for content in images:
        runtime.invoke_endpoint(EndpointName=name, ContentType="application/dicom", Body=content)["Body"].read()
    time.sleep(1)
    end = time.monotonic() + CAPTURE_SECONDS
    while (told := _check(drill, begin))["images"] < len(images) and time.monotonic() < end:
        time.sleep(5)
    return told


def _check(drill: Drill, since: datetime) -> dict[str, Any]:
    body = json.dumps({"operation": "drift", "since": since.isoformat()})
    function = drill.outputs["model_evaluation_function"]
    answer = drill.client("lambda").invoke(FunctionName=function, Payload=body.encode())
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer or "images" not in told:
        raise SystemExit(f"the drift check cannot be made: {told}. A model must be in service: make train FAST=1")
    return told


def _figures(told: dict[str, Any]) -> str:
    rows = [f"{one['name']} PSI {one['psi']}{' DRIFT' if one['drifted'] else ''}" for one in told["figures"]]
    return f"{told['decision']}: {', '.join(rows)}"


def _alerts(drill: Drill) -> list[str]:
    """What people were told about drift, taken out of the inbox."""
    url = drill.outputs.get("alerts_inbox_url")
    if not url:
        return []
    queue, found = drill.client("sqs"), list[str]()
    while messages := queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            found.append(str(json.loads(message["Body"])["Message"]))
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [text for text in found if "drift:" in text]


def _told_within(drill: Drill, *, seconds: float) -> list[str]:
    end, found = time.monotonic() + seconds, _alerts(drill)
    while not found and time.monotonic() < end:
        found = _alerts(drill)
    return found
