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

from regraft_inference.estimators.features import (
    FACTOR,
    KINDS,
    MAX_LENGTH,
    POWERS,
    ROW_SALTS,
    Hashes,
    Integers,
    slots_of,
)
from regraft_inference.words import SEPARATOR, words_of

Floats = NDArray[np.float64]

MOST_RUNS = 1 << 14
"""Runs of letters, digits and others for which there are powers: of some two thousand words at once."""

_PADDING = 2 * SEPARATOR
"""Keeps within bounds what is looked at beyond the last word."""

_ONE = np.uint64(1)
_LITTLE_ENDIAN_16 = np.dtype("<u2")
_PAIRS = np.arange(128 << 8)
"""Two neighbouring characters as they stand in memory, read as one number of 16 bits, the lower byte first."""

_FIRST, _SECOND = _PAIRS % 256 % 128, _PAIRS // 256
_PAIR_HASHES: Hashes = (_FIRST.astype(np.uint64) + _ONE) * FACTOR + (_SECOND.astype(np.uint64) + _ONE)
_BEFORE_TWO: Hashes = (_FIRST.astype(np.uint64) + _ONE) * POWERS[1]
"""What the first character adds to the hash of an n-gram of three, beside the hash of the pair after it."""

_PAIR_BEFORE_TWO: Hashes = _PAIR_HASHES * POWERS[1]
_ENDS_RUN = (KINDS[_FIRST] != KINDS[_SECOND]) | (_FIRST == 0)
"""Whether a run of letters, digits or others ends between the two."""

_RUN_VALUES: Hashes = KINDS[_FIRST] * np.uint64(2 * MAX_LENGTH) + _ONE
_RUN_POWERS: Hashes = np.cumprod(np.full(MOST_RUNS, FACTOR, dtype=np.uint64), dtype=np.uint64)
_INVERSE = np.uint64(pow(int(FACTOR), -1, 1 << 64))
_RUN_INVERSES: Hashes = np.cumprod(np.full(MOST_RUNS, _INVERSE, dtype=np.uint64), dtype=np.uint64) * FACTOR


class AsciiScores:
    """The tables of one model: n-grams up to four characters, length, first and last character, shape."""

    def __init__(self, table: NDArray[np.float32], weights: Floats, intercepts: Floats, bits: int) -> None:
        self._bits = bits
        relative = (table[:, 1:].astype(np.float64) - table[:, :1]).squeeze()  # of two levels: one column, faster flat
        one, two, three, four, length, first, last, shape = weights.tolist()
        self._shape = np.array(shape)

        def weighted(weight: float, hashes: Hashes) -> Floats:
            found: Floats = weight * relative[slots_of(hashes, bits)]
            return found

        def per_pair(values: Floats) -> Floats:
            return values if relative.ndim == 1 else values[:, np.newaxis]

        codes = _FIRST.astype(np.uint64), _SECOND.astype(np.uint64)
        self._table = relative
        self._pairs = (
            weighted(one, codes[0] + _ONE)
            + weighted(two, _PAIR_HASHES)
            + per_pair(_FIRST == 0) * weighted(first, codes[1] + ROW_SALTS[1])
            + per_pair(_SECOND == 0) * weighted(last, codes[0] + ROW_SALTS[2])
        )
        # Beyond the end of a word there is no n-gram: the weights are found by the second and third character.
        self._three = per_pair(three * (_FIRST > 0))
        self._four = per_pair(four * ((_FIRST > 0) & (_SECOND > 0)))
        # From one separator to the next it is one more than the word is long.
        lengths = np.array([0, *range(MAX_LENGTH + 1)], dtype=np.uint64)
        self._distances = weighted(length, lengths + ROW_SALTS[0]) + (intercepts[1:] - intercepts[0]).squeeze()

    def of(self, words: Sequence[str]) -> Floats | None:
        """Return each word's scores of the second and later levels, minus that of the first: (rows, levels - 1).

        Of two levels, shape (rows,). None where not all of the words can be handled here.
        """
        text = f"{words_of(words).text}{SEPARATOR}{_PADDING}"
        if not text.isascii():
            return None
        encoded = text.encode("ascii")
        rows, size = len(words), len(encoded) - 1 - len(_PADDING)
        codes: NDArray[np.uint8] = np.ndarray(size + 1, np.uint8, encoded)
        pairs = np.ndarray(size + 2, _LITTLE_ENDIAN_16, encoded, strides=(1,)).astype(np.intp)
        separators = np.logical_not(codes).nonzero()[0]
        if len(separators) != rows + 1:
            return None
        starts = separators[:-1]
        distances = separators[1:] - starts
        shapes = _shape_hashes(codes, pairs[:size])
        if shapes is None or distances.max() > MAX_LENGTH + 1:
            return None
        values = self._table.take(self._slots(pairs, shapes), axis=0)
        pairs_after = pairs[1:-1]
        scores_of_three = self._three.take(pairs_after, axis=0) * values[:size]
        scores_of_four = self._four.take(pairs_after, axis=0) * values[size : 2 * size]
        places = self._pairs.take(pairs[:size], axis=0)
        places += scores_of_three
        places += scores_of_four
        scores: Floats = np.add.reduceat(places, starts)
        scores += self._distances.take(distances, axis=0)
        scores += values[2 * size :] * self._shape
        return scores

    def _slots(self, pairs: Integers, shapes: Hashes) -> Integers:
        """Return the slots of the n-grams of three and of four characters from each place on, and of the shapes."""
        size = len(pairs) - 2
        hashes = np.empty(2 * size + len(shapes), dtype=np.uint64)
        of_pairs = _PAIR_HASHES.take(pairs)
        np.add(_BEFORE_TWO.take(pairs[:size]), of_pairs[1:-1], out=hashes[:size])
        np.add(_PAIR_BEFORE_TWO.take(pairs[:size]), of_pairs[2:], out=hashes[size : 2 * size])
        hashes[2 * size :] = shapes
        return slots_of(hashes, self._bits)


def _shape_hashes(codes: NDArray[np.uint8], pairs: Integers) -> Hashes | None:
    """Return the hashes of the shapes of all words, None where they have too many runs.

    The powers of the polynomial go on from word to word; to divide by the one that a word began with is to multiply by
    its inverse modulo 2**64.
    """
    run_ends = _ENDS_RUN.take(pairs).nonzero()[0]
    if len(run_ends) > MOST_RUNS:
        return None
    values = _RUN_VALUES.take(pairs.take(run_ends))
    values[0] += _ONE
    values[1:] += (run_ends[1:] - run_ends[:-1]).view(np.uint64)
    values *= _RUN_POWERS[: len(values)]
    firsts = np.logical_not(codes.take(run_ends)).nonzero()[0]
    hashes: Hashes = np.add.reduceat(values, firsts)
    hashes *= _RUN_INVERSES.take(firsts)
    hashes += ROW_SALTS[3]
    return hashes
