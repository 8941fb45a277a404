"""Bounds on what a DICOM object may ask of the process that reads it."""

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Each bound is checked before the memory or the time it protects is spent.

    Attributes:
        max_bytes: largest object read, in bytes as stored.
        max_inflated_bytes: largest data set after inflating a deflated one (PS3.5 A.5), in bytes.
        max_inflate_ratio: largest ratio of inflated to stored bytes; real images stay below 100.
        max_depth: deepest nesting of sequences; pydicom's own recursion fails near 400.
        max_elements: most data elements in one object, all levels together.
        max_pixel_bytes: largest decoded pixel matrix, rows x columns x samples x frames x bytes.
    """

    max_bytes: int = 512 * MEBIBYTE
    max_inflated_bytes: int = 256 * MEBIBYTE
    max_inflate_ratio: int = 200
    max_depth: int = 64
    max_elements: int = 500_000
    max_pixel_bytes: int = 2048 * MEBIBYTE


DEFAULT_LIMITS = Limits()
