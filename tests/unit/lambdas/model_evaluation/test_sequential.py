"""The sequential test: its errors stay under alpha at every look, exactly and in simulation, and it does decide."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_evaluation.sequential import BETS, Evidence, Study, judged

RATES = st.floats(0, 1, allow_nan=False)
SHARES = st.floats(0.05, 0.95, allow_nan=False)


def wealth(evidence: Evidence, side: int) -> float:
    """Mean over the bets, as of now."""
    return sum(math.exp(logs) for logs in evidence._wealth[side]) / len(BETS)


@settings(max_examples=60, deadline=None)
@given(RATES, RATES, SHARES)
def test_where_nothing_is_better_the_expected_evidence_never_grows(one: float, other: float, share: float) -> None:
    """All outcomes of four studies by their chances: exactly 1 between equals, at most 1 on the wrong side."""
    champion, challenger = max(one, other), min(one, other)
    choices = [
        (Study(challenger=new, agrees=agrees), (share if new else 1 - share) * (rate if agrees else 1 - rate))
        for new, rate in ((True, challenger), (False, champion))
        for agrees in (True, False)
    ]
    expected = [0.0, 0.0]
    for way in itertools.product(choices, repeat=4):
        evidence = Evidence(share=share)
        for study, _ in way:
            evidence.add(study)
        chance = math.prod(chance for _, chance in way)
        expected = [total + chance * wealth(evidence, side) for side, total in enumerate(expected)]
    assert expected[0] <= 1 + 1e-9, "evidence for a challenger that is not better"
    if champion == challenger:
        assert expected == pytest.approx([1, 1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=300), SHARES)
def test_whatever_arrives_the_evidence_is_a_positive_number(ways: list[tuple[bool, bool]], share: float) -> None:
    evidence, _ = judged((Study(challenger=new, agrees=agrees) for new, agrees in ways), share, 1e-12, 10_000)
    assert min(evidence.better, evidence.worse) >= 1
    assert math.isfinite(evidence.better + evidence.worse)
    assert evidence.studies == len(ways) or max(evidence.better, evidence.worse) >= 1e12


def trial(champion: float, challenger: float, *, share: float, alpha: float, most: int, draw: random.Random) -> str:
    """One simulated trial with a look after every study."""

    def studies():
        while True:
            new = draw.random() < share
            yield Study(challenger=new, agrees=draw.random() < (challenger if new else champion))

    return str(judged(studies(), share, alpha, most)[1])


@pytest.mark.parametrize(("rate", "share"), [(0.9, 0.3), (0.7, 0.5)])
def test_between_equals_either_decision_is_rarer_than_alpha_although_one_looks_after_every_study(
    rate: float, share: float
) -> None:
    draw, trials, alpha = random.Random(11), 150, 0.2
    ends = [trial(rate, rate, share=share, alpha=alpha, most=300, draw=draw) for _ in range(trials)]
    allowed = trials * alpha + 3 * math.sqrt(trials * alpha * (1 - alpha))
    assert ends.count("better") <= allowed
    assert ends.count("worse") <= allowed


@pytest.mark.parametrize(("challenger", "outcome"), [(0.95, "better"), (0.6, "worse")])
def test_a_clear_difference_is_found(challenger: float, outcome: str) -> None:
    draw = random.Random(5)
    ends = [trial(0.8, challenger, share=0.3, alpha=0.05, most=1500, draw=draw) for _ in range(20)]
    assert ends.count(outcome) >= 18
    assert set(ends) <= {outcome, "undecided"}


def test_what_comes_after_a_decision_changes_nothing() -> None:
    won = [Study(challenger=new, agrees=new) for new in (True, False) * 60]
    lost = [Study(challenger=new, agrees=not new) for new in (True, False) * 500]
    first, outcome = judged(won, 0.5, 0.05, 2000)
    again, later = judged(won + lost, 0.5, 0.05, 2000)
    assert outcome == later == "better"
    assert first.studies == again.studies < len(won)


def test_after_the_most_studies_a_trial_ends_undecided() -> None:
    same = [Study(challenger=new, agrees=True) for new in (True, False) * 20]
    assert judged(same, 0.5, 0.05, 30)[1] == "undecided"
    assert judged(same, 0.5, 0.05, 2000)[1] is None
