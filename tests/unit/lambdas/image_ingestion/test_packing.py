"""Packing: no job above a limit, every image in one job, studies together, and never many more jobs than needed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_ingestion.packing import MAX_BYTES, MAX_FILES, pack
from lambda_shared.tracking import TrackedImage

STUDIES = st.lists(st.lists(st.integers(0, 120), min_size=1, max_size=12), max_size=12)


def studies_of(sizes: list[list[int]]) -> list[list[TrackedImage]]:
    return [
        [
            TrackedImage(object_id=f"{study:03}-{number:05}", study_key=str(study), size_bytes=size)
            for number, size in enumerate(images)
        ]
        for study, images in enumerate(sizes)
    ]


@given(STUDIES)
def test_every_image_is_in_exactly_one_job_and_no_job_is_above_a_limit(sizes: list[list[int]]) -> None:
    studies = studies_of(sizes)
    jobs = pack(studies, max_files=5, max_bytes=100)
    packed = Counter(image.object_id for job in jobs for image in job)
    assert packed == Counter(image.object_id for study in studies for image in study)
    for job in jobs:
        assert len(job) <= 5
        assert sum(image.size_bytes for image in job) <= 100 or len(job) == 1, "an image above the limit is alone"


@given(STUDIES)
def test_two_jobs_are_never_both_half_empty(sizes: list[list[int]]) -> None:
    jobs = pack(studies_of(sizes), max_files=10**6, max_bytes=100)
    loads = sorted(sum(image.size_bytes for image in job) for job in jobs)
    assert len(loads) < 2 or loads[0] + loads[1] > 100, "they would have fitted together"


@given(STUDIES)
def test_the_same_studies_give_the_same_jobs_in_any_order(sizes: list[list[int]]) -> None:
    studies = studies_of(sizes)
    shuffled = [list(reversed(study)) for study in reversed(studies)]
    names = [[image.object_id for image in job] for job in pack(studies, max_files=5, max_bytes=100)]
    assert names == [[image.object_id for image in job] for job in pack(shuffled, max_files=5, max_bytes=100)]


@pytest.mark.parametrize(
    ("images", "size", "jobs"),
    [(5_000, 1, 1), (5_001, 1, 2), (20, 500_000_000, 1), (21, 500_000_000, 2), (1, 20 * 10**9, 1)],
    ids=["the files of one job", "a file more", "the bytes of one job", "a file more than its bytes", "above alone"],
)
def test_a_large_study_is_cut_at_the_limits_of_the_service(images: int, size: int, jobs: int) -> None:
    assert (MAX_FILES, MAX_BYTES) == (5_000, 10_000_000_000)
    assert len(pack(studies_of([[size] * images]))) == jobs


def test_small_studies_travel_together() -> None:
    assert len(pack(studies_of([[1_000_000] * 40 for _ in range(100)]))) == 1, "4,000 files of 4 GB"
    assert pack([]) == []
