"""Values that wait to be counted, in as few objects as they fit into: those of many requests are counted at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Column, Contract
from regraft_core.profile import Profile
from regraft_inference.fit.aspects import ColumnCounts, Text
from regraft_inference.values import Values
from regraft_inference.words import SEPARATOR, Choices, Words, words_of

MOST_CHARACTERS = 1 << 20
"""Characters of a column that wait to be counted at most, beside those of one request."""

FEW_WORDS = 16
"""Words of a request up to which they are kept and counted with others."""


class Waiting(Protocol):
    """Some columns of requests."""

    def wait(self, columns: Mapping[str, Values]) -> None:
        """Take the checked columns of a request."""
        ...

    def count(self) -> None:
        """Count all that waits."""
        ...


class Numbers:
    """All columns of numbers and booleans, side by side."""

    def __init__(self, columns: list[tuple[Column, ColumnCounts]]) -> None:
        self._names = [column.name for column, _ in columns]
        self._columns = columns
        self._waiting: list[NDArray[np.float64]] = []

    def wait(self, columns: Mapping[str, Values]) -> None:
        """Take the checked columns of a request."""
        values = np.concatenate([columns[name] for name in self._names], dtype=np.float64)
        self._waiting.append(values.reshape(len(self._names), -1))

    def count(self) -> None:
        """Count all that waits."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        for (column, counts), values in zip(self._columns, np.concatenate(waiting, axis=1), strict=True):
            there = values[~np.isnan(values)] if column.nullable else values
            counts.add(there, len(values) - len(there))


class Times:
    """One column of dates or points in time."""

    def __init__(self, column: Column, counts: ColumnCounts) -> None:
        self._name = column.name
        self._counts = counts
        self._waiting: list[Values] = []

    def wait(self, columns: Mapping[str, Values]) -> None:
        """Take the checked columns of a request."""
        self._waiting.append(columns[self._name])

    def count(self) -> None:
        """Count all that waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            times = np.concatenate(waiting)
            there = times[~np.isnat(times)]
            self._counts.add(there, len(times) - len(there))


class Strings:
    """One column of strings or texts."""

    def __init__(self, column: Column, counts: ColumnCounts) -> None:
        self._name = column.name
        self._nullable = column.nullable
        self._categories: Sequence[Any] = column.categories or ()
        self._counts = counts
        self._tells_apart = "values" in counts.counts
        self._looks_inside = not counts.counts.keys().isdisjoint(("length", "characters"))
        self._clear()

    def _clear(self) -> None:
        self._values: list[str] = []
        self._found = Counter[str]()
        self._places: list[bytes] = []
        self._texts: list[str] = []
        self._words = self._gaps = self._characters = 0

    def wait(self, columns: Mapping[str, Values]) -> None:
        """Take the checked columns of a request."""
        values: Any = columns[self._name]
        if isinstance(values, Choices) and not self._looks_inside:
            self._words += len(values)
            self._places.append(values.places)
            return
        words: Sequence[str] = Words(word for word in values if word is not None) if self._nullable else values
        self._gaps += len(values) - len(words)
        if self._looks_inside and not self._takes_text(words_of(words)):
            return
        self._words += len(words)
        if self._tells_apart and len(words) > FEW_WORDS:
            self._found.update(words)  # now, so that they need not stay
        elif self._tells_apart:
            self._values.extend(words)
        if self._characters > MOST_CHARACTERS:
            self.count()

    def _takes_text(self, words: Words) -> bool:
        """Let the text of words wait, or count them at once where that cannot be taken apart again."""
        text = words.text
        if text.count(SEPARATOR) > len(words):
            lengths = np.fromiter(map(len, words), np.int64, len(words))
            self._counts.add(Text(text, len(words), Counter(words), lengths), 0)
            return False
        self._texts.append(text)
        self._characters += len(text)
        return True

    def count(self) -> None:
        """Count all that waits."""
        if self._words or self._gaps:
            self._counts.add(Text("".join(self._texts), self._words, self._tally()), self._gaps)
        self._clear()

    def _tally(self) -> Counter[str]:
        """Return how often there is each word, where that is counted."""
        found = self._found
        found.update(self._values)
        if self._places:
            places = np.frombuffer(b"".join(self._places), dtype=np.uint8)
            found.update(dict(zip(self._categories, np.bincount(places).tolist(), strict=False)))
        return found


class Inputs:
    """The columns of a contract that a profile knows."""

    def __init__(self, contract: Contract, profile: Profile | None) -> None:
        inputs = {} if profile is None else profile.inputs
        features = [column for column in contract.features if column.name in inputs]
        columns = [(column, ColumnCounts(column, inputs[column.name])) for column in features]
        self.columns = {column.name: counts for column, counts in columns}
        """The counts, by the columns' names."""
        numbers = [(column, counts) for column, counts in columns if column.is_number or column.type == "boolean"]
        self._parts: list[Waiting] = [Numbers(numbers)] if numbers else []
        for column, counts in columns:
            if column.is_time:
                self._parts.append(Times(column, counts))
            elif column.type in ("string", "text"):
                self._parts.append(Strings(column, counts))

    def wait(self, columns: Mapping[str, Values]) -> None:
        """Take the checked columns of a request."""
        for part in self._parts:
            part.wait(columns)

    def count(self) -> None:
        """Count all that waits."""
        for part in self._parts:
            part.count()
