"""Hashed features of short strings: character n-grams, and what is seen of a password at a glance.

Strings are handled as code points, so any ``str`` will do, lone surrogates included. The features of a whole batch are
computed together, without a Python loop over rows or characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH = 256
"""Characters of a string that are looked at."""

_SEPARATOR = "\x00"
_OTHER, _LETTER, _DIGIT, _NONE = 1, 2, 3, 0

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_POWERS = np.cumprod(np.full(MAX_LENGTH + 2, _FACTOR, dtype=np.uint64))

_ASCII = np.arange(128)
_LOWER = np.where((_ASCII >= ord("A")) & (_ASCII <= ord("Z")), _ASCII + 32, _ASCII).astype(np.uint64)
_KIND = np.full(128, _OTHER, dtype=np.uint64)
_KIND[ord("0") : ord("9") + 1] = _DIGIT
_KIND[ord("a") : ord("z") + 1] = _LETTER
_KIND[ord(_SEPARATOR)] = _NONE

Slots = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Features of one kind. ``slots[starts[i] : starts[i + 1]]`` are those of row i; slot 0 stands for none."""

    slots: Slots
    starts: NDArray[np.int64]

    def rows(self, first: int, last: int) -> Group:
        """Return the features of the rows from ``first`` up to, not including, ``last``."""
        begin, end = self.starts[first], self.starts[last]
        return Group(self.slots[begin:end], self.starts[first : last + 1] - begin)

    def counts(self) -> NDArray[np.int64]:
        """Return how many features each row has."""
        return np.diff(self.starts)

    def sums(self, table: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return for each row the sum of the table's entries at its slots; the table has a first axis of slots."""
        values = table[self.slots]
        if len(self.slots) == len(self.starts) - 1:
            return values
        return np.add.reduceat(values, self.starts[:-1], axis=0)


def ngrams_and_shape(words: Sequence[str], *, order: int, bits: int) -> list[Group]:
    """Return groups: n-grams of 1 to ``order`` characters (ends marked), length, first and last character, shape."""
    return _Batch(words, bits).groups(order)


def ngrams_and_runs(words: Sequence[str], *, order: int, bits: int) -> list[Group]:
    """Return the same groups, the whole word and its runs of letters, digits and others, both in lower case."""
    batch = _Batch(words, bits)
    return [*batch.groups(order), batch.whole(), batch.runs()]


class _Batch:
    """The code points of a batch of words, one after the other: a separator before each word and one at the end."""

    def __init__(self, words: Sequence[str], bits: int) -> None:
        self.bits = np.uint64(64 - bits)
        words = [word[:MAX_LENGTH].replace(_SEPARATOR, "\x01") for word in words]
        text = _SEPARATOR + _SEPARATOR.join(words) + _SEPARATOR
        self.codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
        self.lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
        self.bounds = np.concatenate([[0], np.cumsum(self.lengths + 1)])
        ascii_codes = np.minimum(self.codes, 127)
        self.lower = np.where(self.codes < 128, _LOWER[ascii_codes], self.codes)
        self.kinds = np.where(self.codes < 128, _KIND[_LOWER[ascii_codes]], _LETTER)
        self.run_starts = np.flatnonzero(
            np.diff(self.kinds[:-1], prepend=np.uint64(99)).astype(bool) | (self.kinds[:-1] == _NONE)
        )

    def groups(self, order: int) -> list[Group]:
        first = self.codes[self.bounds[:-1] + 1]
        last = self.codes[self.bounds[1:] - 1]
        return [
            *self._ngrams(order),
            self._per_row(self.lengths.astype(np.uint64), 101),
            self._per_row(first, 102),
            self._per_row(last, 103),
            self._per_row(self._shape(), 104),
        ]

    def whole(self) -> Group:
        return self._per_row(_hash_segments(self.lower[:-1], self.bounds[:-1]), 105)

    def runs(self) -> Group:
        hashes = _hash_segments(self.lower[:-1], self.run_starts)
        slots = np.where(self.kinds[self.run_starts] == _NONE, 0, self._slots(hashes, 106))
        return Group(slots, np.append(self._first_runs(), len(slots)))

    def _ngrams(self, order: int) -> list[Group]:
        size = len(self.codes) - 1
        left = np.repeat(self.bounds[1:], self.lengths + 1) - np.arange(size) + 1
        padded = np.concatenate([self.codes, np.zeros(order, dtype=np.uint64)])
        hashes = np.zeros(size, dtype=np.uint64)
        found = []
        for n in range(1, order + 1):
            hashes = hashes * _FACTOR + padded[n - 1 : n - 1 + size] + np.uint64(1)
            found.append(Group(np.where(left >= n, self._slots(hashes, n), 0), self.bounds))
        return found

    def _shape(self) -> NDArray[np.uint64]:
        run_lengths = np.diff(self.run_starts, append=len(self.codes) - 1).astype(np.uint64)
        return _hash_segments(self.kinds[self.run_starts] * np.uint64(1024) + run_lengths, self._first_runs())

    def _first_runs(self) -> NDArray[np.int64]:
        return np.searchsorted(self.run_starts, self.bounds[:-1])

    def _per_row(self, values: NDArray[np.uint64], salt: int) -> Group:
        return Group(self._slots(values, salt), np.arange(len(values) + 1))

    def _slots(self, values: NDArray[np.uint64], salt: int) -> Slots:
        """Mix the bits of the values (the finalizer of SplitMix64) and keep the upper ones."""
        mixed = values + _POWERS[salt]
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((mixed ^ (mixed >> np.uint64(31))) >> self.bits).astype(np.int64)


def _hash_segments(values: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a polynomial hash of each segment of the values that begins at a start and ends at the next."""
    lengths = np.diff(starts, append=len(values))
    places = np.arange(len(values)) - np.repeat(starts, lengths)
    return np.add.reduceat((values + np.uint64(1)) * _POWERS[places], starts)
