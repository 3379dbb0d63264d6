"""What ``LevelsModel`` says of strings of ASCII, with as few steps as that takes; other strings have to go its own way.

Nearly all passwords are ASCII, and then most of what ``extract`` and the sums after it do can be looked up:

- An n-gram of one or two characters, and with it the first and the last character of a word (these stand beside a
  separator), depend on two neighbouring characters only: one table of 128 x 128 sums.
- The length of a word has few values: one table, which holds the intercepts, too.
- Only n-grams of three and four characters and the shape are hashed and found in the table of the model.

Scores are relative to the first level, which saves one of them. All is the same as in ``LevelsModel.posterior`` but for
the order of additions, that is for the last digits of a probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regraft.inference.estimators.features import (
    FACTOR,
    KINDS,
    MAX_LENGTH,
    POWERS,
    ROW_SALTS,
    SEPARATOR,
    Hashes,
    Integers,
    slots_of,
)

Floats = NDArray[np.float64]

MOST_RUNS = 1 << 14
"""Runs of letters, digits and others for which there are powers: of some two thousand words at once."""

_CODES = 128
_PAIRS = np.arange(_CODES * _CODES)
_FIRSTS, _SECONDS = (codes.astype(np.uint64) for codes in divmod(_PAIRS, _CODES))
_ONE = np.uint64(1)
_PAIR_HASHES: Hashes = (_FIRSTS + _ONE) * FACTOR + (_SECONDS + _ONE)
_LONGER: Hashes = POWERS[:2, np.newaxis]
"""What the hash of a pair is multiplied by where one and where two characters follow it."""

_KIND_OF = bytes(KINDS.astype(np.uint8).tolist()) + bytes(_CODES)
_RUN_VALUES: Hashes = np.arange(4, dtype=np.uint64) * np.uint64(2 * MAX_LENGTH) + _ONE
_RUN_POWERS: Hashes = np.cumprod(np.full(MOST_RUNS, FACTOR, dtype=np.uint64), dtype=np.uint64)
_INVERSE = np.uint64(pow(int(FACTOR), -1, 1 << 64))
_RUN_INVERSES: Hashes = np.cumprod(np.full(MOST_RUNS, _INVERSE, dtype=np.uint64), dtype=np.uint64) * FACTOR


class AsciiScores:
    """The tables of one model: n-grams up to four characters, length, first and last character, shape."""

    def __init__(self, table: NDArray[np.float32], weights: Floats, intercepts: Floats, bits: int) -> None:
        self._bits = bits
        relative = (table[:, 1:].astype(np.float64) - table[:, :1]).squeeze()  # of two levels: one column, faster flat
        self._table = relative
        one, two, self._three, self._four, length, first, last, self._shape = weights.tolist()

        def values(hashes: Hashes) -> Floats:
            found: Floats = relative[slots_of(hashes, bits)]
            return found

        pairs = one * values(_FIRSTS + _ONE) + two * values(_PAIR_HASHES)
        codes = np.arange(_CODES, dtype=np.uint64)
        pairs[:_CODES] += first * values(codes + ROW_SALTS[1])  # those that begin with a separator
        pairs[::_CODES] += last * values(codes + ROW_SALTS[2])
        self._pairs = pairs
        lengths = np.arange(MAX_LENGTH + 1, dtype=np.uint64)
        self._lengths = length * values(lengths + ROW_SALTS[0]) + (intercepts[1:] - intercepts[0]).squeeze()

    def of(self, words: Sequence[str]) -> Floats | None:
        """Return each word's scores of the second and later levels, minus that of the first: (rows, levels - 1).

        Of two levels, shape (rows,). None where not all of the words can be handled here.
        """
        text = f"{SEPARATOR}{SEPARATOR.join(words)}{3 * SEPARATOR}"  # the last two keep what is looked at in bounds
        if not text.isascii():
            return None
        encoded = text.encode("ascii")
        codes = np.frombuffer(encoded, dtype=np.uint8)
        separators = (codes == 0).nonzero()[0]
        rows, size = len(words), len(codes) - 3
        if len(separators) != rows + 3:
            return None
        starts, ends = separators[:rows], separators[1 : rows + 1]
        lengths = ends - starts - 1
        shapes = _shape_hashes(encoded, codes, size)
        if shapes is None or lengths.max() > MAX_LENGTH:
            return None
        pairs = codes.astype(np.intp)
        pairs[:-1] = (pairs[:-1] << 7) + pairs[1:]
        values = self._table.take(self._slots(codes, pairs, ends, shapes), axis=0)
        places = self._pairs.take(pairs[:size], axis=0)
        places += self._three * values[:size]
        places += self._four * values[size : 2 * size]
        scores: Floats = np.add.reduceat(places, starts, axis=0)
        scores += self._lengths.take(lengths, axis=0)
        scores += self._shape * values[2 * size :]
        return scores

    def _slots(self, codes: NDArray[np.uint8], pairs: Integers, ends: Integers, shapes: Hashes) -> Integers:
        """Return the slots of the n-grams of three and of four characters from each place on, and of the shapes."""
        size = len(codes) - 3
        hashes = np.empty(2 * size + len(shapes), dtype=np.uint64)
        hashes[2 * size :] = shapes
        ngrams = hashes[: 2 * size].reshape(2, size)
        of_pairs = _PAIR_HASHES.take(pairs[:-1])
        np.multiply(of_pairs[:size], _LONGER, out=ngrams)
        ngrams[0] += np.add(codes[2 : size + 2], _ONE, dtype=np.uint64)
        ngrams[1] += of_pairs[2 : size + 2]
        ngrams[:, ends - 1] = 0  # beyond the separator there is no n-gram
        ngrams[1, ends - 2] = 0
        return slots_of(hashes, self._bits)


def _shape_hashes(encoded: bytes, codes: NDArray[np.uint8], size: int) -> Hashes | None:
    """Return the hashes of the shapes of all words, None where they have too many runs.

    The powers of the polynomial go on from word to word; to divide by the one that a word began with is to multiply by
    its inverse modulo 2**64.
    """
    kinds = np.frombuffer(encoded.translate(_KIND_OF), dtype=np.uint8)
    ending = kinds[1 : size + 1] != kinds[:size]
    ending |= codes[:size] == 0
    run_ends = ending.nonzero()[0]
    if len(run_ends) > MOST_RUNS:
        return None
    run_kinds = kinds.take(run_ends)
    values = _RUN_VALUES.take(run_kinds)
    values[0] += _ONE
    values[1:] += (run_ends[1:] - run_ends[:-1]).view(np.uint64)
    values *= _RUN_POWERS[: len(values)]
    firsts = (run_kinds == 0).nonzero()[0]
    hashes: Hashes = np.add.reduceat(values, firsts)
    hashes *= _RUN_INVERSES.take(firsts)
    hashes += ROW_SALTS[3]
    return hashes
