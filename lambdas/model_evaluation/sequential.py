"""Is the challenger better than the champion, or worse, judged whenever a truth arrives? Standard library only.

A mixture sequential test, exact at any sample size and however often one looks. The endpoint draws each study's variant
at random with known shares, so with Y = 1 where the answer agrees with the reader, w the challenger's share and m a
guess of Y from earlier studies alone,

    X = (Y - m) / w            where the challenger answered,
    X = -(Y - m) / (1 - w)     where the champion did,

has as its mean the difference of both agreement rates, whatever m is (augmented inverse propensity weighting). Under
"the challenger is not better" the product of 1 + b X over the studies is a supermartingale for any bet b that keeps it
positive, and so is the mean over several bets. By Ville's inequality it ever reaches 1/alpha with a chance of at most
alpha. With -X the same judges "the challenger is not worse".

H. Robbins, Statistical methods related to the law of the iterated logarithm, Ann. Math. Stat. 41 (1970) 1397-1409
(mixtures); I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by betting, J. R. Stat. Soc. B 86
(2024) 1-27; I. Waudby-Smith, L. Wu, A. Ramdas, N. Karampatziakis, P. Mineiro, Anytime-valid off-policy inference for
contextual bandits (2022, the weighting). Error rates and sample sizes by simulation: python -m bench.trial.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

BETS: Final = (0.05, 0.1, 0.2, 0.35, 0.55, 0.8)
"""Shares of the largest bet that keeps every factor positive: small ones find small differences, later."""
PRIOR: Final = (9.0, 1.0)
"""Agreements and disagreements that the first guess of the agreement rate is made of."""

Outcome = Literal["better", "worse", "undecided"]


@dataclass(frozen=True)
class Study:
    """One study whose truth is known: which arm answered, and whether the answer agrees with the readers."""

    challenger: bool
    agrees: bool


@dataclass(kw_only=True)
class Evidence:
    """What the studies of a trial say so far.

    Attributes:
        share: of the requests that the challenger answers, 0 < share < 1.
        champion, challenger: studies and agreements of each arm.
        better, worse: largest evidence so far for each; 1/alpha is enough.
    """

    share: float
    champion: list[int] = field(default_factory=lambda: [0, 0])
    challenger: list[int] = field(default_factory=lambda: [0, 0])
    better: float = 1.0
    worse: float = 1.0
    _wealth: list[list[float]] = field(default_factory=lambda: [[0.0] * len(BETS), [0.0] * len(BETS)])

    @property
    def studies(self) -> int:
        """Studies whose truth is known."""
        return self.champion[0] + self.challenger[0]

    def add(self, study: Study) -> None:
        """Take one study over; studies come in the order in which their truths arrived."""
        agreements = self.champion[1] + self.challenger[1]
        guess = (agreements + PRIOR[0]) / (self.studies + sum(PRIOR))
        moved = (study.agrees - guess) / (self.share if study.challenger else self.share - 1)
        largest = min(self.share, 1 - self.share)  # |X| is at most 1/largest
        for logs, sign in zip(self._wealth, (1.0, -1.0), strict=True):
            for place, bet in enumerate(BETS):
                logs[place] += math.log1p(bet * largest * sign * moved)
        arm = self.challenger if study.challenger else self.champion
        arm[0] += 1
        arm[1] += study.agrees
        self.better = max(self.better, _mean(self._wealth[0]))
        self.worse = max(self.worse, _mean(self._wealth[1]))


def judged(studies: Iterable[Study], share: float, alpha: float, most: int) -> tuple[Evidence, Outcome | None]:
    """The evidence of a trial, and how it ends: None as long as more studies may decide it.

    What comes after the decision changes nothing, so that judging again later says the same.

    Args:
        share: of the requests that the challenger answers. alpha: chance of either wrong decision. most: studies
            after which a trial without a decision ends.
    """
    evidence = Evidence(share=share)
    for study in studies:
        evidence.add(study)
        if evidence.worse >= 1 / alpha:  # asked first: where both could be said, patients go first
            return evidence, "worse"
        if evidence.better >= 1 / alpha:
            return evidence, "better"
        if evidence.studies >= most:
            return evidence, "undecided"
    return evidence, None


def _mean(logs: Sequence[float]) -> float:
    """Mean of the exponentials, without overflow; huge values are cut, since 1/alpha is all that is asked."""
    top = max(logs)
    return math.exp(min(top + math.log(sum(math.exp(one - top) for one in logs) / len(logs)), 300.0))
