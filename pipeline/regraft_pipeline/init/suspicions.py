"""What is suspicious about a table: copies of the target, leaks, trends, classes with few rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from regraft_core.definition.task import Problem
from regraft_pipeline.init.kinds import Kind

MIN_ROWS = 30
"""Fewest rows from which a relation is called suspicious."""

SAMPLE_ROWS = 5_000
FOLDS = 3
LEAK = 0.99
"""Share of the target's spread that one column alone explains from which it is suspected."""

COPY_CORRELATION = 0.9999
TREND = 0.9
FEW = 10
"""Rows of a class below which it is said that there are few."""

TIME_NAME = re.compile(r"time|date|epoch|unix|stamp|(^|[_. ])(ts|at|when)($|[_. ])|[a-z]at$", re.IGNORECASE)
SINCE_1970 = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
YEAR_2000, YEAR_2100 = 946_684_800, 4_102_444_800
"""Seconds since 1970."""

SEED = 1


@dataclass(frozen=True)
class Suspicion:
    """Something to look at."""

    code: Literal["copy", "leak", "trend", "few", "note"]
    column: str
    message: str


@dataclass(frozen=True)
class Truth:
    """The target as numbers: codes of classes, or values; NaN where it is missing."""

    values: NDArray[np.float64]
    problem: Problem


def truth_of(values: pd.Series[str], kind: Kind, problem: Problem) -> Truth:
    """Return the target as numbers."""
    if problem == "regression" and kind.numbers is not None:
        return Truth(kind.numbers, problem)
    stripped = values.str.strip()
    codes = pd.Categorical(stripped, categories=sorted(kind.counts)).codes.astype(np.float64)
    return Truth(np.where(codes < 0, np.nan, codes), problem)


def copy_of_target(values: pd.Series[str], kind: Kind, truth: Truth, target: pd.Series[str]) -> str | None:
    """Return how a column says the target in other words, None where it does not."""
    if len(values) < MIN_ROWS:
        return None
    if (values == target).all():
        return "a copy of the target"
    known = ~np.isnan(truth.values)
    stripped = values.str.strip()[known]
    if truth.problem == "classification":
        if len(kind.counts) > len(np.unique(truth.values[known])):
            return None
        together = (pd.crosstab(stripped.to_numpy(), truth.values[known]) > 0).to_numpy()
        one_to_one = (together.sum(axis=0) == 1).all() and (together.sum(axis=1) == 1).all()
        return "a copy of the target in other words: each of its values stands for one class" if one_to_one else None
    both = np.flatnonzero(known if kind.numbers is None else known & ~np.isnan(kind.numbers))
    if kind.numbers is None or len(both) < MIN_ROWS or np.ptp(kind.numbers[both]) == 0:
        return None
    correlation = np.corrcoef(kind.numbers[both], truth.values[both])[0, 1]
    told = f"a copy of the target in another unit: correlation {correlation:.5f}"
    return told if abs(correlation) >= COPY_CORRELATION else None


def leak(values: pd.Series[str], kind: Kind, truth: Truth) -> str | None:
    """Return how well one column alone tells the target where that is too good to be true."""
    numbers = kind.numbers
    if numbers is None:
        codes = pd.Categorical(values.str.strip(), categories=sorted(kind.counts)).codes.astype(np.float64)
        if len(kind.counts) > len(values) / 5:
            return None
        numbers = codes
    usable = np.flatnonzero(~np.isnan(truth.values))
    if len(usable) < 2 * MIN_ROWS:
        return None
    rows = np.random.default_rng(SEED).permutation(usable)[:SAMPLE_ROWS]
    # Places in the order of the values: trees need no more, and have no room for large ones. NaN is the last.
    rows = rows if truth.problem == "regression" else _common(rows, truth.values)
    features, target = np.unique(numbers[rows], return_inverse=True)[1].reshape(-1, 1), truth.values[rows]
    tree: DecisionTreeRegressor | DecisionTreeClassifier
    if truth.problem == "regression":
        tree = DecisionTreeRegressor(min_samples_leaf=3, random_state=SEED)
    elif len(np.unique(target)) < 2:
        return None
    else:
        tree = DecisionTreeClassifier(min_samples_leaf=3, max_leaf_nodes=50, random_state=SEED, class_weight="balanced")
    if _explained(tree.fit(features, target).predict(features), target, truth.problem) < LEAK:
        return None  # not even of the rows that it has seen
    explained = _explained(cross_val_predict(tree, features, target, cv=FOLDS), target, truth.problem)
    if explained >= LEAK:
        return f"LEAK? alone it tells {explained:.1%} of the target: is it known before the target is?"
    return None


def _common(rows: NDArray[np.int64], target: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows of those classes that have enough to be parted into folds."""
    _, places, counts = np.unique(target[rows], return_inverse=True, return_counts=True)
    return rows[counts[places] >= 2 * FOLDS]


def _explained(predicted: NDArray[np.float64], target: NDArray[np.float64], problem: Problem) -> float:
    """Return which share of the target is told: R2, or mean recall of the classes, rescaled so that guessing has 0."""
    if problem == "regression":
        spread = max(float(np.square(target - target.mean()).sum()), 1e-300)
        return 1 - float(np.square(predicted - target).sum()) / spread
    classes = np.unique(target)
    recall = float(np.mean([(predicted[target == one] == one).mean() for one in classes]))
    return (recall - 1 / len(classes)) / (1 - 1 / len(classes))


def trend(kind: Kind, name: str, *, timed: bool) -> str | None:
    """Return how the values move from the first row to the last, None where they do not.

    A table may have been sorted by a number; that its rows are in the order of a time (``timed``) tells them apart.
    """
    if kind.numbers is None or len(kind.counts) < MIN_ROWS:
        return None
    if (since := _since_1970(kind.numbers, name)) is not None:
        return f"{since} since 1970, by name and values: later rows will have other values"
    if is_sorted(kind):
        sorted_by_time = timed or kind.type in ("date", "datetime")
        return "sorted by it: later rows will have other values" if sorted_by_time else None
    known = np.flatnonzero(~np.isnan(kind.numbers))
    values = kind.numbers[known]
    if np.ptp(values) == 0:
        return None
    moves = float(spearmanr(known, values).statistic)
    told = f"moves with the rows (rank correlation {moves:.2f}): later rows will have other values"
    return told if abs(moves) >= TREND else None


def is_sorted(kind: Kind) -> bool:
    """Whether the values only rise, or only fall, from the first row to the last, and are not all the same."""
    if kind.numbers is None:
        return False
    steps = np.diff(kind.numbers[~np.isnan(kind.numbers)])
    return bool(steps.any() and ((steps >= 0).all() or (steps <= 0).all()))


def _since_1970(numbers: NDArray[np.float64], name: str) -> str | None:
    """Return the unit in which points in time are counted, None where they are not."""
    if TIME_NAME.search(name) is None:
        return None
    low, high = np.nanmin(numbers), np.nanmax(numbers)
    return next(
        (unit for unit, step in SINCE_1970.items() if low >= YEAR_2000 * step and high < YEAR_2100 * step), None
    )


def few_rows(kind: Kind, problem: Problem, target: str) -> list[Suspicion]:
    """Return which classes have few rows."""
    if problem == "regression":
        return []
    few = {word: count for word, count in kind.counts.items() if count < FEW}
    found = []
    for word, count in sorted(few.items(), key=lambda item: item[1]):
        told = f"only {count} rows of {word!r}: too few to tell it well"
        if count == 1:
            told = f"only 1 row of {word!r}: learned from, but no row is left to try it on"
        found.append(Suspicion("few", target, told))
    return found
