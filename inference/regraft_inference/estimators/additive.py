"""An additive model as plain arrays: one table of scores for each part of the matrix, and for some pairs of parts.

It is trained as an explainable boosting machine (``training.fit_additive``; Lou, Caruana, Gehrke, Hooker: Accurate
intelligible models with pairwise interactions, 2013) and answered without the library that trained it: find the bins,
add the scores up. What each part adds is its exact reason.

An axis of a table is cut at ascending values, bin 0 being that of gaps: a finite x is in bin ``1 + (cuts <= x)``.
"""

from __future__ import annotations

import io
import zipfile
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.errors import BundleError
from regraft_inference.estimators import bounded
from regraft_inference.estimators.lookups import Lookups

type Floats = NDArray[np.float64]
type Indices = NDArray[np.intp]

FILE = "terms.npz"
MOST_BYTES = 5 << 20
"""Largest file that is read; its arrays are not packed, so that they take no more memory than the file."""

FEW_ROWS = 8
"""Rows up to which plain lists are faster than arrays."""

ARRAYS = {"intercept": "f", "parts": "i", "sizes": "i", "cuts": "f", "scores": "f"}


@dataclass(frozen=True)
class Term:
    """Scores of the bins of one or two parts: shape (bins, ..., outputs)."""

    parts: tuple[int, ...]
    cuts: tuple[Floats, ...]
    scores: Floats

    @cached_property
    def lookup(self) -> tuple[tuple[Floats, ...], Floats]:
        """Cuts and scores with the bin of gaps behind all others: that is where NaN is sorted to."""
        cuts = tuple(np.append(one, np.inf) for one in self.cuts)
        return cuts, np.ascontiguousarray(np.roll(self.scores, -1, axis=tuple(range(len(cuts)))))

    def plain(self, output: int) -> PlainTerm:
        """Return the same for one output in plain lists, in which NaN is sorted to the end, too."""
        cuts, scores = self.lookup
        first, *second = [(part, one.tolist()) for part, one in zip(self.parts, cuts, strict=True)]
        return *first, scores[..., output].tolist(), second[0] if second else None


type PlainTerm = tuple[int, list[float], list[Any], tuple[int, list[float]] | None]
"""A part, its cuts, the scores by its bins, and of a pair the other part with its cuts."""


