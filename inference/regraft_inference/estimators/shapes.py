"""What columns add to answers at each of their values: the shape of a model, column by column and pair by pair."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Column

type Floats = NDArray[np.float64]

MOST_NUMBERS = 50
"""Numbers that a shape has at most; where there are more, each stands for as many rows that are neighbours."""

MOST_WORDS = 12
"""Words that a shape has at most: the most frequent ones."""

FEW = 5
"""Numbers, and words, that are told of each of two columns together."""

DAYS_IN_YEAR = 365.2425
EPOCH = 1970


def shape_of(column: Column, values: Any, added: Floats, answer: str | None = None) -> dict[str, Any] | None:
    """Return, as plain JSON, the mean of what a column has added where it had these values, shape (rows,) both.

    ``answer`` is the class that it has added to the score of, where there are several scores.

    ``values`` and ``added`` stand side by side: numbers ascending (of times, the years), categories as the contract has
    them, other words by their frequency, a gap (None) last. None of texts, which are all different, and of no values.
    """
    if column.type == "text" or not len(values):
        return None
    told, groups = _grouped(column, values, MOST_NUMBERS, MOST_WORDS)
    known = groups >= 0
    counts = np.bincount(groups[known], minlength=len(told))
    means = np.bincount(groups[known], added[known], minlength=len(told)) / counts
    unit = "year" if column.is_time else column.unit or ""
    return {"column": column.name, "unit": unit, "answer": answer, "values": told, "added": means.tolist()}


def pair_of(columns: tuple[Column, Column], values: tuple[Any, Any], added: Floats) -> dict[str, Any] | None:
    """Return, as plain JSON, the mean of what a pair of columns has added where they had these values together.

    Of each column they are told as by ``shape_of``, but ``FEW``. A list for each value of the first, with None for
    values that did not come together. None of texts, and of no values.
    """
    if any(column.type == "text" for column in columns) or not len(added):
        return None
    (first, rows), (second, places) = (_grouped(*each, FEW, FEW) for each in zip(columns, values, strict=True))
    known, cells = (rows >= 0) & (places >= 0), rows * len(second) + places
    counts = np.bincount(cells[known], minlength=len(first) * len(second))
    sums = np.bincount(cells[known], added[known], minlength=len(counts))
    means = [float(total / count) if count else None for total, count in zip(sums, counts, strict=True)]
    return {
        "columns": [column.name for column in columns],
        "values": [first, second],
        "added": [means[place : place + len(second)] for place in range(0, len(means), len(second))],
    }


def _grouped(column: Column, values: Any, most_numbers: int, most_words: int) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the values that are told, and which of them each row stands for; -1 for none."""
    if column.type in ("string", "boolean") or column.categories is not None:
        return _by_word(_words(column, values), list(map(_word, column.categories or ())), most_words)
    return _by_number(_numbers(column, values), most_numbers)


def _words(column: Column, values: Any) -> list[str | None]:
    if column.type == "string":
        return list(values)
    kind = bool if column.type == "boolean" else float
    return [None if value != value else _word(kind(value)) for value in values]  # noqa: PLR0124  (NaN: a gap)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return repr(int(value) if value == int(value) else value)


def _numbers(column: Column, values: Any) -> Floats:
    if not column.is_time:
        return np.asarray(values, dtype=np.float64)
    days: Floats = (values - np.datetime64(0, "us")) / np.timedelta64(1, "D")
    return EPOCH + days / DAYS_IN_YEAR


def _by_word(words: list[str | None], order: list[str], most: int) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the words that are told, and which of them each row has; -1 for another."""
    told: list[Any] = [word for word, _ in Counter(word for word in words if word is not None).most_common(most)]
    ranks = {word: rank for rank, word in enumerate(order)}
    told.sort(key=lambda word: ranks.get(word, len(ranks)))  # where there is no order, it stays
    told += [None] * (None in words)
    places = {word: place for place, word in enumerate(told)}
    return told, np.array([places.get(word, -1) for word in words], dtype=np.int64)


def _by_number(numbers: Floats, most: int) -> tuple[list[Any], NDArray[np.int64]]:
    """Return the numbers that are told, and which of them each row stands for."""
    gaps = np.isnan(numbers)
    there = numbers[~gaps]
    lowest = np.unique(there)
    is_all = len(lowest) <= most
    if not is_all:
        lowest = np.unique(np.quantile(there, np.arange(most) / most, method="lower"))
    groups = np.searchsorted(lowest, numbers, side="right") - 1
    counts = np.bincount(groups[~gaps], minlength=len(lowest))
    shares = there / counts[groups[~gaps]]  # before they are summed up, which may be too much for a number
    told = lowest if is_all else np.bincount(groups[~gaps], shares, minlength=len(lowest))
    groups[gaps] = len(lowest)
    return [*told.tolist(), *([None] * bool(gaps.any()))], groups
