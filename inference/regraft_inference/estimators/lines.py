"""Straight lines that the additive model starts from: few rows show a line well, and a curve badly.

A ridge or a logistic regression on the parts of the matrix: numbers standardised and kept within what most rows have,
a column for each level of a short list. Boosting then bends the lines where the rows show that they are bent. All of it
ends in the same tables of scores (``on_bins``), so that nothing of it is needed for serving.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators.encoding import Part

type Floats = NDArray[np.float64]

MOST_LEVELS = 30
"""Levels of a part above which it has no lines: there are too few rows of each."""

FEW_NUMBERS = 6
"""Numbers of so few values may be codes: each value has a column of its own besides."""

MOST_COLUMNS = 200
"""Columns up to which Newton's method is the fastest."""

MOST_ROWS = 10_000
"""Rows that lines are learned from; more would not change them."""

STRENGTHS = (0.02, 0.2, 2.0)
"""Inverse penalties that are tried, of standardised parts."""


@dataclass(frozen=True)
class Basis:
    """What a part is turned into: a standardised number, or a column for each value; of few numbers both."""

    values: Floats
    is_number: bool
    center: float
    scale: float
    low: float
    high: float

    @classmethod
    def of(cls, part: Part, values: Floats) -> Basis:
        """Return the basis of a part for the values of the rows that are learned from; some are no gaps."""
        different = np.unique(values[~np.isnan(values)])
        low, high = (float(one) for one in np.nanquantile(values, (0.01, 0.99)))
        kept = np.clip(values, low, high)
        few = different if part.levels is not None or 2 < len(different) <= FEW_NUMBERS else different[:0]
        center, scale = float(np.nanmean(kept)), float(np.nanstd(kept)) or 1.0
        return cls(few, part.levels is None, center, scale, low, high)

    def columns(self, values: Floats) -> Floats:
        """Return the columns of these values, shape (rows, columns); a gap is 0 in all of them."""
        found = np.asarray(values[:, None] == self.values, dtype=np.float64)
        if not self.is_number:
            return found
        number = (np.clip(values, self.low, self.high) - self.center) / self.scale
        return np.column_stack([np.nan_to_num(number, nan=0.0), found])


@dataclass(frozen=True)
class Lines:
    """Coefficients of the columns of each part, shape (columns, outputs), and the intercept."""

    bases: Mapping[int, Basis]
    coefficients: Mapping[int, Floats]
    intercept: Floats

    def scores(self, matrix: Floats) -> Floats:
        """Return the sums for the rows of a matrix, shape (rows, outputs)."""
        total = np.tile(self.intercept, (len(matrix), 1))
        for place, basis in self.bases.items():
            total += basis.columns(matrix[:, place]) @ self.coefficients[place]
        return total

    def of_values(self, place: int, values: Floats) -> Floats:
        """Return what a part adds at these values, shape (values, outputs); nothing where it has no line."""
        if place not in self.bases:
            return np.zeros((len(values), len(self.intercept)))
        found: Floats = self.bases[place].columns(values) @ self.coefficients[place]
        return found


def lines_of(matrix: Floats, target: Floats, parts: Mapping[int, Part], classes: int) -> list[Lines]:
    """Return lines for rows that are learned from, one for each strength. ``classes`` is 0 for a regression."""
    if len(target) > MOST_ROWS:
        some = np.random.default_rng(0).choice(len(target), MOST_ROWS, replace=False)
        matrix, target = matrix[some], target[some]
    short = {place: part for place, part in parts.items() if (part.levels or 0) <= MOST_LEVELS}
    bases = {
        place: Basis.of(part, matrix[:, place]) for place, part in short.items() if not np.isnan(matrix[:, place]).all()
    }
    if not bases or (classes and len(np.unique(target)) < classes):
        return []
    columns = [basis.columns(matrix[:, place]) for place, basis in bases.items()]
    ends = np.cumsum([one.shape[1] for one in columns])[:-1]
    design = np.concatenate(columns, axis=1)
    found = []
    for strength in STRENGTHS:
        weights, intercept = _fitted(design, target, strength, classes)
        found.append(Lines(bases, dict(zip(bases, np.split(weights, ends), strict=True)), intercept))
    return found


def _fitted(design: Floats, target: Floats, strength: float, classes: int) -> tuple[Floats, Floats]:
    """Return weights, shape (columns, outputs), and intercept."""
    from sklearn.linear_model import LogisticRegression, Ridge  # noqa: PLC0415  (serving needs none of it)

    model: Any
    if classes:
        solver = "newton-cholesky" if design.shape[1] <= MOST_COLUMNS else "lbfgs"
        model = LogisticRegression(C=strength, solver=solver, max_iter=200, tol=1e-3)
        model.fit(design, target.astype(np.int64))
    else:
        model = Ridge(alpha=1 / strength).fit(design, target)
    return np.atleast_2d(model.coef_).T, np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))
