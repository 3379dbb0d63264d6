"""How much two samples differ that were counted in the same bins: the one measure of the gates and of the requests.

The population stability index says how much two distributions differ; a chi-square test of homogeneity says whether
samples of these sizes would differ so by chance. Plain Python: counts are few, however many rows there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MIN_EXPECTED = 5.0
"""Fewest rows that a bin should expect for the chi-square test (Cochran's rule); smaller bins are joined."""


def drift_of(counts: Sequence[int], reference: Sequence[int], *, most_rows: int | None = None) -> tuple[float, float]:
    """Return PSI and the p-value of homogeneity of two samples, counted in the same bins in order.

    PSI = sum (a - b) ln(a / b) over the shares a and b, with half a row added to each bin so that none is empty.
    With ``most_rows`` counts of more rows are taken for those of so many: where one sample is far larger than the
    other, no bin of the smaller one would be expected to have rows enough, and what has gone would be joined away.
    """
    scaled: Sequence[float] = counts
    if most_rows is not None and (total := sum(counts)) > most_rows:
        scaled = [count * most_rows / total for count in counts]
    joined = _joined(scaled, reference)
    if len(joined) < 2 or not sum(counts) or not sum(reference):
        return 0.0, 1.0
    return _psi(joined), _p_value(joined)


def chance_of(statistic: float, degrees: int) -> float:
    """Return the probability that chi-square of these degrees of freedom is larger (Abramowitz and Stegun, 26.4.4)."""
    half = statistic / 2
    if half <= 0 or degrees < 1:
        return 1.0
    odd = degrees % 2
    tail = math.erfc(math.sqrt(half)) if odd else 0.0
    powers = [step + odd / 2 for step in range(degrees // 2)]
    return tail + sum(math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers)


def _psi(pairs: Sequence[tuple[float, float]]) -> float:
    total_a, total_b = (sum(pair[side] + 0.5 for pair in pairs) for side in (0, 1))
    shares = [((a + 0.5) / total_a, (b + 0.5) / total_b) for a, b in pairs]
    return sum((a - b) * math.log(a / b) for a, b in shares)


def _p_value(pairs: Sequence[tuple[float, float]]) -> float:
    if len(pairs) < 2:
        return 1.0
    totals = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    statistic = 0.0
    for pair in pairs:
        for value, total in zip(pair, totals, strict=True):
            expected = total * sum(pair) / sum(totals)
            statistic += (value - expected) ** 2 / expected
    return chance_of(statistic, len(pairs) - 1)


def _joined(counts: Sequence[float], reference: Sequence[float]) -> list[tuple[float, float]]:
    """Join neighbours until each bin expects ``MIN_EXPECTED`` rows in the smaller sample."""
    totals = sum(counts), sum(reference)
    smaller = min(totals) / max(sum(totals), 1)
    joined: list[tuple[float, float]] = [(0.0, 0.0)]
    for a, b in zip(counts, reference, strict=True):
        if sum(joined[-1]) * smaller >= MIN_EXPECTED:
            joined.append((0.0, 0.0))
        joined[-1] = (joined[-1][0] + a, joined[-1][1] + b)
    if len(joined) > 1 and sum(joined[-1]) * smaller < MIN_EXPECTED:
        a, b = joined.pop()
        joined[-1] = (joined[-1][0] + a, joined[-1][1] + b)
    return joined
