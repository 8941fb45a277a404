"""The short way into the pipeline: the ingestion's own library and the trigger's own snapshot, without the events.

What is left out is the transport (uploads, state machine, HealthImaging, labels table), for people who try one
cohort after the other. De-identification is not left out: the research zone never holds an identifier.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.cloud import Cloud
from local.engine.paths import ROOT
from local.train.labelled import LabelledStudy

if TYPE_CHECKING:
    from image_ingestion.library import DicomLibrary

_FUNCTIONS = [str(ROOT / "lambdas"), str(ROOT / "lambdas" / "shared" / "src")]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One file after validation and de-identification: its facts, or the code for which it was refused."""

    facts: dict[str, Any] | None
    content: bytes
    refusal: str
    pixel_sha256: str = ""


def prepare(path: Path) -> Prepared:
    """Validate and de-identify one file as the ImageIngestion function does (in a worker process)."""
    from image_ingestion.ports import RejectedError

    try:
        data = path.read_bytes()
        facts = _LIBRARY[0].inspect(data)
        clean = _LIBRARY[0].deidentify(data)
        return Prepared(facts=asdict(facts), content=clean.data, refusal="", pixel_sha256=clean.pixel_sha256)
    except RejectedError as refusal:
        return Prepared(facts=None, content=b"", refusal=refusal.code)


_LIBRARY: list[DicomLibrary] = []


def _start_worker(key: str, keep_patient_characteristics: bool) -> None:
    use_functions()
    from image_ingestion.library import DicomLibrary

    _LIBRARY.append(DicomLibrary(lambda: key, keep_patient_characteristics=keep_patient_characteristics))


def use_functions() -> None:
    """Make the functions' packages importable, as they are inside Lambda."""
    sys.path[:0] = [path for path in _FUNCTIONS if path not in sys.path]


def freeze_cohort(
    cloud: Cloud, outputs: dict[str, Any], studies: list[LabelledStudy], progress: Callable[[int], None]
) -> tuple[Any, Counter[str]]:
    """De-identify the cohort into the research zone and freeze a snapshot of it; what was refused, by code."""
    use_functions()
    from lambda_shared.labels import Label
    from lambda_shared.tracking import TrackedImage
    from pipeline_trigger.snapshot import freeze

    secret = cloud.client("secretsmanager").get_secret_value(SecretId=outputs["pseudonym_secret_arn"])["SecretString"]
    function = cloud.client("lambda").get_function_configuration(FunctionName=outputs["image_ingestion_function"])
    kept = function["Environment"]["Variables"]["KEEP_PATIENT_CHARACTERISTICS"] == "true"
    bucket, now = outputs["preprocessed_bucket"], datetime.now(UTC).isoformat().replace("+00:00", "Z")
    labels: dict[str, Label] = {}
    members: dict[str, list[TrackedImage]] = defaultdict(list)
    refused = Counter[str]()
    files = [(study, path) for study in studies for path in study.files]
    with ProcessPoolExecutor(os.cpu_count() or 1, initializer=_start_worker, initargs=(secret, kept)) as pool:
        prepared = pool.map(prepare, [path for _, path in files], chunksize=4)
        for number, ((study, _), one) in enumerate(zip(files, prepared, strict=True), 1):
            progress(number)
            if one.facts is None:
                refused[one.refusal] += 1
                continue
            image = TrackedImage(
                object_id=one.facts["image_key"],
                deid_status="DEIDENTIFIED",
                status="IMPORTED",
                pixel_sha256=one.pixel_sha256,
                processed_key="deidentified/{patient_key}/{study_key}/{image_key}.dcm".format(**one.facts),
                **{name: one.facts[name] for name in ("patient_key", "study_key", "image_key", "modality")},
            )
            cloud.client("s3").put_object(Bucket=bucket, Key=image.processed_key, Body=one.content)
            members[image.study_key].append(image)
            labels[image.study_key] = Label(
                study_key=image.study_key,
                version=1,
                finding=study.finding,
                certainty="definite",
                reader="cohort",
                created_at=now,
                image_count=len(study.files),
            )
    return freeze(labels.values(), members.__getitem__, bucket, now), refused


def start(cloud: Cloud, outputs: dict[str, Any], snapshot: Any) -> str:
    """Write the snapshot and start the pipeline on it, by the trigger's own adapters; the execution's ARN."""
    from pipeline_trigger.adapters import S3SnapshotStore, SageMakerPipeline

    body = json.dumps(snapshot.document, indent=1, sort_keys=True).encode()
    uri = S3SnapshotStore(cloud.client("s3"), outputs["preprocessed_bucket"]).write(snapshot.snapshot_id, body)
    return SageMakerPipeline(cloud.client("sagemaker"), outputs["pipeline_name"], outputs["model_package_group"]).start(
        snapshot.snapshot_id, uri
    )
