"""From columns of any type to one matrix of numbers, the same at training and at serving.

Layout of the matrix: float64, NaN for a gap, the parts of each column side by side in the order of the contract:

| column | parts | values |
|---|---|---|
| number, integer | 1 | as they are |
| boolean | 1 | 0 and 1 |
| string with categories | 1 | place in the contract's list; one that is not in it is a gap |
| string without | 2 | place among the most frequent values of the training rows (others: a gap), its share there |
| text | 2 + ``TEXT_PARTS`` | characters, words, then how often words fall into each hash bucket |
| date | 5 | days since 1970, year, month, day of the month, weekday (Monday 0) |
| datetime | 7 | the same, then hour and second of the day |

``Part.levels`` says which parts are places in a list, so that a model can take them as codes instead of as an order.
Everything that was learned from the training rows is plain JSON.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from regraft_core.contract import Column, Contract
from regraft_inference.columns import typed_values
from regraft_inference.estimators import Columns, rows_of
from regraft_inference.words import Choices

TEXT_PARTS = 32
"""Buckets that the words of a text are counted in."""

MAX_LEVELS = 250
"""Most values of an open string that have a place of their own."""

MIN_ROWS = 2
"""Fewest rows of an open string's value for a place of its own."""

WORD = re.compile(r"\w+")

type Matrix = NDArray[np.float64]


class Part(BaseModel):
    """One column of the matrix: of which of the contract's columns, what it says, and of how many levels it is."""

    model_config = ConfigDict(frozen=True)

    column: str
    what: str
    levels: int | None = None


class Encoding(BaseModel):
    """What was learned of the training rows: the values of open strings, with the share of the rows of each."""

    model_config = ConfigDict(frozen=True)

    features: tuple[Column, ...]
    levels: dict[str, dict[str, float]]

    @classmethod
    def learn(cls, contract: Contract, columns: Columns) -> Self:
        """Return the encoding of a contract's features for these training rows."""
        levels = {
            column.name: _frequent(columns[column.name])
            for column in contract.features
            if column.type == "string" and column.categories is None
        }
        return cls(features=contract.features, levels=levels)

    @cached_property
    def parts(self) -> list[Part]:
        """The columns of the matrix, in their order."""
        return [part for column in self.features for part in self._parts(column)]

    def matrix(self, columns: Columns) -> Matrix:
        """Return the matrix of valid columns, shape (rows, parts)."""
        rows = rows_of(columns)
        found = np.empty((len(self.parts), rows))  # each part is read by itself
        place = 0
        for column in self.features:
            for part in self._encoded(column, columns[column.name]):
                found[place] = part
                place += 1
        return found.T

    def rows(self, columns: Columns) -> list[tuple[float, ...]]:
        """Return the rows of the matrix in plain numbers, which of a few rows takes less."""
        parts = [part for column in self.features for part in self._encoded(column, columns[column.name])]
        # Whole numbers are rounded as they are in the matrix.
        return list(zip(*(map(float, part.tolist()) for part in parts), strict=True))

    @cached_property
    def _places(self) -> dict[str, _Numbers]:
        """Of each string with categories, the places of its values in their list; of others, with one behind it."""
        categories = {each.name: each.categories for each in self.features if each.categories is not None}
        closed = {name: _Numbers(values, np.nan) for name, values in categories.items()}
        return closed | {name: _Numbers(shares, len(shares)) for name, shares in self.levels.items()}

    @cached_property
    def _levels(self) -> dict[str, Matrix]:
        """Of each open string, its two parts by the places of its values."""
        return {
            name: np.array([[*range(len(shares)), np.nan], [*shares.values(), 0.0]])
            for name, shares in self.levels.items()
        }

    def _parts(self, column: Column) -> list[Part]:
        names: Sequence[str] = ("",)
        levels: int | None = None
        if column.type == "string" and column.categories is not None:
            levels = len(column.categories)
        elif column.type == "string":
            names, levels = ("", "share"), len(self.levels[column.name])
        elif column.type == "text":
            names = ("characters", "words", *(f"words in bucket {bucket}" for bucket in range(TEXT_PARTS)))
        elif column.is_time:
            names = ("days", "year", "month", "day", "weekday")
            names = names if column.type == "date" else (*names, "hour", "second")
        return [Part(column=column.name, what=name, levels=None if name else levels) for name in names]

    def _encoded(self, column: Column, values: Any) -> Sequence[Any]:
        if column.type in ("number", "integer", "boolean"):
            return (values,)
        if column.type == "text":
            return _of_texts(values)
        if column.type == "string":
            if isinstance(values, Choices) and values.categories == column.categories:
                return (np.frombuffer(values.places, dtype=np.uint8),)
            places = self._places[column.name].of(values)
            if column.categories is not None:
                return (places,)
            return list(self._levels[column.name].take(places.astype(np.intp), axis=1))
        return _of_times(np.asarray(typed_values(column, values)), column)


class _Numbers(dict[Any, float]):
    """The places of words in their list, and one number of all that are not there."""

    def __init__(self, words: Iterable[Any], other: float) -> None:
        super().__init__((word, place) for place, word in enumerate(words))
        self._other = other

    def __missing__(self, _word: Any) -> float:
        return self._other

    def of(self, words: Sequence[str | None] | NDArray[Any]) -> Matrix:
        """Return the numbers of words."""
        return np.fromiter(map(self.__getitem__, words), dtype=np.float64, count=len(words))


def _frequent(values: Sequence[str | None] | NDArray[Any]) -> dict[str, float]:
    """Return the most frequent values with their shares, most frequent first, equals in the order of the alphabet."""
    counts = Counter(value for value in values if value is not None)
    frequent = sorted(((value, count) for value, count in counts.items() if count >= MIN_ROWS), key=_by_count)
    return {value: round(count / len(values), 9) for value, count in frequent[:MAX_LEVELS]}


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _of_texts(texts: Sequence[str | None] | NDArray[Any]) -> list[Matrix]:
    found = np.zeros((2 + TEXT_PARTS, len(texts)))
    for row, text in enumerate(texts):
        if text is None:
            found[:, row] = np.nan
            continue
        words = WORD.findall(text.lower())
        found[:2, row] = len(text), len(words)
        for word in words:
            found[2 + zlib.crc32(word.encode("utf-8", "surrogatepass")) % TEXT_PARTS, row] += 1
    return list(found)


def _of_times(times: NDArray[Any], column: Column) -> list[Matrix]:
    days = times.astype("datetime64[D]")
    months = times.astype("datetime64[M]")
    years = times.astype("datetime64[Y]")
    since = days.astype(np.int64)
    seconds = (times - days).astype("timedelta64[s]").astype(np.float64)
    parts = [
        (times - np.datetime64(0, "us")) / np.timedelta64(1, "D"),
        years.astype(np.int64) + 1970.0,
        (months - years).astype(np.float64) + 1,
        (days - months).astype(np.float64) + 1,
        (since + 3) % 7,
    ]
    if column.type == "datetime":
        parts += [seconds // 3600, seconds]
    gaps = np.isnat(times)
    return [np.where(gaps, np.nan, part) for part in parts]
