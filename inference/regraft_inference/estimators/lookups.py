"""The terms of an additive model in flat arrays: what all of them say of many rows is looked up in a few steps.

The places of a part are among the cuts of all its terms, so that each number is placed once. A term of one part has its
scores by these places, a term of two by the sum of what it makes of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators.places import PlaceFinder

type Floats = NDArray[np.float64]
type Indices = NDArray[np.intp]

MOST_VALUES = 1 << 17
"""Values that are looked up at a time: as many as a processor has at hand."""


class Lookups:
    """Looks up terms: each has parts, their cuts and its scores, shape (bins, ..., outputs), that of gaps behind all.

    The cuts of each axis end with infinity.
    """

    def __init__(self, intercept: Floats, terms: Sequence[tuple[tuple[int, ...], tuple[Floats, ...], Floats]]) -> None:
        finer = _all_cuts(terms)
        lowest = {part: np.concatenate([[-np.inf], cuts, [np.inf]]) for part, cuts in finer.items()}
        rows = {part: row for row, part in enumerate(finer)}
        self._finder, self._intercept, self._terms = PlaceFinder(finer), intercept, len(terms)
        axes: tuple[list[Indices], list[Indices]] = [], []
        tables = [np.zeros((0, len(intercept)))]
        first = 0
        for parts, cuts, scores in terms:
            bins = [own.searchsorted(lowest[part], "right") for part, own in zip(parts, cuts, strict=True)]
            if len(parts) == 2:
                bins[0] *= scores.shape[1]
            bins[0] += first
            for axis, found in zip(axes, bins, strict=False):
                axis.append(found)
            tables.append(scores.reshape(-1, len(intercept)))
            first += len(tables[-1])
        self._scores = np.concatenate(tables)
        self._first = _Axis([rows[parts[0]] for parts, *_ in terms], axes[0])
        self._second = _Axis([rows[parts[1]] for parts, *_ in terms if len(parts) == 2], axes[1])
        self._pairs = np.array([place for place, (parts, *_) in enumerate(terms) if len(parts) == 2], dtype=np.intp)

    @property
    def cells(self) -> Floats:
        """The scores of all bins of all terms, shape (cells, outputs)."""
        return self._scores

    def of(self, matrix: Floats) -> Iterator[tuple[slice, Indices, Floats]]:
        """Return some of the rows of a matrix (rows, parts) at a time, their cells, and the scores of these.

        Cells are of shape (terms, rows). Scores are of shape (1 + terms, rows, outputs): the intercept stands first.
        """
        step = max(2, MOST_VALUES // ((1 + self._terms) * len(self._intercept)))
        ends = [*range(step, len(matrix) - 1, step), len(matrix)]  # numpy adds what is of one row in another order
        for some in map(slice, [0, *ends], ends):
            yield some, *self._looked_up(matrix[some])

    def _looked_up(self, matrix: Floats) -> tuple[Indices, Floats]:
        places = self._finder.of(matrix)
        indices = self._first.of(places)
        if len(self._pairs):
            indices[self._pairs] += self._second.of(places)
        found = np.empty((1 + self._terms, len(matrix), len(self._intercept)))
        found[0] = self._intercept
        self._scores.take(indices, axis=0, out=found[1:], mode="clip")  # without a check, which needs a copy
        return indices, found


class _Axis:
    """What some terms make of the places of one part each."""

    def __init__(self, rows: Sequence[int], by_place: Sequence[Indices]) -> None:
        self._rows = np.array(rows, dtype=np.intp)
        lengths = np.array(list(map(len, by_place)), dtype=np.intp)
        self._firsts = (lengths.cumsum() - lengths)[:, np.newaxis]
        self._by_place = np.concatenate([np.zeros(0, dtype=np.intp), *by_place])

    def of(self, places: Indices) -> Indices:
        """Return it for places of shape (parts, rows), shape (terms, rows)."""
        found: Indices = self._by_place.take(places.take(self._rows, axis=0) + self._firsts)
        return found


def _all_cuts(terms: Sequence[tuple[tuple[int, ...], tuple[Floats, ...], Any]]) -> dict[int, Floats]:
    """Return the finite cuts of all terms, by part."""
    found: dict[int, list[Floats]] = {}
    for parts, cuts, _ in terms:
        for part, own in zip(parts, cuts, strict=True):
            found.setdefault(part, []).append(own[:-1])
    return {part: np.unique(np.concatenate(cuts)) for part, cuts in found.items()}
