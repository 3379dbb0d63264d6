"""Where numbers stand among ascending cuts, for all parts of a matrix at once and without a search for each number.

The range of a part's cuts is divided into cells of one width. The cell of a number is computed, and it is known how
many cuts are in the cells before; with those in the cell itself, of which there are few, the number is compared in
turn. Rounding keeps the order of numbers, so that no cut below a number is in a later cell: places are exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

type Floats = NDArray[np.float64]
type Places = NDArray[np.intp]

CELLS = 2048
"""Cells of a part; behind them is one for gaps."""

FEWEST_ROWS = 4
"""Rows up to which plain lists are faster."""

FEW_ROWS = 48
"""Rows up to which a search for each number is faster."""

MOST_IN_CELL = 4
"""Most cuts in a cell; where there are more, since they are far from even, each number is searched for."""


class PlaceFinder:
    """Finds how many cuts are at or below each number; a gap is behind all, by one more than there are cuts."""

    def __init__(self, cuts: Mapping[int, Floats]) -> None:
        ranges = {part: _range(of_part) for part, of_part in cuts.items()}
        cells = {part: _cells(of_part, *ranges[part]) for part, of_part in cuts.items()}
        fullest = {part: int(np.bincount(found).max(initial=0)) for part, found in cells.items()}
        even = [part for part in cuts if fullest[part] <= MOST_IN_CELL]
        self._ends = [(part, np.append(of_part, np.inf)) for part, of_part in cuts.items()]
        self._lists = [(part, of_part.tolist()) for part, of_part in self._ends]
        self._rows = np.array([place for place, part in enumerate(cuts) if part in even], dtype=np.intp)
        self._parts = np.array(even, dtype=np.intp)
        self._steps = max((fullest[part] for part in even), default=0)
        self._lowest, self._scale = np.array([ranges[part] for part in even]).reshape(-1, 2, 1).swapaxes(0, 1)
        self._first_cells = np.arange(len(even))[:, np.newaxis] * (CELLS + 1)
        lengths = np.array([len(cuts[part]) + 2 for part in even], dtype=np.intp)
        self._first_places = (lengths.cumsum() - lengths)[:, np.newaxis]
        self._cuts = np.concatenate([np.zeros(0), *(np.append(cuts[part], [np.inf, np.inf]) for part in even)])
        before = [np.searchsorted(cells[part], np.arange(CELLS + 1)) for part in even]
        self._before = np.array(before, dtype=np.intp).reshape(-1, CELLS + 1) + self._first_places
        self._before[:, CELLS] += 1  # gaps

    def of(self, matrix: Floats) -> Places:
        """Return the places of finite numbers and gaps in a matrix (rows, parts), shape (parts with cuts, rows)."""
        if len(matrix) <= FEWEST_ROWS:
            of_rows = [bisect_right(cuts, row[part]) for row in matrix.tolist() for part, cuts in self._lists]
            return np.array(of_rows, dtype=np.intp).reshape(len(matrix), len(self._lists)).T
        computed = len(self._parts) if len(matrix) > FEW_ROWS else 0
        if computed == len(self._ends):
            return self._computed(matrix)
        found = np.empty((len(self._ends), len(matrix)), dtype=np.intp)
        if computed:
            found[self._rows] = self._computed(matrix)
        for row, (part, cuts) in enumerate(self._ends):
            if not computed or row not in self._rows:
                found[row] = cuts.searchsorted(matrix[:, part], "right")
        return found

    def _computed(self, matrix: Floats) -> Places:
        numbers = matrix.T.take(self._parts, axis=0)
        places: Places = self._before.take(_cells(numbers, self._lowest, self._scale) + self._first_cells)
        for _ in range(self._steps):
            places += numbers >= self._cuts.take(places)  # none is infinite, as what is behind all cuts
        places -= self._first_places
        return places


def _range(cuts: Floats) -> tuple[float, float]:
    """Return the lowest cut, and the cells in a unit."""
    if len(cuts) < 2:
        return (cuts[0] if len(cuts) else 0.0), 1.0
    with np.errstate(over="ignore"):
        scale = CELLS / (cuts[-1] - cuts[0])
    return cuts[0], scale if 0 < scale < np.inf else 1.0


def _cells(numbers: Floats, lowest: Floats | float, scale: Floats | float) -> Places:
    """Return the cells of numbers; those beyond the cuts are in the first or the last, gaps in one behind."""
    with np.errstate(over="ignore"):
        cells = numbers - lowest
        cells *= scale
    np.maximum(cells, 0, out=cells)
    np.minimum(cells, CELLS - 1, out=cells)
    np.fmin(cells, CELLS, out=cells)  # NaN, too
    return cells.astype(np.intp)
