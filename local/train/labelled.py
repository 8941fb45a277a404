"""A folder of DICOM studies with labels.csv (study_instance_uid, label, optionally reader): read and checked.

Every mistake is told before anything is uploaded, with the line of labels.csv. Files of studies without a label are
left where they are. Identifiers stay on this machine: messages name lines of labels.csv and counts, never a patient.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pydicom
from pydicom.errors import InvalidDicomError

from local.console import GaveUpError

Finding = Literal["pneumonia", "normal"]
FINDINGS: dict[str, Finding] = {
    **dict.fromkeys(("pneumonia", "positive", "1", "true", "yes"), "pneumonia"),
    **dict.fromkeys(("normal", "negative", "0", "false", "no"), "normal"),
}
COLUMNS = ("study_instance_uid", "label")


@dataclass(frozen=True, kw_only=True)
class LabelledStudy:
    """One study of the cohort.

    Attributes:
        findings: reader -> finding; the reader is "" where the file names none.
    """

    uid: str
    files: tuple[Path, ...]
    findings: dict[str, Finding]

    @property
    def agreed(self) -> bool:
        """Whether all readers say the same: a study on which they differ needs a third reader before it can train."""
        return len(set(self.findings.values())) == 1

    @property
    def finding(self) -> Finding:
        """What the readers agree on."""
        return next(iter(self.findings.values()))


def read_cohort(folder: Path) -> list[LabelledStudy]:
    """The labelled studies with their files, in the order of labels.csv.

    Raises:
        GaveUpError: no labels.csv, a column, label or study that is not there, a study with two labels of one reader.
    """
    labels = read_labels(folder / "labels.csv")
    files = files_by_study(folder)
    missing = [uid for uid in labels if uid not in files]
    if missing:
        lines = sorted(number for uid in missing for number, _, _ in labels[uid])
        raise GaveUpError(
            f"labels.csv names {len(missing)} studies of which {folder} has no DICOM file "
            f"(line {', '.join(map(str, lines[:5]))}{', ...' if len(lines) > 5 else ''})"
        )
    return [
        LabelledStudy(
            uid=uid, files=tuple(sorted(files[uid])), findings={reader: finding for _, reader, finding in said}
        )
        for uid, said in labels.items()
    ]


def read_labels(path: Path) -> dict[str, list[tuple[int, str, Finding]]]:
    """study UID -> [(line, reader, finding)] of labels.csv; a comma, semicolon or tab separates."""
    if not path.is_file():
        raise GaveUpError(f"{path} is not there: a cohort is a folder of DICOM studies with labels.csv in it")
    text = path.read_text(encoding="utf-8-sig")
    header = text.splitlines()[0] if text.strip() else ""
    separator = next((mark for mark in ("\t", ";") if mark in header), ",")
    rows = csv.DictReader(text.splitlines(), delimiter=separator)
    names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    absent = [column for column in COLUMNS if column not in names]
    if absent:
        raise GaveUpError(f"labels.csv has no column {absent[0]}; it needs {', '.join(COLUMNS)}, and may have reader")
    found: dict[str, list[tuple[int, str, Finding]]] = defaultdict(list)
    for number, row in enumerate(rows, 2):
        uid, label = ((row[names[column]] or "").strip() for column in COLUMNS)
        reader = (row[names["reader"]] or "").strip() if "reader" in names else ""
        if not uid and not label:
            continue
        if label.lower() not in FINDINGS:
            raise GaveUpError(f"labels.csv line {number}: the label must be pneumonia or normal (or 1 or 0)")
        if any(known == reader for _, known, _ in found[uid]):
            raise GaveUpError(f"labels.csv line {number}: this reader labelled this study before")
        found[uid].append((number, reader, FINDINGS[label.lower()]))
    if not found:
        raise GaveUpError("labels.csv holds no label")
    return dict(found)


def files_by_study(folder: Path) -> dict[str, list[Path]]:
    """Study UID -> its files, wherever they lie below the folder; what is no DICOM file is passed over."""
    found: dict[str, list[Path]] = defaultdict(list)
    candidates = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "labels.csv"]
    with ThreadPoolExecutor(4) as pool:
        for path, uid in zip(candidates, pool.map(_study_uid, candidates), strict=True):
            if uid:
                found[uid].append(path)
    return found


def _study_uid(path: Path) -> str:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["StudyInstanceUID"])
    except (InvalidDicomError, EOFError, OSError):
        return ""
    return str(header.get("StudyInstanceUID", ""))
