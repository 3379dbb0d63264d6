"""On which line of a CSV each row begins."""

from __future__ import annotations

import csv as plain
import io
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

LINES_SHOWN = 5
"""Ragged rows of which the text is kept."""


plain.field_size_limit(1 << 23)  # as long as the longest row that Arrow reads; by default a long text is an error

MOST_RAGGED = 10_000
"""Ragged rows after which the rest of a file is not read: Arrow asks Python about each of them."""


@dataclass(frozen=True)
class RaggedRow:
    """A row with another number of values than the header."""

    line: int
    text: str
    values: int
    expected: int


@dataclass
class Ragged:
    """How many rows are ragged, and the first of them. ``is_cut``: there were too many to read on."""

    count: int = 0
    examples: list[RaggedRow] = field(default_factory=list)
    is_cut: bool = False


class Lines:
    """Tells the line on which each row begins; breaks inside quoted values and ragged rows count.

    Ragged rows are met while a block is parsed, so before its other rows are numbered.
    """

    def __init__(self, first: int = 2) -> None:
        self.ragged = Ragged()
        self._met = 0
        self._blank = 0
        self._waiting: deque[tuple[int, int, bool, csv.InvalidRow | None]] = deque()
        self._row = 0
        self._line = first

    @property
    def last(self) -> int:
        """Line on which the last row of all begins, where it is ragged; before it, where it is none."""
        return self._line - 1

    def skip(self, row: csv.InvalidRow) -> str:
        """Take note of a ragged row, which is not parsed; one too many ends the parsing."""
        if self._blank < MOST_RAGGED and not row.text.strip():  # a line of blanks is no row
            self._blank += 1
            self._waiting.append((row.number - 2, row.text.count("\n"), False, None))
            return "skip"
        self._met += 1
        if self._met > MOST_RAGGED:
            self.ragged.is_cut = True
            return "error"
        shown = row if len(self.ragged.examples) + len(self._waiting) < LINES_SHOWN else None
        self._waiting.append((row.number - 2, row.text.count("\n"), True, shown))
        return "skip"

    def numbered(self, table: pa.Table) -> pa.Table:
        """Return a table with the lines of its rows in a column more, named with the empty string."""
        breaks = np.zeros(len(table), dtype=np.int64)
        for column in table.columns:
            breaks += pc.count_substring(column, "\n").to_numpy()
        lines = np.empty(len(table), dtype=np.int64)
        done = 0
        while self._waiting and self._waiting[0][0] < self._row + len(table) - done:
            ahead = self._waiting[0][0] - self._row
            self._number(lines[done : done + ahead], breaks[done : done + ahead])
            done += ahead
            self._pass_ragged()
        self._number(lines[done:], breaks[done:])
        return table.append_column("", pa.array(lines))

    def finish(self) -> None:
        """Number the ragged rows after the last of the others."""
        while self._waiting:
            self._pass_ragged()

    def _number(self, lines: NDArray[np.int64], breaks: NDArray[np.int64]) -> None:
        ends = self._line + np.cumsum(breaks + 1)
        lines[:] = ends - breaks - 1
        self._row += len(lines)
        self._line = int(ends[-1]) if len(ends) else self._line

    def _pass_ragged(self) -> None:
        _, breaks, is_row, row = self._waiting.popleft()
        self.ragged.count += is_row
        if row is not None:
            self.ragged.examples.append(RaggedRow(self._line, row.text, row.actual_columns, row.expected_columns))
        self._row += 1
        self._line += breaks + 1


def first_ragged(path: Path, *, delimiter: str, start: int, line: int) -> list[RaggedRow]:
    """Return the first ragged rows of a file of which no more is to be read.

    ``start`` is the byte at which the header begins, ``line`` its line.
    """
    with path.open("rb") as file:
        file.seek(start)
        texts = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        return list(islice(_ragged_rows(texts, delimiter, line), LINES_SHOWN))


def _ragged_rows(texts: Iterable[str], delimiter: str, line: int) -> Iterator[RaggedRow]:
    rows = plain.reader(texts, delimiter=delimiter)
    width = len(next(rows))
    begins = line + rows.line_num
    for row in rows:
        if row and len(row) != width:
            yield RaggedRow(begins, delimiter.join(row), len(row), width)
        begins = line + rows.line_num
