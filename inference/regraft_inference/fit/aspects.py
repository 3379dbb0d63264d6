"""Counts the values of a column in the bins of a profile, as ``regraft_pipeline.data.profile`` counts a dataset's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Column
from regraft_core.profile import (
    CONFIDENCE_LIMIT,
    CONFIDENCE_LOG_ODDS,
    CONFIDENCE_STEPS,
    MISSING,
    THERE,
    WEEKDAYS,
    Bins,
    Characters,
    Distribution,
    Levels,
)

type Ints = NDArray[np.int64]
type Count = Callable[[Any], Ints]
"""Returns how many of some values there are in each bin."""

ASCII = 128
_MIDDLE = CONFIDENCE_LIMIT * CONFIDENCE_STEPS


class Text:
    """What is counted of words: their ``Words.text``, and how often there is each, where that is counted.

    ``lengths`` are told where a word has the separator in it.
    """

    def __init__(self, text: str, words: int, tally: Mapping[str, int], lengths: Ints | None = None) -> None:
        self._text, self._words, self._lengths, self.tally = text, words, lengths, tally

    def __len__(self) -> int:
        """Return the number of words."""
        return self._words

    @cached_property
    def codes(self) -> NDArray[Any]:
        """The code points of all words, a separator before each."""
        if self._text.isascii():
            return np.frombuffer(self._text.encode(), dtype=np.uint8)
        return np.frombuffer(self._text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)

    @property
    def lengths(self) -> Ints:
        """Characters of each word."""
        if self._lengths is not None:
            return self._lengths
        found: Ints = np.diff(np.flatnonzero(self.codes == 0), append=len(self.codes)) - 1
        return found


class ColumnCounts:
    """Counts of one column, by aspect."""

    def __init__(self, column: Column, known: Mapping[str, Distribution]) -> None:
        self._counters = {what: _counter(column, what, distribution) for what, distribution in known.items()}
        self.counts: dict[str, Ints] = {what: np.zeros(len(of.counts), dtype=np.int64) for what, of in known.items()}

    def add(self, present: NDArray[Any] | Text, gaps: int) -> None:
        """Count the values that are there, and how many are not."""
        for what, count in self._counters.items():
            if what == "missing":
                self.counts[what] += count({MISSING: gaps, THERE: len(present)})
            elif len(present):
                self.counts[what] += count(present)


class SurenessCounts:
    """Counts how sure a classifier was of its answers, in the bins of ``CONFIDENCE_EDGES``."""

    def __init__(self, of: Literal["second", "answered"]) -> None:
        self._of_many = of == "answered"
        self._outputs: int | None = None
        self.counts: Ints = np.zeros(len(CONFIDENCE_LOG_ODDS) + 1, dtype=np.int64)

    def takes(self, scores: NDArray[np.float64]) -> bool:
        """Whether scores are of as many classes as was judged, and as those before."""
        if self._outputs is None and (scores.shape[1] > 1) == self._of_many:
            self._outputs = scores.shape[1]
        return bool(scores.shape[1] == self._outputs)

    def add(self, scores: NDArray[np.float64]) -> None:
        """Count the scores of a ``ScoringEstimator``."""
        steps = np.ceil(_log_odds(scores) * CONFIDENCE_STEPS)  # exact: of a power of two
        places = np.fmax(np.fmin(steps + _MIDDLE, len(CONFIDENCE_LOG_ODDS)), 0)  # what is no number is behind all
        self.counts += np.bincount(places.astype(np.int64), minlength=len(self.counts))


def _log_odds(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log odds of the second of two classes, or of the most probable one of more, shape (rows,)."""
    if scores.shape[1] == 1:
        return scores[:, 0]
    ordered = np.sort(scores, axis=1)
    found: NDArray[np.float64] = ordered[:, -1] - np.logaddexp.reduce(ordered[:, :-1], axis=1)
    return found


def counter_of(distribution: Distribution) -> Count:
    """Return what counts plain values: numbers, words, or booleans."""
    if isinstance(distribution, Bins):
        return _bins(distribution)
    if isinstance(distribution, Characters):
        return _characters(distribution)
    if distribution.levels and isinstance(distribution.levels[0], str):
        return _words(distribution)
    return _numbers(distribution)


def _counter(column: Column, what: str, distribution: Distribution) -> Count:
    count = counter_of(distribution)
    if what == "missing":
        return lambda found: _placed(distribution, found)
    if what == "length":
        return lambda text: count(text.lengths)
    if what == "weekday":
        return lambda times: _weekdays(distribution, times)
    if column.is_time and what == "values":
        return lambda times: count(_days(times))
    return count


def _bins(distribution: Bins) -> Count:
    """Compare all values with each edge: of as few edges as there are, this takes a fraction of searching for each."""
    edges = _alone(distribution.edges)

    def count(values: NDArray[Any]) -> Ints:
        numbers = values.astype(np.float64, copy=False)
        above = [int(np.count_nonzero(numbers > edge)) for edge in edges]
        return np.array([before - after for before, after in pairwise([len(values), *above, 0])], dtype=np.int64)

    return count


def _alone(numbers: Iterable[Any]) -> list[NDArray[np.float64]]:
    """Return each number as an array without dimensions: numpy compares with it in half the time of a scalar."""
    return [np.array(number, dtype=np.float64) for number in numbers]


def _numbers(distribution: Levels) -> Count:
    levels = _alone(distribution.levels)

    def count(values: NDArray[Any]) -> Ints:
        numbers = values.astype(np.float64, copy=False)
        inside = [int(np.count_nonzero(numbers == level)) for level in levels]
        return np.array([*inside, len(values) - sum(inside)], dtype=np.int64)

    return count


def _words(distribution: Levels) -> Count:
    def count(values: Any) -> Ints:
        if isinstance(values, np.ndarray) and values.dtype.kind in "bf":  # booleans, or those of a column with gaps
            true = int(np.count_nonzero(values))
            return _placed(distribution, {"true": true, "false": len(values) - true})
        return _placed(distribution, values.tally if isinstance(values, Text) else Counter(values.tolist()))

    return count


def _characters(distribution: Characters) -> Count:
    last = len(distribution.levels)
    codes = np.array([ord(level) for level in distribution.levels], dtype=np.int64)
    order = np.argsort(codes)
    ordered = codes[order]

    def count(text: Text) -> Ints:
        tally = np.bincount(text.codes, minlength=ASCII)
        tally[0] -= len(text)  # separators
        counts = np.zeros(last + 1, dtype=np.int64)
        known = ordered < len(tally)
        counts[order[known]] = tally[ordered[known]]
        counts[last] = tally.sum() - counts.sum()
        return counts

    return count


def _days(times: NDArray[Any]) -> Ints:
    return times.astype("datetime64[D]").astype(np.int64)


def _weekdays(distribution: Distribution, times: NDArray[Any]) -> Ints:
    counts = np.bincount((_days(times) + 3) % 7, minlength=7).tolist()
    return _placed(distribution, dict(zip(WEEKDAYS, counts, strict=True)))


def _placed(distribution: Distribution, found: Mapping[str, int]) -> Ints:
    """Return the counts of words at the levels of a distribution, and of all others last."""
    levels = () if isinstance(distribution, Bins) else distribution.levels
    inside = [found.get(str(level), 0) for level in levels]
    return np.array([*inside, sum(found.values()) - sum(inside)], dtype=np.int64)
