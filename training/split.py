"""Split by patient: nobody is on two sides, every side has both findings, the same seed gives the same sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from training.failure import DatasetError, PatientLeakError
from training.names import FINDINGS, SPLITS


def split_patients(
    findings: Mapping[str, int], *, test_fraction: float, validation_fraction: float, seed: int
) -> dict[str, tuple[str, ...]]:
    """Patients of train, validation and test, drawn per finding in the order of a seeded hash.

    A patient's place depends on the seed and the key alone (and, at the borders, on how many others there are), so a
    growing cohort keeps nearly everybody where they were.

    Args:
        findings: patient_key -> 1 if any of the patient's studies shows pneumonia, else 0.
        test_fraction, validation_fraction: shares of each finding's patients, rounded, at least one patient.

    Raises:
        DatasetError: a finding has fewer than three patients, so that some side would lack it.
    """
    sides: dict[str, list[str]] = {name: [] for name in SPLITS}
    for label, finding in enumerate(FINDINGS):
        patients = sorted(
            (patient for patient, found in findings.items() if found == label), key=lambda key: _rank(key, seed)
        )
        if len(patients) < len(SPLITS):
            raise DatasetError(
                f"{len(patients)} patients have the finding {finding}: at least {len(SPLITS)} are needed, "
                "so that train, validation and test each see it"
            )
        test = max(1, round(len(patients) * test_fraction))
        validation = max(1, round(len(patients) * validation_fraction))
        if test + validation >= len(patients):
            test, validation = 1, 1
        sides["test"] += patients[:test]
        sides["validation"] += patients[test : test + validation]
        sides["train"] += patients[test + validation :]
    return {name: tuple(sorted(patients)) for name, patients in sides.items()}


def _rank(patient_key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{patient_key}".encode()).digest()


def check_no_leak(sides: Mapping[str, Iterable[str]]) -> None:
    """Raise PatientLeakError if a patient is on two sides; the sentence gives the number, never a key."""
    names = list(sides)
    sets = {name: set(sides[name]) for name in names}
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            shared = len(sets[first] & sets[second])
            if shared:
                raise PatientLeakError(
                    f"{shared} patient(s) are in both {first} and {second}: the split must be by patient"
                )


def patient_digest(patient_key: str) -> str:
    """A patient in the model's metadata: enough to recognise a leak, of no other use."""
    return hashlib.sha256(f"seen:{patient_key}".encode()).hexdigest()
