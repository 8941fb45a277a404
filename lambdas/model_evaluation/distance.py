"""How far two distributions are apart, and whether chance alone would explain it. Standard library only.

PSI: population stability index, the symmetric Kullback-Leibler divergence of binned shares; by convention 0.1 is a
change to look at and 0.25 one to act on. From one and the same distribution it behaves as (1/n + 1/m) times a
chi-squared of bins - 1 degrees (Yurdakul and Naranjo, Journal of Risk Model Validation 2020), so small samples reach
0.25 by chance: a size is never judged without its probability.
KS: Kolmogorov-Smirnov, the largest distance of two distribution functions.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from statistics import NormalDist

HALF_A_CASE = 0.5
"""Added to every bin (Jeffreys): an empty bin must not make the index infinite."""
DECILES = range(10, 100, 10)


def psi(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Population stability index of two counts over the same bins."""
    bins = len(expected)
    all_expected = sum(expected) + HALF_A_CASE * bins
    all_actual = sum(actual) + HALF_A_CASE * bins
    shares = [
        ((was + HALF_A_CASE) / all_expected, (now + HALF_A_CASE) / all_actual)
        for was, now in zip(expected, actual, strict=True)
    ]
    return sum((now - was) * math.log(now / was) for was, now in shares)


def psi_chance(value: float, bins: int, first: float, second: float) -> float:
    """Probability of such a PSI, or a larger one, when nothing changed.

    Args:
        first, second: how many independent cases each side has.
    """
    if bins < 2 or first <= 0 or second <= 0:
        return 1.0
    return _chi_squared_above(value / (1 / first + 1 / second), bins - 1)


def _chi_squared_above(value: float, degrees: int) -> float:
    """Upper tail of chi-squared by Wilson and Hilferty's cube root (absolute error below 0.01)."""
    if value <= 0:
        return 1.0
    spread = 2 / (9 * degrees)
    return 1 - NormalDist().cdf(((value / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def kolmogorov_smirnov(first: Sequence[float], second: Sequence[float]) -> float:
    """Largest distance between the distribution functions of two samples; ties are met on both sides alike."""
    one, two = sorted(first), sorted(second)
    points = sorted({*one, *two})
    return max(
        (abs(bisect_right(one, point) / len(one) - bisect_right(two, point) / len(two)) for point in points), default=0
    )


def ks_chance(distance: float, first: float, second: float) -> float:
    """Probability of such a distance, or a larger one, when nothing changed (Kolmogorov's limit, Stephens 1970).

    Args:
        first, second: how many independent cases each side has.
    """
    if first <= 0 or second <= 0 or distance <= 0:
        return 1.0
    root = math.sqrt(first * second / (first + second))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.3:
        return 1.0
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101))
    return min(max(sum(terms), 0.0), 1.0)


def bins_of(sketch: Sequence[float]) -> list[float]:
    """Edges between the deciles of a sketch (percentiles 0 to 100); a value that fills a decile is a bin of its own."""
    edges: set[float] = set()
    deciles = [sketch[percent] for percent in DECILES]
    for value in deciles:
        edges.add(value)
        if deciles.count(value) > 1:
            edges.add(math.nextafter(value, math.inf))
    return sorted(edges)


def counted(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    """How many values lie in each bin; a value on an edge belongs to the bin above it."""
    found = [0] * (len(edges) + 1)
    for value in values:
        found[bisect_right(edges, value)] += 1
    return found


def side_by_side(expected: Mapping[str, float], actual: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Two counts by name over the same names."""
    both = sorted({*expected, *actual})
    return [expected.get(name, 0) for name in both], [actual.get(name, 0) for name in both]
