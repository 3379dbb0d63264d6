"""Takes answers of an estimator for tables apart: what each column added to each, and to all of them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Column
from regraft_inference.estimators import Columns, rows_of
from regraft_inference.estimators.additive import FEW_ROWS, AdditiveModel
from regraft_inference.estimators.fitted import LESS_MEAN, Fitted
from regraft_inference.estimators.reasons import Cells, PlacedReasons, Reasons, ReasonsTable
from regraft_inference.estimators.shapes import pair_of, shape_of
from regraft_inference.estimators.trees import TreesModel

type Floats = NDArray[np.float64]

MOST_CELLS = 1 << 13
"""Numbers that columns can add up to which they are told apart, since of each a text is kept."""

MOST_SHAPES = 100
"""Shapes that are told of a model: those of the columns that add most."""


class Explainer:
    """Explains the answers of a fitted model."""

    def __init__(self, fitted: Fitted, model: AdditiveModel | TreesModel) -> None:
        self._fitted = fitted
        self._model = model
        self._known = self._known_cells()
        start = fitted.line(model.intercept)
        self._starts = start - start.mean() if fitted.outputs > 1 else start
        self._scales = tuple(fitted.scale(output) for output in range(fitted.outputs))
        self._names = tuple(fitted.contract.feature_names)
        columns = fitted.columns_of_parts
        self._first_parts = np.unique(columns, return_index=True)[1]
        later = set(range(len(columns))).difference(self._first_parts.tolist())
        self._later_parts = [(columns[part], part) for part in sorted(later)]

    def explained(self, columns: Columns) -> tuple[Floats, Sequence[Reasons]]:
        """Return the scores and the reasons of each row, which is looked up once for both."""
        model = self._model
        if self._fitted.outputs == 1 and 0 < rows_of(columns) <= FEW_ROWS:
            return self._explained_few(columns)
        matrix = self._fitted.encoding.matrix(columns)
        if isinstance(model, AdditiveModel) and self._known is not None:
            cells, places = self._known
            scores, of_model = model.placed(matrix)
            return self._fitted.line(scores), self._placed(cells, places.take(of_model))
        scores, added = self._added(matrix)
        outputs = scores.argmax(axis=1)
        return scores, self._table(outputs, _of_answers(outputs, added))

    def _explained_few(self, columns: Columns) -> tuple[Floats, list[Reasons]]:
        """Do as ``explained`` where there is an only output, by plain lists, which for a few rows cost less."""
        scores, added = self._scores_and_added_of_few(columns)
        names, scale, slope, start = self._names, self._scales[0], self._fitted.slope, float(self._starts[0])
        by_column = [self._by_column_of([slope * one for one in each]) for each in added]
        reasons = []
        for of_row in by_column:
            answer = start + functools.reduce(operator.add, of_row)  # in turn, as those of many rows
            order = sorted(range(len(of_row)), key=[-abs(one) for one in of_row].__getitem__)
            ordered = [of_row[one] for one in order]
            reasons.append(Reasons(scale, start, [names[one] for one in order], ordered, answer))
        return self._fitted.line(scores), reasons

    def _scores_and_added_of_few(self, columns: Columns) -> tuple[Floats, Sequence[Sequence[float]]]:
        """Return the model's scores, shape (rows, 1), and what each part adds to that of each row."""
        model, encoding = self._model, self._fitted.encoding
        if isinstance(model, AdditiveModel):
            found = [model.sum_and_added(row, 0) for row in encoding.rows(columns)]
            return np.array([[total] for total, _ in found]), [added for _, added in found]
        scores, of_parts = model.explained(encoding.matrix(columns))
        return scores, of_parts[:, :, 0].tolist()

    def _by_column_of(self, added: list[float]) -> list[float]:
        """Return the sums over the parts of each column of one row, as ``_by_column`` does."""
        if len(added) == len(self._fitted.contract.features):
            return added
        found = [0.0] * len(self._fitted.contract.features)
        for column, one in zip(self._fitted.columns_of_parts, added, strict=True):
            found[column] += one
        return found

    def _added(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return the scores, and what each column adds to them, shape (rows, columns, outputs).

        Of more than two classes, less what it adds to all of them in the mean.
        """
        scores, added = self._model.explained(matrix)
        if self._fitted.outputs == 1:  # without the axis, which numpy would go through for each number
            by_part = self._fitted.slope * added[:, :, 0].T
            return self._fitted.line(scores), self._by_column(by_part).T[:, :, np.newaxis]
        added = self._fitted.slope * added
        by_part = (added - added.mean(axis=2, keepdims=True)).swapaxes(0, 1)
        return self._fitted.line(scores), self._by_column(by_part).swapaxes(0, 1)

    def _by_column(self, added: Floats) -> Floats:
        """Return the sums over the parts of each column, the first axis."""
        if not self._later_parts:
            return added
        found: Floats = np.add(added.take(self._first_parts, axis=0), 0.0)  # as every sum that begins with 0.0: no -0.0
        for column, part in self._later_parts:
            found[column] += added[part]
        return found

    def _table(self, outputs: NDArray[np.int64], added: Floats) -> ReasonsTable:
        """Return what columns ``added`` to one of the outputs of each row, the largest first."""
        rows, columns = added.shape
        sums, added = _sums(added.T), np.ascontiguousarray(added)
        order = np.argsort(-np.abs(added), axis=1, kind="stable")
        numbers = np.empty((rows, columns + 1))
        numbers[:, :columns] = added.take(order + np.arange(rows)[:, np.newaxis] * columns)
        numbers[:, columns] = self._starts[outputs] + sums
        return ReasonsTable(self._names, self._scales, tuple(self._starts.tolist()), outputs, order, numbers)

    def _placed(self, cells: Cells, places: NDArray[np.intp]) -> PlacedReasons:
        """Return the reasons of rows of which it is known which cell each column adds to the only output."""
        answers = self._starts[0] + _sums(cells.added.take(places.T))
        start, ordered = float(self._starts[0]), np.sort(places, axis=1)
        return PlacedReasons(self._names, self._scales[0], start, cells, ordered, answers)

    def told(self, columns: Columns) -> dict[str, Any]:
        """Return what each column adds to the answers of some rows, those that add most first, as plain JSON.

        ``importance``: how much, in the mean. ``shapes``: at which of its values (``shape_of``), on the ``scale``; of
        more than two classes to the score of each, which is its ``answer``. ``pairs``: what two columns add together
        (``pair_of``), a half of which counts for each; where there are more than two classes, models have no pairs.
        There are at most ``MOST_SHAPES`` of either.
        """
        fitted, features = self._fitted, self._fitted.contract.features
        matrix = fitted.encoding.matrix(columns)
        scores, added = self._added(matrix)
        means = np.abs(_of_answers(scores.argmax(axis=1), added)).mean(axis=0)
        order = np.argsort(-means, kind="stable").tolist()
        answers = [str(one) for one in fitted.classes] if fitted.outputs > 1 else [None]
        shapes = [
            shape_of(features[place], columns[features[place].name], added[:, place, output], answer)
            for place in order[: max(1, MOST_SHAPES // len(answers))]
            for output, answer in enumerate(answers[:MOST_SHAPES])
        ]
        pairs = [
            pair_of(both, (columns[both[0].name], columns[both[1].name]), of_pair)
            for both, of_pair in self._pairs(matrix)[:MOST_SHAPES]
        ]
        return {
            "importance": [{"column": features[place].name, "added": float(means[place])} for place in order],
            "scale": fitted.scale(0) if fitted.outputs == 1 else f"score of {fitted.contract.target.name}{LESS_MEAN}",
            "shapes": [shape for shape in shapes if shape is not None],
            "pairs": [pair for pair in pairs if pair is not None],
        }

    def _pairs(self, matrix: Floats) -> list[tuple[tuple[Column, Column], Floats]]:
        """Return which two columns add something together to an only output, and what; the largest first."""
        if not isinstance(self._model, AdditiveModel) or self._fitted.outputs > 1:
            return []
        columns, features = self._fitted.columns_of_parts, self._fitted.contract.features
        found: dict[tuple[int, ...], Floats] = {}
        for parts, added in self._model.pairs(matrix):
            both = tuple(sorted(columns[part] for part in parts))
            found[both] = found.get(both, 0.0) + self._fitted.slope * added
        pairs = [((features[first], features[second]), of) for (first, second), of in found.items() if first != second]
        return sorted(pairs, key=lambda pair: -float(np.abs(pair[1]).mean()))

    def _known_cells(self) -> tuple[Cells, NDArray[np.intp]] | None:
        """Return all that columns can add, and the place there of each cell of the model.

        Where each column is one part, which adds one of a few numbers to an only output; None elsewhere.
        """
        fitted, model = self._fitted, self._model
        parts = len(fitted.encoding.parts)
        if not isinstance(model, AdditiveModel) or fitted.outputs > 1 or parts > len(fitted.contract.features):
            return None
        if not model.has_one_term_for_each(parts):
            return None
        columns, scores = model.cells()
        if len(columns) > MOST_CELLS:
            return None
        added = fitted.slope * (scores[:, 0] + 0.0)  # as every sum that begins with 0.0: never -0.0
        return Cells.ordered(columns, added)


def _sums(added: Floats) -> Floats:
    """Return the sums over the first axis, added in turn whatever the number of rows: of one, numpy would not."""
    if added.shape[1] == 1:
        return functools.reduce(operator.add, added)
    found: Floats = np.add.reduce(np.ascontiguousarray(added), axis=0)
    return found


def _of_answers(outputs: NDArray[np.int64], added: Floats) -> Floats:
    """Return what columns added, shape (rows, columns, outputs), to one of the outputs of each row."""
    if added.shape[2] == 1:
        return added[:, :, 0]
    found: Floats = added[np.arange(len(added)), :, outputs]
    return found
