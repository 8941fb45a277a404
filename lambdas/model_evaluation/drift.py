"""Do the model in service and its images still look as they did when the model was judged?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from lambda_shared.clock import Clock, iso
from lambda_shared.events.models import MetricViolation
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.metrics import Meter
from model_evaluation import captures
from model_evaluation.captures import Window
from model_evaluation.distance import bins_of, counted, kolmogorov_smirnov, ks_chance, psi, psi_chance, side_by_side
from model_evaluation.ports import Artifacts, CaptureStore, MetricsTable, ModelPackage, Registry

SCHEMA: Final = "drift-baseline/1"
PARTITION: Final = "drift"
METRIC_PREFIX: Final = "drift:"
BASELINE_FILE: Final = "baseline.json"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a figure counts as drifted.

    Attributes:
        window_hours: how far back the check looks.
        min_images: answers under which nothing is concluded.
        psi: smallest population stability index that matters.
        significance: chance of a false alarm that a whole check may have, over all its figures.
    """

    window_hours: int
    min_images: int
    psi: float
    significance: float


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of the window against the baseline. ks is None for a category."""

    name: str
    psi: float
    ks: float | None
    chance: float
    drifted: bool


@dataclass(frozen=True, kw_only=True)
class DriftCheck:
    """The scheduled check over its ports."""

    registry: Registry
    artifacts: Artifacts
    captures: CaptureStore
    table: MetricsTable
    publisher: Publisher
    meter: Meter
    clock: Clock
    limits: Limits

    def run(self, since: datetime | None = None) -> dict[str, Any]:
        """Compare the last hours, or all since a moment, with the baseline; a violation is told to the platform."""
        package = self.registry.in_service()
        if package is None:
            return {"decision": "nothing-in-service"}
        baseline = json.loads(self.artifacts.read(_baseline_uri(package)))
        if baseline.get("schema") != SCHEMA:
            return {"decision": "no-baseline", "model_version": package.version}
        end = self.clock.now()
        begin = since or end - timedelta(hours=self.limits.window_hours)
        window = captures.read(self.captures, package.version, begin, end)
        self.meter.count("DriftWindowImages", window.images)
        if window.images < self.limits.min_images:
            return self._told(package, window, "too-few-images", [])
        figures = compare(baseline, window, self.limits)
        drifted = sorted((one for one in figures if one.drifted), key=lambda one: -one.psi)
        self.meter.count("DriftedFigures", len(drifted))
        self.meter.count("DriftLargestPsi", max((one.psi for one in figures), default=0.0), "None")
        if drifted:
            self._violation(package, window, figures, drifted)
        return self._told(package, window, "drift" if drifted else "stable", figures)

    def _violation(self, package: ModelPackage, window: Window, figures: list[Figure], drifted: list[Figure]) -> None:
        worst, names = drifted[0], ", ".join(one.name for one in drifted)
        event = MetricViolation(
            subject=package.arn,
            metric=f"{METRIC_PREFIX}{worst.name}",
            value=round(worst.psi, 6),
            threshold=self.limits.psi,
            detail=f"{len(drifted)} of {len(figures)} figures of {window.images} images differ from the baseline of "
            f"the model in service: {names}.",
        )
        hour = self.clock.now().strftime("%Y-%m-%dT%H")
        self.publisher.publish(event, deterministic_event_id("Drift", package.arn, worst.name, hour))

    def _told(self, package: ModelPackage, window: Window, decision: str, figures: list[Figure]) -> dict[str, Any]:
        values: dict[str, Any] = {
            "decision": decision,
            "version": package.version,
            "images": window.images,
            "unreadable": window.unreadable,
            **{f"psi_{one.name}": float(one.psi) for one in figures},
        }
        self.table.write(PARTITION, iso(self.clock.now()), values)
        return {
            "decision": decision,
            "model_version": package.version,
            "images": window.images,
            "unreadable": window.unreadable,
            "figures": [
                {"name": one.name, "psi": round(one.psi, 4), "chance": round(one.chance, 6), "drifted": one.drifted}
                for one in figures
            ],
        }


def _baseline_uri(package: ModelPackage) -> str:
    """Beside the report of the pipeline."""
    return f"{package.evaluation_uri.rpartition('/')[0]}/{BASELINE_FILE}"


def compare(baseline: dict[str, Any], window: Window, limits: Limits) -> list[Figure]:
    """Every figure that both sides have, in a fixed order.

    Images of one patient resemble each other, so a side counts as many independent cases as the baseline had patients
    an image: a scan of 300 slices is no proof that the scanner changed. The chance that a check may be wrong is
    divided by the number of figures (Bonferroni).
    """
    asked: list[tuple[str, Any, dict[str, Any]]] = []
    for part in (baseline.get("predictions", {}), baseline.get("images", {})):
        asked += [(name, was, part) for name, was in part.get("numbers", {}).items() if window.numbers.get(name)]
        asked += [(name, was, part) for name, was in part.get("categories", {}).items() if window.categories.get(name)]
    allowed = limits.significance / max(len(asked), 1)
    found: list[Figure] = []
    for name, was, part in asked:
        ks: float | None = None
        if name in captures.NUMBERS:
            size, chance, ks = _number(was, window.numbers[name], _independent(part))
        elif name in captures.CATEGORIES:
            size, chance = _category(was, window.categories[name], _independent(part))
        else:
            continue
        found.append(Figure(name=name, psi=size, ks=ks, chance=chance, drifted=size >= limits.psi and chance < allowed))
    return found


Independent = tuple[float, float]
"""Independent cases of the baseline, and how many one image of the window stands for (0 to 1)."""


def _independent(part: dict[str, Any]) -> Independent:
    images = max(float(part.get("images", 0)), 1.0)
    patients = min(max(float(part.get("patients", 0)), 1.0), images)
    return patients, patients / images


def _number(sketch: list[float], values: list[float], independent: Independent) -> tuple[float, float, float]:
    """PSI over the baseline's deciles, the chance of the Kolmogorov-Smirnov distance, and that distance."""
    edges = bins_of(sketch)
    apart = kolmogorov_smirnov(sketch, values)
    # the sketch's 101 percentiles stand for the baseline's cases; only the shares matter
    first, second = independent[0], max(len(values) * independent[1], 1.0)
    was = [count * first / len(sketch) for count in counted(sketch, edges)]
    now = [count * second / len(values) for count in counted(values, edges)]
    return psi(was, now), ks_chance(apart, first, second), apart


def _category(counts: dict[str, int], seen: dict[str, int], independent: Independent) -> tuple[float, float]:
    """PSI over the words of both sides, and its chance."""
    first, second = independent[0], max(sum(seen.values()) * independent[1], 1.0)
    before, after = max(sum(counts.values()), 1), sum(seen.values())
    was, now = side_by_side(
        {word: count * first / before for word, count in counts.items()},
        {word: count * second / after for word, count in seen.items()},
    )
    size = psi(was, now)
    return size, psi_chance(size, len(was), first, second)
