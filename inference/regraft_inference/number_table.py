"""Columns of numbers as one table: checked and typed together, where nothing is wrong with them.

Each step over a column costs something by itself, so that one for all of them costs less; and of plain values Python's
``struct`` makes an array in a third of the time that numpy takes. Where a value breaks a rule, or might, the columns'
own readers look at each.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Column
from regraft_inference.columns import dtype_of
from regraft_inference.estimators import rows_of

FEW_ROWS = 128
"""Rows up to which lists are checked faster, column by column."""

GAP, NAN = type(None), math.nan
KINDS: dict[str, tuple[type, ...]] = {"integer": (int,), "boolean": (bool,), "number": (float, int)}
"""Python types of the values that are right beyond doubt, the usual one first; a float may be a whole number, too."""

LETTERS = {"int64": "q", "bool": "?", "float64": "d"}
"""What ``struct`` calls the types of arrays."""

EXACT = 1 << 53
"""Up to this, float64 has each whole number."""

INT64 = np.iinfo(np.int64)
LARGEST = sys.float_info.max


class NumberTable:
    """Some columns of a contract whose arrays have one type."""

    def __init__(self, columns: Sequence[Column], dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._columns = [(column.name, KINDS[column.type], column.nullable > 0) for column in columns]
        self._gaps = np.array([[column.nullable > 0] for column in columns])
        ranges = np.array([_range(column) for column in columns], dtype=dtype)
        self._is_unbounded = {(-LARGEST, LARGEST)} == {_range(column) for column in columns}
        self._lowest, self._highest = ranges[:, :1], ranges[:, 1:]
        self._listed = [(column.name, values) for column in columns if (values := _listed(column))]

    def read(self, columns: Mapping[str, list[Any]]) -> dict[str, NDArray[Any]]:
        """Return the typed columns by their names; none where not all of them are valid beyond doubt."""
        table = self._table(columns)
        if table is None or not all(values.issuperset(columns[name]) for name, values in self._listed):
            return {}
        return {name: table[place] for place, (name, *_) in enumerate(self._columns)}

    def _table(self, columns: Mapping[str, list[Any]]) -> NDArray[Any] | None:
        """Return the table, shape (columns, rows); None where a value is of another type or out of range."""
        rows = rows_of(columns)
        table = np.empty((len(self._columns), rows), self._dtype)
        packed = struct.Struct(f"{rows}{LETTERS[self._dtype.name]}")
        for place, (name, known, nullable) in enumerate(self._columns):
            values = columns[name]
            kinds = list(map(type, values))
            if kinds.count(known[0]) < rows:  # which is faster than to make a set of them
                rest = set(kinds)
                if nullable and GAP in rest:
                    rest.remove(GAP)
                    values = [NAN if value is None else value for value in values]
                if not rest.issubset(known):
                    return None
            try:
                packed.pack_into(table, place * packed.size, *values)
            except (struct.error, OverflowError):  # a whole number that is too large
                return None
        valid = self._within(table)
        return table if valid.all() or (valid | (np.isnan(table) & self._gaps)).all() else None

    def _within(self, table: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which numbers are within the bounds of their column; NaN is not."""
        if self._is_unbounded:
            finite: NDArray[np.bool_] = np.isfinite(table)
            return finite
        return (table >= self._lowest) & (table <= self._highest)


def number_tables(columns: Iterable[Column]) -> list[NumberTable]:
    """Return the tables of a contract's columns, one for each type of arrays."""
    found: dict[np.dtype[Any], list[Column]] = {}
    for column in columns:
        dtype = dtype_of(column)
        if dtype is not None and dtype.name in LETTERS:
            found.setdefault(dtype, []).append(column)
    return [NumberTable(of_type, dtype) for dtype, of_type in found.items()]


def _range(column: Column) -> tuple[float, float]:
    """Return the least and the largest value of which its array tells that it may be in a column."""
    if column.type == "boolean":
        return False, True
    is_whole = column.type == "integer"
    lowest, highest = -LARGEST, LARGEST
    if is_whole:
        lowest, highest = (-EXACT, EXACT) if column.nullable else (INT64.min, INT64.max)
    if column.minimum is not None:
        lowest = max(lowest, math.ceil(column.minimum) if is_whole else column.minimum)
    if column.maximum is not None:
        highest = min(highest, math.floor(column.maximum) if is_whole else column.maximum)
    if _is_run(column):
        categories: Any = column.categories
        lowest, highest = max(lowest, min(categories)), min(highest, max(categories))
    return (lowest, highest) if lowest <= highest else (1, 0)


def _is_run(column: Column) -> bool:
    """Whether the categories are all the whole numbers of a range, so that its bounds say all."""
    values: Any = column.categories or ()
    return column.type == "integer" and len(values) > 0 and max(values) - min(values) < len(set(values))


def _listed(column: Column) -> frozenset[Any]:
    """Return the values that those of a column are held against one by one; none where that is needless."""
    if column.categories is None or _is_run(column):
        return frozenset()
    return frozenset({*column.categories, *([None] if column.nullable else [])})
