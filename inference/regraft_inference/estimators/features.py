"""Hashed features of short strings: character n-grams, and what is seen of a password at a glance.

Strings are handled as code points, so any ``str`` will do, lone surrogates included. The features of a whole batch are
computed together, without a Python loop over rows or characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_inference.words import SEPARATOR, words_of

MAX_LENGTH = 256
"""Characters of a string that are looked at."""

Batches = Callable[[], Iterable[tuple[Sequence[str], NDArray[np.float64]]]]
"""Strings with their targets, batch by batch; every call gives the same ones from the start."""

Integers = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_SEPARATOR_KIND, _OTHER, _LETTER, _DIGIT = range(4)

_LOWER = np.frombuffer(bytes(range(128)).lower(), dtype=np.uint8).astype(np.uint64)
KINDS = np.full(128, _OTHER, dtype=np.uint64)
KINDS[ord("0") : ord("9") + 1] = _DIGIT
KINDS[ord("A") : ord("Z") + 1] = KINDS[ord("a") : ord("z") + 1] = _LETTER
KINDS[ord(SEPARATOR)] = _SEPARATOR_KIND

FACTOR = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
POWERS: Hashes = np.cumprod(np.full(MAX_LENGTH + 2, FACTOR, dtype=np.uint64), dtype=np.uint64)
ROW_SALTS, _RUN_SALT = POWERS[101:106, np.newaxis], POWERS[106]

# Arrays without dimensions: numpy takes them into account quicker than scalars.
_SHIFTS = [np.array(bits, dtype=np.uint64) for bits in (30, 27, 31)]
_MULTIPLIERS = [np.array(value, dtype=np.uint64) for value in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)]


@dataclass(frozen=True)
class Features:
    """Features of some rows, in groups: all of the first group row by row, then all of the second, and so on.

    ``starts`` says where in ``slots`` the features of each row begin, shape (groups, rows). Every row has at least one
    feature in each group; slot 0 stands for none.
    """

    slots: Integers
    starts: Integers

    def counts(self) -> Integers:
        """Return how many features each row has, shape (groups, rows)."""
        return _lengths(self.starts.ravel(), len(self.slots)).reshape(self.starts.shape)

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Repeat the values of the rows for their features: shape (rows,) or (groups, rows) to shape (slots,)."""
        counts = self.counts()
        return np.repeat(np.broadcast_to(values, counts.shape).ravel(), counts.ravel())

    def sums(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Add up values that belong to the slots: shape (slots, ...) to shape (groups, rows, ...)."""
        sums: NDArray[np.float64] = np.add.reduceat(values, self.starts.ravel(), axis=0, dtype=np.float64)
        return sums.reshape(*self.starts.shape, *values.shape[1:])

    def rows(self, first: int, last: int) -> Features:
        """Return the features of the rows from ``first`` up to, not including, ``last``."""
        starts = self.starts[:, first:last]
        ends = starts[:, -1] + self.counts()[:, last - 1]
        parts = [self.slots[begin:end] for begin, end in zip(starts[:, 0], ends, strict=True)]
        moved = np.cumsum([0, *map(len, parts[:-1])]) - starts[:, 0]
        return Features(np.concatenate(parts), starts + moved[:, np.newaxis])


def extract(words: Sequence[str], *, order: int, bits: int, runs: bool) -> Features:
    """Return the features of at least one word, hashed into ``2**bits`` slots.

    The groups: n-grams of 1, 2, ... ``order`` characters (the ends of the word count as a character), length, first
    character, last character, shape (kinds and lengths of the runs of letters, digits and others).
    With ``runs`` also, in lower case, the whole word and its runs.
    """
    text = _Text(words)
    blocks = [text.ngrams(order), text.per_row(whole=runs)]
    if runs:
        blocks.append(text.runs())
    sizes = np.cumsum([0, *(len(values) for values, _ in blocks)])
    starts = np.concatenate([starts + size for (_, starts), size in zip(blocks, sizes, strict=False)])
    return Features(slots_of(np.concatenate([values for values, _ in blocks]), bits), starts.reshape(-1, len(words)))


class Ngrams:
    """The n-grams that ``extract`` sees in at least one word, each slot once."""

    def __init__(self, words: Sequence[str], *, order: int, bits: int) -> None:
        self._text = _Text(words)
        hashes, _ = self._text.ngrams(order)
        slots, self._first, counts = np.unique(slots_of(hashes, bits), return_index=True, return_counts=True)
        self.slots: Integers = slots
        self.counts: Integers = np.where(slots > 0, counts, 0)
        """How often there is an n-gram in each of the slots; 0 for slot 0, which stands for none."""

    @property
    def sizes(self) -> Integers:
        """How many characters the n-grams have, the ends of the word included."""
        sizes: Integers = self._first // self._text.size + 1
        return sizes

    def name(self, place: int) -> str:
        """Return an n-gram as text; the ends of the word are ``^`` and ``$``."""
        start, size = int(self._first[place]) % self._text.size, int(self.sizes[place])
        ngram = "".join(map(chr, self._text.codes[start : start + size].tolist()))
        ending = "$" if size > 1 and ngram.endswith(SEPARATOR) else ""
        return ("^" if ngram.startswith(SEPARATOR) else "") + ngram.strip(SEPARATOR) + ending


class _Text:
    """The code points of all words, a separator before each and after the last.

    Its methods return one or more groups as hashes, 0 for none, and the places where the rows begin.
    """

    def __init__(self, words: Sequence[str]) -> None:
        text, self.lengths = _joined(words)
        ends = (self.lengths + 1).cumsum()
        self.starts = ends - self.lengths - 1
        if text.isascii():
            codes = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
            kinds = KINDS[codes[:-1]]
        else:
            codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
            kinds = np.where(codes[:-1] < 128, KINDS[np.minimum(codes[:-1], 127)], _LETTER)
        self.codes = codes.astype(np.uint64)
        self.size = len(codes) - 1
        self.left = ends.repeat(self.lengths + 1) - np.arange(-1, self.size - 1)
        new_run = kinds == _SEPARATOR_KIND
        new_run[1:] |= kinds[1:] != kinds[:-1]
        self.run_starts = new_run.nonzero()[0]
        self.run_kinds = kinds[self.run_starts]
        self.first_runs = (self.run_kinds == _SEPARATOR_KIND).nonzero()[0]

    @cached_property
    def lower(self) -> Hashes:
        """The code points, those of A to Z as those of a to z."""
        codes = self.codes[:-1]
        return np.where(codes < 128, _LOWER[np.minimum(codes, 127)], codes)

    def ngrams(self, order: int) -> tuple[Hashes, Integers]:
        """N-grams that begin at a separator or character and end at the next separator at the latest."""
        hashes = np.zeros((order, self.size), dtype=np.uint64)
        padded = np.concatenate([self.codes + _ONE, np.zeros(order, dtype=np.uint64)])
        hashes[0] = padded[: self.size]
        for n in range(1, order):
            hashes[n] = hashes[n - 1] * FACTOR + padded[n : n + self.size]
        sizes = np.arange(1, order + 1)[:, np.newaxis]
        hashes *= self.left >= sizes
        starts: Integers = self.starts + (sizes - 1) * self.size
        return hashes.ravel(), starts.ravel()

    def per_row(self, *, whole: bool) -> tuple[Hashes, Integers]:
        """Length, first and last character, shape, and the whole word where it is wanted."""
        run_lengths = _lengths(self.run_starts, self.size).astype(np.uint64)
        hashes = np.empty((4 + whole, len(self.lengths)), dtype=np.uint64)
        hashes[0] = self.lengths
        hashes[1] = self.codes[self.starts + 1]
        hashes[2] = self.codes[self.starts + self.lengths]
        hashes[3] = _hash_segments(self.run_kinds * np.uint64(2 * MAX_LENGTH) + run_lengths, self.first_runs)
        if whole:
            hashes[4] = _hash_segments(self.lower, self.starts)
        hashes += ROW_SALTS[: 4 + whole]
        return hashes.ravel(), np.arange(hashes.size)

    def runs(self) -> tuple[Hashes, Integers]:
        """Runs of letters, digits and others."""
        hashes = _hash_segments(self.lower, self.run_starts) + _RUN_SALT
        hashes[self.first_runs] = 0
        return hashes, self.first_runs


def _joined(words: Sequence[str]) -> tuple[str, Integers]:
    """Return the words with a separator before each and after the last, and their lengths; long ones are cut."""
    lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words))
    text = words_of(words).text + SEPARATOR
    if lengths.max() > MAX_LENGTH or text.count(SEPARATOR) > len(words) + 1:
        return _joined([word[:MAX_LENGTH].replace(SEPARATOR, "\x01") for word in words])
    return text, lengths


def slots_of(hashes: Hashes, bits: int) -> Integers:
    """Mix the bits of the hashes (the finalizer of SplitMix64, which leaves 0 as it is) and keep the upper ones."""
    mixed = hashes >> _SHIFTS[0]
    mixed ^= hashes
    mixed *= _MULTIPLIERS[0]
    again = mixed >> _SHIFTS[1]
    again ^= mixed
    again *= _MULTIPLIERS[1]
    slots = again >> _SHIFTS[2]
    slots ^= again
    slots >>= np.array(64 - bits, dtype=np.uint64)
    return slots.view(np.int64)


def _hash_segments(values: Hashes, starts: Integers) -> Hashes:
    """Return a polynomial hash of each segment of the values, from one start to the next."""
    places = np.arange(len(values)) - starts.repeat(_lengths(starts, len(values)))
    hashes: Hashes = np.add.reduceat((values + _ONE) * POWERS[places], starts)
    return hashes


def _lengths(starts: Integers, end: int) -> Integers:
    lengths = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1] = end - starts[-1]
    return lengths
