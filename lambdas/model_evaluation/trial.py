"""The trial of two versions on the endpoint: what they answered against what the readers found later.

A study counts once. Its arm is the variant that answered its first request (a caller sends the study's other images
there, services/ai_results), its answer the mean probability of its images, and its truth the first verified label after
that. The readers must not know the answer, or they would agree with it. Studies are judged in the order of their
labels, so that a later look only adds to an earlier one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from statistics import fmean
from typing import Any, Final

from lambda_shared.clock import Clock, iso
from lambda_shared.events.models import TrialDecided
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.labels import Label
from lambda_shared.metrics import Meter
from model_evaluation.captures import hours
from model_evaluation.ports import CaptureStore, Endpoint, MetricsTable, Trial, VerifiedLabels
from model_evaluation.sequential import Evidence, Study, judged

PARTITION: Final = "trial"
MOST_LINES: Final = 50_000
"""Captured lines that a look reads, the oldest first."""
POSITIVE: Final = "pneumonia"


@dataclass(kw_only=True)
class Answered:
    """The answers about one study.

    Attributes:
        first_at: the first answer's time, whose version is the study's arm.
        given: time, version and probability of each answer.
    """

    first_at: datetime
    version: int
    threshold: float
    given: list[tuple[datetime, int, float]] = field(default_factory=list[tuple[datetime, int, float]])

    def finding_before(self, moment: datetime) -> str:
        """The study's finding by its arm's answers before a moment."""
        scores = [score for at, version, score in self.given if version == self.version and at < moment]
        return POSITIVE if fmean(scores) >= self.threshold else "normal"


@dataclass(frozen=True, kw_only=True)
class TrialCheck:
    """The scheduled look over its ports.

    Attributes:
        alpha: chance of promoting a challenger that is not better, and of taking back one that is not worse.
        most: studies after which a trial without a decision ends.
    """

    endpoint: Endpoint
    captures: CaptureStore
    labels: VerifiedLabels
    table: MetricsTable
    publisher: Publisher
    meter: Meter
    clock: Clock
    alpha: float
    most: int

    def run(self, *, dry_run: bool = False) -> dict[str, Any]:
        """Judge the trial that is under way; a decision is told to the platform unless this is a dry run."""
        trial = self.endpoint.trial()
        if trial is None:
            return {"decision": "no-trial"}
        studies, unreadable = self._studies(trial)
        evidence, outcome = judged(studies, trial.share, self.alpha, self.most)
        told = {
            "decision": outcome or "continues",
            "champion": _arm(trial.champion, evidence.champion),
            "challenger": _arm(trial.challenger, evidence.challenger),
            "since": iso(trial.since),
            "share": trial.share,
            "studies": evidence.studies,
            "most_studies": self.most,
            "evidence_better": round(evidence.better, 4),
            "evidence_worse": round(evidence.worse, 4),
            "evidence_needed": round(1 / self.alpha, 4),
            "unreadable": unreadable,
        }
        if not dry_run:
            self._tell(trial, told, evidence, outcome)
        return told

    def _tell(self, trial: Trial, told: dict[str, Any], evidence: Evidence, outcome: Any) -> None:
        arms = {arm: json.dumps(told[arm]) for arm in ("champion", "challenger")}
        self.table.write(PARTITION, iso(self.clock.now()), {**told, **arms})
        self.meter.count("TrialStudies", evidence.studies)
        if outcome is None:
            return
        event = TrialDecided(
            outcome=outcome,
            champion_version=trial.champion,
            challenger_version=trial.challenger,
            studies=evidence.studies,
            champion_agreement=told["champion"]["agreement"],
            challenger_agreement=told["challenger"]["agreement"],
            evidence=round(evidence.worse if outcome == "worse" else evidence.better, 4),
        )
        self.publisher.publish(event, deterministic_event_id("TrialDecided", str(trial), outcome))

    def _studies(self, trial: Trial) -> tuple[Iterator[Study], int]:
        answered, unreadable = answers(self._lines(trial), trial)
        return truths(answered, self.labels.verified_since(iso(trial.since)), trial.challenger), unreadable

    def _lines(self, trial: Trial) -> Iterator[str]:
        left = MOST_LINES
        for hour in reversed(list(hours(trial.since, self.clock.now()))):
            for line in self.captures.lines(hour):
                if left == 0:
                    return
                left -= 1
                yield line


def answers(lines: Iterable[str], trial: Trial) -> tuple[dict[str, Answered], int]:
    """The trial's answers by study, and how many lines are no such answers.

    The caller names the study by its pseudonym in the request's inference id, which the endpoint captures
    (InvokeEndpoint, InferenceId); a line without one is of no study that could be compared.
    """
    found: dict[str, Answered] = {}
    unreadable = 0
    for line in lines:
        try:
            record = json.loads(line)
            study = record["eventMetadata"].get("inferenceId")
            at = datetime.fromisoformat(record["eventMetadata"]["inferenceTime"])
            body = json.loads(record["captureData"]["endpointOutput"]["data"])
            given = [
                (int(one["model_version"]), float(one["probability"]), float(one["threshold"])) for one in _of(body)
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            unreadable += 1
            continue
        if not study or at < trial.since:
            continue
        for version, score, threshold in given:
            if version in (trial.champion, trial.challenger):
                _add(found, str(study), Answered(first_at=at, version=version, threshold=threshold), score)
    return found, unreadable


def _of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings of an answer; a heat map is none."""
    return [] if "explanations" in body else body.get("predictions", [body])


def _add(found: dict[str, Answered], study: str, answer: Answered, score: float) -> None:
    known = found.setdefault(study, answer)
    if answer.first_at < known.first_at:  # files of one hour are in no order
        known.first_at, known.version, known.threshold = answer.first_at, answer.version, answer.threshold
    known.given.append((answer.first_at, answer.version, score))


def truths(answered: dict[str, Answered], labels: Iterable[Label], challenger: int) -> Iterator[Study]:
    """The studies whose truth came after their answer, in the order of the truths."""
    counted: set[str] = set()
    for label in sorted(labels, key=lambda one: (one.created_at, one.study_key, one.version)):
        answer, at = answered.get(label.study_key), datetime.fromisoformat(label.created_at)
        if answer is None or label.study_key in counted or at <= answer.first_at:
            continue
        counted.add(label.study_key)
        agrees = answer.finding_before(at) == label.finding
        yield Study(challenger=answer.version == challenger, agrees=agrees)


def _arm(version: int, counts: list[int]) -> dict[str, Any]:
    studies, agreements = counts
    rate = round(agreements / studies, 6) if studies else 0.0
    return {"version": version, "studies": studies, "agreements": agreements, "agreement": rate}
