"""The measured skill of a version, on the scale on which it was judged, and how far chance may have moved it.

The same measures as those of the gates (``regraft_pipeline.gates.evaluation``), in plain Python: rows are few here, and
the trigger service has no data library. A standard error is that of a large sample: of a ratio of means (delta method),
of a mean recall (binomial, with one right and one wrong row more in each class), of an area under the curve (DeLong).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, variance

from regraft_core.contract import Value
from regraft_core.profile import Scale

type Answer = str | bool | int | float

MIN_OF_CLASS = 10
"""Fewest rows of each of two classes that say anything of how well they are told apart."""


@dataclass(frozen=True)
class Pair:
    """What was answered, and what really happened. ``probability`` is that of the second of two classes."""

    truth: Answer
    answer: Answer
    probability: float | None = None


@dataclass(frozen=True)
class Skill:
    """1: always right, 0: no better than a constant; ``error`` is its standard error."""

    skill: float
    error: float


def skill_of(pairs: Sequence[Pair], scale: Scale, classes: Sequence[Value] | None) -> Skill | None:
    """Return the skill of answers, None where these rows cannot tell."""
    if len(pairs) < 2:
        return None
    if scale == "classes":
        if classes is not None and len(classes) == 2 and all(pair.probability is not None for pair in pairs):
            return _of_probabilities(pairs, classes[1])
        return _of_classes(pairs)
    return _of_numbers(pairs, scale)


def _of_numbers(pairs: Sequence[Pair], scale: Scale) -> Skill | None:
    truths, answers = [float(pair.truth) for pair in pairs], [float(pair.answer) for pair in pairs]
    if scale == "log" and min(truths) >= 0:
        truths, answers = [math.log1p(one) for one in truths], [math.log1p(max(one, 0.0)) for one in answers]
        scale = "squares"
    if scale == "squares":
        middle = fmean(truths)
        wrong = [(a - b) ** 2 for a, b in zip(answers, truths, strict=True)]
        constant = [(one - middle) ** 2 for one in truths]
    else:
        middle = median(truths)
        wrong = [abs(a - b) for a, b in zip(answers, truths, strict=True)]
        constant = [abs(one - middle) for one in truths]
    whole = sum(constant)
    if not whole:
        return None
    share = sum(wrong) / whole
    spread = math.sqrt(sum((w - share * c) ** 2 for w, c in zip(wrong, constant, strict=True)))
    return Skill(1 - share, spread / whole)


def _of_classes(pairs: Sequence[Pair]) -> Skill | None:
    found: dict[Answer, list[bool]] = {}
    for pair in pairs:
        found.setdefault(pair.truth, []).append(pair.answer == pair.truth)
    if len(found) < 2:
        return None
    chance = 1 - 1 / len(found)
    recall = fmean(fmean(right) for right in found.values())
    spread = sum(_binomial(sum(right), len(right)) for right in found.values())
    return Skill(1 - (1 - recall) / chance, math.sqrt(spread) / len(found) / chance)


def _binomial(right: int, rows: int) -> float:
    """Return the variance of a share."""
    share = (right + 1) / (rows + 2)
    return share * (1 - share) / rows


def _of_probabilities(pairs: Sequence[Pair], second: Value) -> Skill | None:
    ones = sorted(pair.probability or 0.0 for pair in pairs if pair.truth == second)
    others = sorted(pair.probability or 0.0 for pair in pairs if pair.truth != second)
    if min(len(ones), len(others)) < MIN_OF_CLASS:
        return None
    above = [_below(others, one) for one in ones]
    below = [1 - _below(ones, other) for other in others]
    spread = variance(above) / len(ones) + variance(below) / len(others)
    return Skill(2 * fmean(above) - 1, 2 * math.sqrt(spread))


def _below(ordered: Sequence[float], value: float) -> float:
    """Return the share of values in order that are below a value; equal ones count half."""
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / (2 * len(ordered))
