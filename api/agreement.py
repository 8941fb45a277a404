"""How far readers agree beyond chance: Cohen's kappa over the rounds that both read blindly.

J. Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960) 37-46.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lambda_shared.labels import Label

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Of two readers, or of one with all others ("*").

    Attributes:
        rounds: pairs of blind reads; a study that is read again counts again.
        observed: share of the rounds with the same finding, 0 to 1.
        kappa: 1 is perfect, 0 is what chance gives; None when chance alone gives full agreement (0/0).
    """

    readers: Pair
    rounds: int
    observed: float
    kappa: float | None


def cohen_kappa(findings: Sequence[Pair]) -> tuple[float, float | None]:
    """Observed agreement and kappa of pairs of findings. Raises ValueError without a pair."""
    if not findings:
        raise ValueError("without a round that both read there is no agreement")
    total = len(findings)
    observed = sum(one == other for one, other in findings) / total
    first, second = Counter(one for one, _ in findings), Counter(other for _, other in findings)
    # in whole numbers, so that "chance gives full agreement" is exact
    by_chance = sum(first[finding] * second[finding] for finding in first)
    if by_chance == total * total:
        return observed, None
    expected = by_chance / (total * total)
    return observed, (observed - expected) / (1 - expected)


def agreements(reads: Iterable[Label]) -> list[Agreement]:
    """Of every two readers who share studies, then of each reader with all others."""
    by_round: dict[str, dict[str, list[Label]]] = defaultdict(lambda: defaultdict(list))
    for read in reads:
        by_round[read.study_key][read.role].append(read)
    pairs: dict[Pair, list[Pair]] = defaultdict(list)
    for roles in by_round.values():
        firsts = sorted(roles["first"], key=lambda read: read.version)
        seconds = sorted(roles["second"], key=lambda read: read.version)
        for one, other in zip(firsts, seconds, strict=False):  # the last round may still wait for its second read
            low, high = sorted((one, other), key=lambda read: read.reader)
            pairs[low.reader, high.reader].append((low.finding, high.finding))
    found = [_agreement(readers, findings) for readers, findings in sorted(pairs.items())]
    for reader in sorted({reader for readers in pairs for reader in readers}):
        own = [
            finding if readers[0] == reader else (finding[1], finding[0])
            for readers, findings in sorted(pairs.items())
            if reader in readers
            for finding in findings
        ]
        found.append(_agreement((reader, "*"), own))
    return found


def _agreement(readers: Pair, findings: Sequence[Pair]) -> Agreement:
    observed, kappa = cohen_kappa(findings)
    return Agreement(readers=readers, rounds=len(findings), observed=observed, kappa=kappa)
