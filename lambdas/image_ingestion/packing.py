"""Which images go into which import job: as few jobs as the service's limits allow, a study in one where it fits.

HealthImaging takes 5,000 files and 10 GB a job and about one start a second; a job for each small study would let a
morning's worklist wait behind that rate.
https://docs.aws.amazon.com/healthimaging/latest/devguide/endpoints-quotas.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lambda_shared.tracking import TrackedImage

MAX_FILES = 5_000
MAX_BYTES = 10 * 10**9
"""The quota says "10 GB"; the decimal reading is the smaller one, so it is safe under both."""


@dataclass
class _Job:
    images: list[TrackedImage] = field(default_factory=list[TrackedImage])
    size: int = 0

    def fits(self, images: int, size: int, max_files: int, max_bytes: int) -> bool:
        return len(self.images) + images <= max_files and self.size + size <= max_bytes

    def add(self, images: Iterable[TrackedImage]) -> None:
        for image in images:
            self.images.append(image)
            self.size += image.size_bytes


def pack(
    studies: Iterable[list[TrackedImage]], *, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES
) -> list[list[TrackedImage]]:
    """Distribute studies over jobs, largest first into the first job with room (first-fit decreasing).

    A study above a limit is cut into full jobs; an image that alone is above `max_bytes` gets a job of its own, which
    the service then refuses by name. Every image is in exactly one job, and the same input gives the same jobs.
    """
    pieces = [piece for study in studies for piece in _pieces(study, max_files, max_bytes)]
    pieces.sort(key=lambda piece: (-_size(piece), piece[0].object_id))
    jobs: list[_Job] = []
    for piece in pieces:
        size = _size(piece)
        job = next((job for job in jobs if job.fits(len(piece), size, max_files, max_bytes)), None)
        if job is None:
            job = _Job()
            jobs.append(job)
        job.add(piece)
    return [job.images for job in jobs]


def _pieces(study: list[TrackedImage], max_files: int, max_bytes: int) -> Iterator[list[TrackedImage]]:
    current = _Job()
    for image in sorted(study, key=lambda image: image.object_id):
        if current.images and not current.fits(1, image.size_bytes, max_files, max_bytes):
            yield current.images
            current = _Job()
        current.add([image])
    if current.images:
        yield current.images


def _size(images: list[TrackedImage]) -> int:
    return sum(image.size_bytes for image in images)
