"""How far a figure of the rows of a dataset may be from what it would be of others: by chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regraft_pipeline.gates.evaluation import Evaluation

PARTS = 20
"""Parts of the rows that are left out in turn, to see how much a figure depends on them."""


def standard_error(evaluation: Evaluation, statistic: Callable[[Evaluation], float], seed: int) -> float:
    """Return the standard error of a statistic of the rows.

    By the jackknife that leaves out each of 20 parts in turn, drawn by the seed: Kott, The Delete-A-Group Jackknife,
    Journal of Official Statistics 17 (2001) 521-526.
    """
    parts = np.random.default_rng(seed).permutation(len(evaluation.target)) % PARTS
    without = np.array([statistic(evaluation.of_rows(parts != part)) for part in range(PARTS)])
    return float(np.sqrt((PARTS - 1) / PARTS * np.square(without - without.mean()).sum()))