class AdditiveModel:
    """Intercept and terms. ``scores`` are on the link's scale, shape (rows, outputs)."""

    kind: ClassVar[str] = "additive"

    def __init__(self, intercept: Floats, terms: Sequence[Term]) -> None:
        self.intercept = intercept
        self.terms = sorted(terms, key=lambda term: len(term.parts))  # those of one part first

    def scores(self, matrix: Floats) -> Floats:
        """Return the sums for the rows of a matrix."""
        if len(matrix) <= FEW_ROWS:
            return self.scores_of(matrix.tolist())
        total = np.empty((len(matrix), len(self.intercept)))
        for some, _, values in self._lookups.of(matrix):
            np.add.reduce(values, axis=0, out=total[some])  # in the order of the terms
        return total

    @cached_property
    def _lookups(self) -> Lookups:
        """The terms for many rows."""
        return Lookups(self.intercept, [(term.parts, *term.lookup) for term in self.terms])

    def scores_of(self, rows: Sequence[Sequence[float]]) -> Floats:
        """Do as ``scores`` for rows of plain numbers, of which there may be few."""
        outputs = range(len(self.intercept))
        return np.array([[self._sum(row, output) for output in outputs] for row in rows])

    def _sum(self, row: Sequence[float], output: int) -> float:
        """Return a sum for one row: the same additions in the same order, without arrays, which cost more here."""
        total, terms = self._plain[output]
        for part, cuts, scores, other in terms:
            found = scores[bisect_right(cuts, row[part])]
            total += found if other is None else found[bisect_right(other[1], row[other[0]])]
        return total

    @cached_property
    def _plain(self) -> list[tuple[float, list[PlainTerm]]]:
        """For each output the intercept and the terms."""
        return [(start, [term.plain(i) for term in self.terms]) for i, start in enumerate(self.intercept.tolist())]

    def has_one_term_for_each(self, parts: int) -> bool:
        """Whether each of so many parts has a term by itself, and there are no others: it adds one of a few numbers."""
        return sorted(term.parts for term in self.terms) == [(part,) for part in range(parts)]

    @cached_property
    def _firsts(self) -> Indices:
        """The first part of each term, which is its only one where each part has a term by itself."""
        return np.array([term.parts[0] for term in self.terms], dtype=np.intp)

    def cells(self) -> tuple[Indices, Floats]:
        """Return the part of each bin, shape (cells,), and its scores, shape (cells, outputs), if each part has one."""
        return np.repeat(self._firsts, [len(term.scores) for term in self.terms]), self._lookups.cells

    def placed(self, matrix: Floats) -> tuple[Floats, Indices]:
        """Return the scores, and the cell of each part, shape (rows, parts), if each part has one term."""
        total, places = np.empty((len(matrix), len(self.intercept))), np.empty(matrix.shape[::-1], dtype=np.intp)
        for some, cells, values in self._lookups.of(matrix):
            np.add.reduce(values, axis=0, out=total[some])
            places[self._firsts, some] = cells
        return total, np.ascontiguousarray(places.T)

    def explained(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return the scores, and what each part adds to them, shape (rows, parts, outputs): of a pair, one half."""
        rows, parts = matrix.shape
        total = np.empty((rows, len(self.intercept)))
        found = np.zeros((parts, rows, len(self.intercept)))  # each part is written by itself
        if rows <= FEW_ROWS:
            for place, row in enumerate(matrix.tolist()):
                for output in range(len(self.intercept)):
                    total[place, output], found[:, place, output] = self.sum_and_added(row, output)
            return total, found.transpose(1, 0, 2)
        places, firsts, others = self._firsts_and_others
        for some, _, values in self._lookups.of(matrix):
            np.add.reduce(values, axis=0, out=total[some])
            added = found[:, some]
            added[places] = values.take(firsts, axis=0) + 0.0  # as every sum that begins with 0.0: no -0.0
            for place, of_parts in others:
                share = values[place] / len(of_parts)
                for part in of_parts:
                    of_part = added[part]
                    of_part += share
        return total, found.transpose(1, 0, 2)

    @cached_property
    def _firsts_and_others(self) -> tuple[slice | Indices, Indices, list[tuple[int, tuple[int, ...]]]]:
        """The parts that have a term by themselves and where the first such stands among values; all other terms."""
        alone = {term.parts[0]: place for place, term in reversed([*enumerate(self.terms, 1)]) if len(term.parts) == 1}
        parts = np.array(sorted(alone), dtype=np.intp)
        firsts = {*alone.values()}
        others = [(place, term.parts) for place, term in enumerate(self.terms, 1) if place not in firsts]
        places = slice(len(parts)) if np.array_equal(parts, np.arange(len(parts))) else parts  # a slice is faster
        return places, np.array([alone[part] for part in parts.tolist()], dtype=np.intp), others

    def pairs(self, matrix: Floats) -> list[tuple[tuple[int, ...], Floats]]:
        """Return the two parts of each term of a pair, and what it adds to the first output, shape (rows,)."""
        added = np.concatenate([values[1:, :, 0] for *_, values in self._lookups.of(matrix)], axis=1)
        return [(term.parts, one) for term, one in zip(self.terms, added, strict=True) if len(term.parts) == 2]

    def sum_and_added(self, row: Sequence[float], output: int) -> tuple[float, list[float]]:
        """Return an output of one row of plain numbers, and what each part adds to it, as ``explained`` does."""
        added = [0.0] * len(row)
        total, terms = self._plain[output]
        for part, cuts, scores, other in terms:
            found = scores[bisect_right(cuts, row[part])]
            if other is None:
                added[part] += found
            else:
                found = found[bisect_right(other[1], row[other[0]])]
                added[part] += found / 2
                added[other[0]] += found / 2
            total += found
        return total, added

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        parts = [[*term.parts, -1][:2] for term in self.terms]
        sizes = [[*(len(cuts) for cuts in term.cuts), -1][:2] for term in self.terms]
        np.savez(
            folder / FILE,
            allow_pickle=False,
            intercept=self.intercept,
            parts=np.array(parts, dtype=np.int64).reshape(-1, 2),
            sizes=np.array(sizes, dtype=np.int64).reshape(-1, 2),
            cuts=np.concatenate([np.zeros(0), *(cuts for term in self.terms for cuts in term.cuts)]),
            scores=np.concatenate([np.zeros(0), *(term.scores.ravel() for term in self.terms)]),
        )

    @classmethod
    def load(cls, folder: Path, *, parts: int, outputs: int) -> Self:
        """Read a model of a matrix with so many parts. Raises BundleError (``estimator_damaged``)."""
        path = folder / FILE
        try:
            arrays = _arrays(path)
            return cls(_intercept(arrays["intercept"], outputs), _terms(arrays, parts, outputs))
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(f"{path} cannot be read: {error}", code=Code.ESTIMATOR_DAMAGED) from error


def _arrays(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of a file. Raises ValueError for what this module would not have written."""
    content = bounded(path, MOST_BYTES)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in members):
            raise ValueError("its arrays are packed")
        if sorted(one.filename for one in members) != sorted(f"{name}.npy" for name in ARRAYS):
            raise ValueError(f"it must have the arrays {', '.join(ARRAYS)}")
        if sum(one.file_size for one in members) > len(content):
            raise ValueError("its arrays are larger than the file")
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        found = {name: loaded[name] for name in ARRAYS}
    for name, kind in ARRAYS.items():
        if found[name].dtype != (np.float64 if kind == "f" else np.int64) or not np.isfinite(found[name]).all():
            raise ValueError(f"{name} must be finite numbers")
    return found


