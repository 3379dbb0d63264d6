"""What is trained on, and which of its rows are held out in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators.additive import AdditiveModel
from regraft_inference.estimators.encoding import Part
from regraft_inference.estimators.trees import TreesModel

type Floats = NDArray[np.float64]
type Model = AdditiveModel | TreesModel

SEED = 1
FOLDS = 3
"""Parts of the rows that are held out in turn."""

FEW_ROWS = 1_000
"""Of fewer rows, trees are small and machines learn fast and smooth little: there is little to see."""

MOST_ADDITIVE_ROWS = 30_000
"""Above so many rows the additive model takes too long, and the boosted one is as good or better."""

MOST_ADDITIVE_PARTS = 200
"""The same of columns, or what is made of them."""

FEW_ROUNDS = 40
"""Rounds of boosting where there are too few rows to see how many are enough."""


@dataclass(frozen=True)
class Table:
    """What is trained on. ``target`` is standardised, or holds the places of the classes."""

    matrix: Floats
    target: Floats
    parts: list[Part]
    classes: int
    """0 for a regression."""

    @property
    def wide(self) -> bool:
        """Whether there are more parts than the additive model learns from in time."""
        return len(self.parts) > MOST_ADDITIVE_PARTS

    @property
    def outputs(self) -> int:
        """Scores of each row: one, or one for each class where there are more than two."""
        return self.classes if self.classes > 2 else 1

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Which rows are the only ones of their class."""
        if not self.classes:
            return np.zeros(len(self.target), dtype=np.bool_)
        places = self.target.astype(np.int64)
        found: NDArray[np.bool_] = np.bincount(places, minlength=self.classes)[places] == 1
        return found

    def rows(self, places: NDArray[np.int64]) -> Table:
        """Return some of the rows."""
        return Table(self.matrix[places], self.target[places], self.parts, self.classes)


@dataclass(frozen=True)
class Attempt:
    """A model, and what such models say of rows that they were not trained on; no rows where there are too few."""

    model: Model
    scores: Floats
    target: Floats


def number_of_folds(table: Table) -> int:
    """Return how many parts of the rows are held out in turn; 0 where there are too few rows.

    Rare classes do not keep the others from being told by: what can be held out at all is at least two classes.
    """
    held = table.target[~table.alone]
    return FOLDS if len(held) >= 2 * FOLDS and (not table.classes or len(np.unique(held)) > 1) else 0


def folds_of(table: Table, number: int) -> NDArray[np.int64]:
    """Return a fold for each row, every class and every range of the target alike in all of them.

    Stratified (Kohavi, A Study of Cross-Validation and Bootstrap, IJCAI 1995, 1137-1143): of a class of two rows each
    is held out once while the other is learned from. Of a class of one row nothing could be learned then: it is in no
    fold (-1), and so learned from in all.
    """
    mixed = np.random.default_rng(SEED).permutation(len(table.target))
    order = mixed[np.argsort(table.target[mixed], kind="stable")]
    folds = np.full(len(order), -1, dtype=np.int64)
    order = order[~table.alone[order]]
    folds[order] = np.arange(len(order)) % number
    return folds
