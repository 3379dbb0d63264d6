"""Columns of numbers as one table: checked and typed together, where nothing is wrong with them.

Each step over a column costs something by itself, so that one for all of them costs less: msgspec looks at the types of
all values in one go, and of plain values Python's ``struct`` makes an array in a third of the time that numpy takes.
Where a value breaks a rule, or might, the columns' own readers look at each.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import ValidationError, convert, defstruct
from msgspec.structs import astuple
from numpy.typing import NDArray

from regraft_core.contract import Column
from regraft_inference.columns import dtype_of

FEW_ROWS = 16
"""Rows up to which lists are checked faster, column by column."""

VALID: dict[str, tuple[Any, Any]] = {
    "integer": (tuple[int, ...], tuple[int | None, ...]),
    "boolean": (tuple[bool, ...], tuple[bool | None, ...]),
    "number": (tuple[float, ...], tuple[float | None, ...]),
}
"""Values that are right beyond doubt, without gaps and with them: whole numbers are right as floats, too.

As tuples, which ``struct`` takes as they are.
"""

LETTERS = {"int64": "q", "bool": "?", "float64": "d"}
"""What ``struct`` calls the types of arrays."""

EXACT = 1 << 53
"""Up to this, float64 has each whole number."""

INT64 = np.iinfo(np.int64)
LARGEST = sys.float_info.max


class NumberTable:
    """Some columns of a contract whose arrays have one type."""

    def __init__(self, columns: Sequence[Column], dtype: np.dtype[Any]) -> None:
        self._dtype, self._letter = dtype, LETTERS[dtype.name]
        self._names = [column.name for column in columns]
        fields = [(f"column_{place}", VALID[column.type][column.nullable > 0]) for place, column in enumerate(columns)]
        self._valid = defstruct("Valid", fields, array_like=True)
        self._are_gapped = [column.nullable > 0 for column in columns]
        self._gaps = np.array(self._are_gapped)[:, np.newaxis]
        ranges = np.array([_range(column) for column in columns], dtype=dtype)
        self._is_unbounded = {(-LARGEST, LARGEST)} == {_range(column) for column in columns}
        self._lowest, self._highest = ranges[:, :1], ranges[:, 1:]
        self._listed = [(column.name, values) for column in columns if (values := _listed(column))]

    def read(self, columns: Mapping[str, list[Any]]) -> dict[str, NDArray[Any]]:
        """Return the typed columns by their names; none where not all of them are valid beyond doubt."""
        try:
            table = self._packed(astuple(convert([columns[name] for name in self._names], self._valid)))
        except (ValidationError, struct.error, OverflowError):  # or a whole number that is too large
            return {}
        if not self._are_within(table) or not all(known.issuperset(columns[name]) for name, known in self._listed):
            return {}
        return dict(zip(self._names, table, strict=True))

    def _packed(self, columns: Sequence[tuple[Any, ...]]) -> NDArray[Any]:
        """Return the table, shape (columns, rows). Raises struct.error or OverflowError for what does not fit."""
        rows = len(columns[0])
        pack = struct.Struct(f"{rows}{self._letter}").pack
        each = zip(columns, self._are_gapped, strict=True)
        packed = [pack(*(_filled(values) if gapped else values)) for values, gapped in each]
        return np.frombuffer(bytearray().join(packed), self._dtype).reshape(len(columns), rows)

    def _are_within(self, table: NDArray[Any]) -> bool:
        """Whether all numbers are within the bounds of their column, or gaps where there may be some."""
        if self._is_unbounded:
            valid = np.isfinite(table)
        else:
            valid = table >= self._lowest
            valid &= table <= self._highest
        return np.count_nonzero(valid) == table.size or bool((valid | (np.isnan(table) & self._gaps)).all())


def _filled(values: tuple[Any, ...]) -> Sequence[Any]:
    """Return values with NaN for gaps."""
    return [math.nan if value is None else value for value in values] if None in values else values


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