def _intercept(intercept: Floats, outputs: int) -> Floats:
    if intercept.shape != (outputs,):
        raise ValueError(f"the intercept must have {outputs} values")
    return intercept


def _terms(arrays: dict[str, NDArray[np.float64]], parts: int, outputs: int) -> list[Term]:
    """Take the flat arrays apart. Raises ValueError where they are not those of a model with these dimensions."""
    if arrays["parts"].shape != arrays["sizes"].shape or arrays["parts"].ndim != 2 or arrays["parts"].shape[1] != 2:
        raise ValueError("parts and sizes must have two columns each")
    if arrays["cuts"].ndim != 1 or arrays["scores"].ndim != 1:
        raise ValueError("cuts and scores must have one dimension")
    terms, cut, score = [], 0, 0
    for both, sizes in zip(arrays["parts"].tolist(), arrays["sizes"].tolist(), strict=True):
        axes = 1 if both[1] == -1 else 2
        if not all(0 <= part < parts for part in both[:axes]) or not all(size >= 0 for size in sizes[:axes]):
            raise ValueError(f"there is no term {both} of {sizes} cuts")
        cuts = []
        for size in sizes[:axes]:
            cuts.append(arrays["cuts"][cut : cut + size])
            cut += size
            if len(cuts[-1]) != size or not (np.diff(cuts[-1]) > 0).all():
                raise ValueError("cuts must ascend")
        shape = (*(size + 2 for size in sizes[:axes]), outputs)
        wanted = int(np.prod([int(one) for one in shape], dtype=object))
        if score + wanted > len(arrays["scores"]):
            raise ValueError("scores are missing")
        terms.append(Term(tuple(both[:axes]), tuple(cuts), arrays["scores"][score : score + wanted].reshape(shape)))
        score += wanted
    if cut != len(arrays["cuts"]) or score != len(arrays["scores"]):
        raise ValueError("there are more cuts or scores than terms")
    return terms
