"""The line that makes held-out scores probabilities, and what scores lose on what was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

type Floats = NDArray[np.float64]

SLOPES = (0.2, 2.0)
"""Least and largest slope."""

PRIOR = 1e-3
"""Factor of the squared distance from slope 1 and offsets 0 in the loss."""


def line_of(scores: Floats, target: Floats, classes: int) -> tuple[float, Floats]:
    """Return slope and offsets with the smallest loss on held-out scores, drawn a little to 1 and 0."""
    outputs = scores.shape[1]
    if not classes:
        return 1.0, np.zeros(1)

    def loss(line: Floats) -> float:
        away = (line[0] - 1) ** 2 + (line[1:] ** 2).sum()
        return float(losses_of(line[1:] + line[0] * scores, target, classes).mean() + PRIOR * away)

    start = np.array([1.0, *np.zeros(outputs)])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[SLOPES, *[(-3.0, 3.0)] * outputs]).x
    return float(found[0]), found[1:]


def losses_of(scores: Floats, target: Floats, classes: int) -> Floats:
    """Return squared errors, or negative logarithms of the probability of what was."""
    if not classes:
        found: Floats = (scores[:, 0] - target) ** 2
        return found
    places = target.astype(np.int64)
    if classes <= 2:
        return np.logaddexp(0, np.where(places == 1, -scores[:, 0], scores[:, 0]))
    total: Floats = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(scores)), places]
    return total
