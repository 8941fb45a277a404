"""The endpoint's captured answers of a time window: predictions and appearances, never what was asked.

SageMaker writes JSON lines below <prefix>/<endpoint>/<variant>/yyyy/mm/dd/hh/; a line holds request and answer
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture.html). Of an answer only named numbers and
words are taken over; a line that is no such answer is counted and left.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast

from model_evaluation.ports import CaptureStore

NUMBERS: Final = (
    "probability",
    "intensity_p05",
    "intensity_p25",
    "intensity_p50",
    "intensity_p75",
    "intensity_p95",
    "intensity_spread",
    "spacing_mm",
    "slice_thickness_mm",
)
CATEGORIES: Final = ("finding", "size", "modality", "manufacturer")
"""What is compared; the baseline of training/baseline.py has the same names (contract test)."""
MOST_ANSWERS: Final = 5_000
"""Answers of a window that are read, the newest hours first; more say nothing new about a distribution."""


@dataclass
class Window:
    """What the endpoint answered in a window.

    Attributes:
        images: answers that were read.
        unreadable: captured lines that are no answer of this model.
    """

    images: int = 0
    unreadable: int = 0
    numbers: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    categories: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])

    def add(self, answer: Mapping[str, Any]) -> None:
        """Take one image's answer over."""
        looks: object = answer.get("appearance")
        flat = {**(cast("dict[str, Any]", looks) if isinstance(looks, dict) else {}), **answer}
        self.images += 1
        for name in NUMBERS:
            value = flat.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                self.numbers.setdefault(name, []).append(float(value))
        for name in CATEGORIES:
            if isinstance(flat.get(name), str):
                self.categories.setdefault(name, Counter())[flat[name]] += 1


def read(store: CaptureStore, model_version: int, begin: datetime, end: datetime) -> Window:
    """The answers that one version gave from `begin` on and before `end`."""
    window = Window()
    for hour in hours(begin, end):
        for line in store.lines(hour):
            if window.images >= MOST_ANSWERS:
                return window
            try:
                _take(window, json.loads(line), str(model_version), begin, end)
            except (ValueError, KeyError, TypeError, AttributeError):
                window.unreadable += 1
    return window


def hours(begin: datetime, end: datetime) -> Iterator[datetime]:
    """The full hours that a window touches, the newest first."""
    hour = (end - timedelta(microseconds=1)).replace(minute=0, second=0, microsecond=0)
    while hour + timedelta(hours=1) > begin:
        yield hour
        hour -= timedelta(hours=1)


def _take(window: Window, record: Any, version: str, begin: datetime, end: datetime) -> None:
    moment = datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])
    if not begin <= moment < end:
        return
    body = json.loads(record["captureData"]["endpointOutput"]["data"])
    for answer in body.get("predictions", [body]):
        if answer.get("model_version") == version:
            window.add(answer)
