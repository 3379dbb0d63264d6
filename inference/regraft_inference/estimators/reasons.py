"""What answers are made of: of one row, and of many in arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class Reasons:
    """What one answer is made of: ``start`` and what each column ``added`` sum up to ``answer``.

    All on the ``scale``, which is said in words; ``columns`` are the names, that of the largest first.
    """

    scale: str
    start: float
    columns: list[str]
    added: list[float]
    answer: float

    def told(self) -> dict[str, Any]:
        """Return them as answers tell them, for JSON."""
        columns = [{"column": name, "added": added} for name, added in zip(self.columns, self.added, strict=True)]
        return {"scale": self.scale, "start": self.start, "columns": columns, "answer": self.answer}


@dataclass(frozen=True, eq=False)
class Cells:
    """All that columns can add to the only output, where each adds one of a few numbers, the largest first.

    Which column, as its place, and what it adds: both of shape (cells,).
    """

    columns: NDArray[np.intp]
    added: NDArray[np.float64]

    @classmethod
    def ordered(cls, columns: NDArray[np.intp], added: NDArray[np.float64]) -> tuple[Cells, NDArray[np.intp]]:
        """Return the cells in their order, and the place of each one that was given, shape (cells,)."""
        order = np.lexsort((columns, -np.abs(added)))  # of those that are as large, the first column is the first
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return cls(columns[order], added[order]), places


@dataclass(slots=True)
class ReasonsTable(Sequence[Reasons]):
    """The reasons of many answers. Of each output its scale and its start; all else is of each row.

    ``outputs`` are the places of their scales, shape (rows,); ``order`` those of the columns, that of the largest
    first, shape (rows, columns); ``numbers`` what these add, and behind it the answer, shape (rows, columns + 1).
    """

    names: tuple[str, ...]
    scales: tuple[str, ...]
    starts: tuple[float, ...]
    outputs: NDArray[np.int64]
    order: NDArray[np.int64]
    numbers: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Reasons: ...
    @overload
    def __getitem__(self, place: slice) -> ReasonsTable: ...
    def __getitem__(self, place: int | slice) -> Reasons | ReasonsTable:
        """Return the reasons of one row, or of some."""
        if isinstance(place, slice):
            of_rows = self.outputs[place], self.order[place], self.numbers[place]
            return ReasonsTable(self.names, self.scales, self.starts, *of_rows)
        return self._of_row(int(self.outputs[place]), self.order[place].tolist(), self.numbers[place].tolist())

    def __iter__(self) -> Iterator[Reasons]:
        """Return the reasons of all rows, one after the other."""
        return map(self._of_row, self.outputs.tolist(), self.order.tolist(), self.numbers.tolist())

    def _of_row(self, output: int, order: list[int], numbers: list[float]) -> Reasons:
        names = self.names
        *added, answer = numbers
        return Reasons(self.scales[output], self.starts[output], [names[place] for place in order], added, answer)


@dataclass(slots=True)
class PlacedReasons(Sequence[Reasons]):
    """The reasons of many answers where it is known all that columns can add, and there is one output.

    ``places`` tells which of the ``cells`` are added to each row, the largest first, shape (rows, columns).
    """

    names: tuple[str, ...]
    scale: str
    start: float
    cells: Cells
    places: NDArray[np.intp]
    answers: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.answers)

    @overload
    def __getitem__(self, place: int) -> Reasons: ...
    @overload
    def __getitem__(self, place: slice) -> PlacedReasons: ...
    def __getitem__(self, place: int | slice) -> Reasons | PlacedReasons:
        """Return the reasons of one row, or of some."""
        if isinstance(place, slice):
            of_rows = self.places[place], self.answers[place]
            return PlacedReasons(self.names, self.scale, self.start, self.cells, *of_rows)
        return self.table()[place]

    def __iter__(self) -> Iterator[Reasons]:
        """Return the reasons of all rows, one after the other."""
        return iter(self.table())

    def table(self) -> ReasonsTable:
        """Return the same in numbers."""
        return ReasonsTable(
            names=self.names,
            scales=(self.scale,),
            starts=(self.start,),
            outputs=np.zeros(len(self), dtype=np.int64),
            order=self.cells.columns.take(self.places),
            numbers=np.column_stack([self.cells.added.take(self.places), self.answers]),
        )
