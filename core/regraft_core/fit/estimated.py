"""How good a classifier's answers are expected to be, from nothing but how sure it was of them.

Confidence-based performance estimation (Garg et al., "Leveraging Unlabeled Data to Predict Out-of-Distribution
Performance", ICLR 2022, names it average confidence; NannyML's CBPE is the same with a calibration before). With n_b
answers in bin b of the probability, c_b the calibrated probability of that bin, and n all answers::

    accuracy = sum_b n_b a_b / n         a_b: c_b, but 1 - c_b where the first of two classes is answered
    ROC AUC  = sum_b P_b (N_1 + ... + N_{b-1} + N_b / 2) / (P N)     P_b = n_b c_b, N_b = n_b (1 - c_b)

c_b is the share of the held-out rows of the bin of which it was true, with ``PRIOR`` rows more that say what the model
says, stretched as fits its held-out rows best (Platt).
The standard error is that of a large sample (delta method): by each c_b, which is known from so many
held-out rows, and has come true in so many answers only, its variance being c_b (1 - c_b) (1 / held out + 1 / n_b).

An estimate: it follows requests that have drifted, but holds only as long as what follows from the inputs is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

from regraft_core.profile import CONFIDENCE_EDGES, CONFIDENCE_LOG_ODDS, Confidence

PRIOR = 10
"""Rows that what the model says counts for in the calibration of a bin."""

MOST_ODDS = 30.0
"""Of log odds that are larger, the probability is as good as 1."""

STEPS, RIDGE = 10, 1.0
"""Of Newton's method for the stretching, and how strongly it is drawn to what the model says itself."""

FIRST_ABOVE = CONFIDENCE_EDGES.index(0.5) + 1
"""The first bin of probabilities over a half: there the second of two classes is the answer."""


def estimated_of(known: Confidence, counts: Sequence[int]) -> dict[str, float]:
    """Return expected accuracy and, of two classes, ROC AUC of answers, each with its standard error.

    ``counts`` are the answers in each bin. Nothing where there are none, or an area where all are of one class.
    """
    if not sum(counts):
        return {}
    calibrated = _calibrated(known)
    spread = [c * (1 - c) for c in calibrated]
    known_from = [max(rows, 1) for rows in known.counts]
    variances = [
        v / held_out + (v / asked if asked else 0.0)
        for v, held_out, asked in zip(spread, known_from, counts, strict=True)
    ]
    found = {"accuracy": _accuracy(known, calibrated, counts)}
    if known.of == "second":
        found["roc_auc"] = _area(calibrated, counts)
    estimated: dict[str, float] = {}
    for name, (value, slopes) in found.items():
        error = math.sqrt(sum(s * s * v for s, v in zip(slopes, variances, strict=True)))
        estimated |= {name: round(value, 6), f"{name}_standard_error": round(error, 6)}
    return estimated


type _Found = tuple[float, list[float]]
"""A figure, and how it changes with the calibrated probability of each bin."""


def _calibrated(known: Confidence) -> list[float]:
    """Return how probable it is, in each bin, that what the probability is of came true."""
    ends = [CONFIDENCE_LOG_ODDS[0], *CONFIDENCE_LOG_ODDS, CONFIDENCE_LOG_ODDS[-1]]
    middles = [(low + high) / 2 for low, high in pairwise(ends)]
    shift, slope = _stretching(middles, known)
    said = [_probability(shift + slope * odds) for odds in middles]
    return [
        (true + PRIOR * prior) / (rows + PRIOR)
        for prior, rows, true in zip(said, known.counts, known.true, strict=True)
    ]


def _stretching(middles: Sequence[float], known: Confidence) -> tuple[float, float]:
    """Return the line that makes log odds fit what came true best: logistic regression by Newton's method."""
    shift, slope = 0.0, 1.0
    for _ in range(STEPS):
        g0, g1, h00, h01, h11 = RIDGE * shift, RIDGE * (slope - 1), RIDGE, 0.0, RIDGE
        for odds, rows, true in zip(middles, known.counts, known.true, strict=True):
            said = _probability(shift + slope * odds)
            weight = rows * said * (1 - said)
            g0, g1 = g0 + rows * said - true, g1 + (rows * said - true) * odds
            h00, h01, h11 = h00 + weight, h01 + weight * odds, h11 + weight * odds * odds
        area = h00 * h11 - h01 * h01
        shift, slope = shift - (h11 * g0 - h01 * g1) / area, slope - (h00 * g1 - h01 * g0) / area
    return shift, slope


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-max(min(odds, MOST_ODDS), -MOST_ODDS)))


def _accuracy(known: Confidence, calibrated: Sequence[float], counts: Sequence[int]) -> _Found:
    rows = sum(counts)
    first = FIRST_ABOVE if known.of == "second" else 0
    right = [c if place >= first else 1 - c for place, c in enumerate(calibrated)]
    slopes = [(n if place >= first else -n) / rows for place, n in enumerate(counts)]
    return sum(n * share for n, share in zip(counts, right, strict=True)) / rows, slopes


def _area(calibrated: Sequence[float], counts: Sequence[int]) -> _Found:
    ones = [n * c for n, c in zip(counts, calibrated, strict=True)]
    others = [n - one for n, one in zip(counts, ones, strict=True)]
    positives, negatives = sum(ones), sum(others)
    below = [total - own / 2 for total, own in zip(accumulate(others), others, strict=True)]
    above = [positives - total + own / 2 for total, own in zip(accumulate(ones), ones, strict=True)]
    pairs = positives * negatives
    area = sum(one * under for one, under in zip(ones, below, strict=True)) / pairs
    slopes = [
        n * ((under - over) / pairs - area / positives + area / negatives)
        for n, under, over in zip(counts, below, above, strict=True)
    ]
    return area, slopes


__all__ = ["estimated_of"]
