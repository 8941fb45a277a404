"""What a finished import job says of each file: its manifest and the lists beside it, read by their documented layout.

https://docs.aws.amazon.com/healthimaging/latest/devguide/understanding-import-jobs.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from image_ingestion.ports import ImportJob, ObjectStore
from lambda_shared.errors import TransientError


@dataclass(frozen=True, kw_only=True)
class FileOutcome:
    """What became of one file. error is "" for an imported one; failure texts are not kept: they quote files."""

    object_id: str
    image_set_id: str = ""
    is_primary: bool = True
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class JobOutput:
    """Outcomes by object id, and how many files the job warns of (say, a wrong offset table that was repaired)."""

    outcomes: dict[str, FileOutcome]
    warnings: int


def read_output(store: ObjectStore, bucket: str, datastore_id: str, job: ImportJob) -> JobOutput:
    """The job's output folder.

    Raises:
        TransientError: the output is not complete yet: lists are absent, or shorter than the manifest's summary says.
    """
    folder = _folder(bucket, datastore_id, job)
    read = {name: _lines(store, bucket, folder, name) for name in ("success", "failure", "warning")}
    successes = [_success(line) for line in read["success"] or []]
    failures = [_failure(line) for line in read["failure"] or []]
    if job.status == "COMPLETED":
        _check_complete(_summary(store, bucket, folder), read["success"], read["failure"])
    return JobOutput(
        outcomes={outcome.object_id: outcome for outcome in (*failures, *successes)},
        warnings=len(read["warning"] or []),
    )


def _check_complete(summary: dict[str, Any], successes: list[Any] | None, failures: list[Any] | None) -> None:
    if successes is None and failures is None:
        raise TransientError("IMPORT_OUTPUT_MISSING", "the job's output is not readable yet")
    expected = summary.get("numberOfImportedFiles")
    if expected is not None and len(successes or []) < int(expected):
        raise TransientError("IMPORT_OUTPUT_INCOMPLETE", "the job's output has fewer files than its manifest says")


def _folder(bucket: str, datastore_id: str, job: ImportJob) -> str:
    """AWS shows outputS3Uri both with and without the job's own folder; both are accepted."""
    folder = job.output_uri.removeprefix(f"s3://{bucket}/").rstrip("/")
    own = f"{datastore_id}-DicomImport-{job.job_id}"
    return f"{folder}/" if folder.endswith(own) else f"{folder}/{own}/".lstrip("/")


def _summary(store: ObjectStore, bucket: str, folder: str) -> dict[str, Any]:
    data = store.read_if_exists(bucket, f"{folder}job-output-manifest.json")
    return json.loads(data).get("jobSummary", {}) if data else {}


def _lines(store: ObjectStore, bucket: str, folder: str, name: str) -> list[dict[str, Any]] | None:
    data = store.read_if_exists(bucket, f"{folder}{name.upper()}/{name}.ndjson")
    return None if data is None else [json.loads(line) for line in data.splitlines() if line.strip()]


def _object_id(line: dict[str, Any]) -> str:
    """Of an inputFile, which may be a URI, a key, or a path relative to the job's folder."""
    return PurePosixPath(str(line["inputFile"])).stem


def _success(line: dict[str, Any]) -> FileOutcome:
    answer = line["importResponse"]
    return FileOutcome(
        object_id=_object_id(line),
        image_set_id=str(answer["imageSetId"]),
        is_primary=bool(answer.get("isPrimary", True)),
    )


def _failure(line: dict[str, Any]) -> FileOutcome:
    kind = str(line.get("exception", {}).get("exceptionType") or "UnknownException")
    return FileOutcome(object_id=_object_id(line), error=kind[:80])
