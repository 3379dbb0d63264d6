"""How a target is distributed, as training and the gates have to know alike, and numbers as integers of a target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_LEVELS = 20
"""Most different values that are levels rather than a distribution."""

HEAVY_TAIL = 10.0
"""A target is a heavy tail where 1 + its .99 quantile is more than this many times 1 + its median."""

LOPSIDED = 1.05
"""A target is lopsided where its mean is wrong by so many times more than its median, in the mean over the rows."""

SMALLEST, LARGEST = -(2.0**63), float(np.nextafter(2.0**63, 0))
"""The smallest and the largest float64 that is an int64."""


def has_heavy_tail(target: NDArray[Any]) -> bool:
    """Whether a few values of a target, none of them negative, are so large that squared errors see nothing else."""
    if target.min() < 0 or len(np.unique(target)) <= MAX_LEVELS:
        return False
    median, high = np.quantile(target, (0.5, 0.99))
    return bool(1 + high > HEAVY_TAIL * (1 + median))


def has_usual_value(target: NDArray[Any]) -> bool:
    """Whether more than half of a target are one value: who always says it has nearly the least absolute error."""
    return bool(2 * np.unique(target, return_counts=True)[1].max() > len(target))


def is_lopsided(target: NDArray[Any]) -> bool:
    """Whether who always says the mean of a target is wrong by clearly more than who says its median.

    So are models that tell means, such as all that learn by squares: beside the median, they look worse than they are.
    """
    of_median, of_mean = (np.abs(target - middle(target)).mean() for middle in (np.median, np.mean))
    return bool(of_mean > LOPSIDED * of_median)


def integers_of(numbers: NDArray[Any]) -> NDArray[np.int64]:
    """Return the nearest integers; of numbers beyond 64 bits the outermost, where a cast would change the sign."""
    return np.minimum(np.maximum(np.rint(numbers), SMALLEST), LARGEST).astype(np.int64)
