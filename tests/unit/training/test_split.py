"""The split is by patient, stratified, deterministic; a leak is refused without naming anybody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.failure import DatasetError, PatientLeakError
from training.split import check_no_leak, patient_digest, split_patients

KEYS = st.text("0123456789abcdef", min_size=32, max_size=32)


@st.composite
def cohorts(draw: st.DrawFn) -> dict[str, int]:
    keys = draw(st.lists(KEYS, min_size=6, max_size=120, unique=True))
    findings = {key: draw(st.integers(0, 1)) for key in keys[6:]}
    return {**findings, **dict.fromkeys(keys[:3], 0), **dict.fromkeys(keys[3:6], 1)}


@settings(deadline=None)
@given(cohorts(), st.integers(0, 2**31), st.floats(0.05, 0.5), st.floats(0.05, 0.5))
def test_everybody_is_on_one_side_and_every_side_has_both_findings(
    findings: dict[str, int], seed: int, test_fraction: float, validation_fraction: float
):
    sides = split_patients(findings, test_fraction=test_fraction, validation_fraction=validation_fraction, seed=seed)
    placed = [patient for members in sides.values() for patient in members]
    assert sorted(placed) == sorted(findings), "nobody is lost and nobody is on two sides"
    for name, members in sides.items():
        assert {findings[patient] for patient in members} == {0, 1}, f"{name} must see both findings"


@settings(deadline=None)
@given(cohorts(), st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_split_depends_on_seed_and_keys_not_on_their_order(findings: dict[str, int], seed: int, random):
    shuffled = list(findings.items())
    random.shuffle(shuffled)
    options = {"test_fraction": 0.2, "validation_fraction": 0.2, "seed": seed}
    assert split_patients(findings, **options) == split_patients(dict(shuffled), **options)


def test_the_test_side_has_the_asked_share_of_each_finding():
    findings = {f"{number:032x}": int(number >= 60) for number in range(100)}
    sides = split_patients(findings, test_fraction=0.2, validation_fraction=0.1, seed=3)
    assert sum(findings[patient] for patient in sides["test"]) == 8
    assert len(sides["test"]) == 20
    assert len(sides["validation"]) == 10


def test_another_seed_draws_other_patients():
    findings = {f"{number:032x}": number % 2 for number in range(60)}
    drawn = {
        split_patients(findings, test_fraction=0.2, validation_fraction=0.2, seed=seed)["test"] for seed in range(5)
    }
    assert len(drawn) == 5


def test_a_growing_cohort_keeps_nearly_everybody_where_they_were():
    before = {f"{number:032x}": number % 2 for number in range(200)}
    after = {**before, **{f"{number:032x}": number % 2 for number in range(200, 210)}}
    options = {"test_fraction": 0.2, "validation_fraction": 0.2, "seed": 1}
    first, second = split_patients(before, **options), split_patients(after, **options)
    moved = sum(patient not in second[name] for name, members in first.items() for patient in members)
    assert moved <= 10


def test_a_finding_of_two_patients_is_refused_with_its_name():
    findings = {"a": 1, "b": 1, "c": 0, "d": 0, "e": 0}
    with pytest.raises(DatasetError, match="2 patients have the finding pneumonia"):
        split_patients(findings, test_fraction=0.2, validation_fraction=0.2, seed=1)


def test_a_leak_is_refused_and_nobody_is_named():
    with pytest.raises(PatientLeakError, match="1 patient") as caught:
        check_no_leak({"train": ["patient-a", "patient-b"], "validation": [], "test": ["patient-b"]})
    assert "patient-b" not in str(caught.value)


def test_the_digest_is_not_the_key():
    assert patient_digest("abc") == patient_digest("abc") != patient_digest("abd")
    assert "abc" not in patient_digest("abc")
