"""Every input once: which rows repeat the features of an earlier one, and which say something else about them.

Of every row only a hash of its features, its target and its line stay in memory, 20 bytes. Two of n different inputs
have the same hash of 64 bits with a probability of about n^2 / 2^65, at ten million rows 3 in a million.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_pipeline.data.csv import text_at
from regraft_pipeline.data.reasons import EXAMPLES, examples, reason
from regraft_pipeline.tasks import Task

type Mask = NDArray[np.bool_]
type Places = NDArray[np.int64]


@dataclass(frozen=True)
class Repeats:
    """Rows whose features stand in an earlier row, and rows whose features stand in other rows with other targets.

    ``shown`` are the places of the first contradictory rows, those of the same features side by side.
    """

    duplicate: Mask
    contradictory: Mask
    shown: Places

    @property
    def others(self) -> Mask:
        """The rows that are left when each input is taken once, and those with several targets not at all."""
        return ~self.duplicate & ~self.contradictory


class Rows:
    """What is remembered of all rows that keep the contract."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._hashes: list[NDArray[np.uint64]] = []
        self._targets: list[NDArray[np.float64]] = []
        self._lines: list[NDArray[np.uint32]] = []
        self._count = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Remember some rows, which are indexed by line."""
        contract = self._task.contract
        if self._task.gates.one_target_per_input:
            self._hashes.append(_hashes(frame[contract.feature_names]))
        target = frame[contract.target.name]
        if contract.has_labels and contract.classes is not None:  # a label stands for its place among the classes
            self._targets.append(np.searchsorted(list(contract.classes), target.astype(str)).astype(np.float64))
        else:
            self._targets.append(target.to_numpy(dtype=np.float64))
        self._lines.append(frame.index.to_numpy(dtype=np.uint32))
        self._count += len(frame)

    def targets(self) -> NDArray[np.float64]:
        """Return the targets in the order of the places."""
        self._targets = [np.concatenate([np.empty(0), *self._targets])]
        return self._targets[0]

    def lines(self, places: Places) -> list[int]:
        """Return on which lines the rows at these places begin."""
        lines: list[int] = np.concatenate(self._lines)[places].tolist()
        return lines

    def repeats(self) -> Repeats:
        """Find the inputs that stand in several rows; none are looked for where they may."""
        duplicate, contradictory = np.zeros((2, self._count), dtype=bool)
        shown = np.empty(0, dtype=np.int64)
        for group in self._groups():
            order, starts, sizes = group
            targets = self.targets()[order]
            mixed = np.logical_or.reduceat(targets != np.repeat(targets[starts], sizes), starts)
            duplicate[order] = True
            duplicate[order[starts]] = False
            contradictory[order] = np.repeat(mixed, sizes)
            chosen = np.flatnonzero(mixed)[np.argsort(order[starts[mixed]])][:EXAMPLES]
            found = [order[starts[one] : starts[one] + sizes[one]] for one in chosen]
            shown = np.concatenate([shown, *found])[:EXAMPLES]
        return Repeats(duplicate, contradictory, shown)

    def _groups(self) -> list[tuple[Places, Places, Places]]:
        """Return the places of all rows with repeated features, equal ones side by side and in order of their places.

        With them, where the groups of equal ones begin, and their sizes. Nothing is returned where nothing repeats.
        """
        # Of millions of rows each array counts: none is kept longer than it is needed.
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *self._hashes])
        self._hashes = [hashes]
        repeated = _repeated(hashes)
        if not len(repeated):
            return []
        order = np.flatnonzero(_is_among(repeated, hashes))
        hashes = hashes[order]
        within = np.argsort(hashes, kind="stable")
        order, hashes = order[within], hashes[within]
        del within
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        return [(order, starts, np.diff(starts, append=len(order)))]


def _repeated(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return those that are there more than once, each once, in order."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _is_among(some: NDArray[np.uint64], hashes: NDArray[np.uint64]) -> Mask:
    """Whether each hash is one of some, which are in order and not none."""
    nearest = np.searchsorted(some, hashes)
    np.minimum(nearest, len(some) - 1, out=nearest)
    return np.asarray(some[nearest] == hashes)


def check(rows: Rows, repeats: Repeats, path: Path, task: Task) -> list[Reason]:
    """Return an error for too many repeated rows, and an error or a warning for contradictory ones."""
    reasons = []
    total, settings = len(repeats.duplicate), task.gates
    if total and repeats.duplicate.mean() > settings.max_duplicate_share:
        shown = text_at(path, task.contract, rows.lines(np.flatnonzero(repeats.duplicate)[:EXAMPLES]))
        count = int(repeats.duplicate.sum())
        reasons.append(_duplicates(shown, count, total, task.contract.feature_names, settings.max_duplicate_share))
    if repeats.contradictory.any():
        shown = text_at(path, task.contract, rows.lines(repeats.shown))
        count = int(repeats.contradictory.sum())
        reasons.append(_contradictory(shown, count, total, task.contract.target.name, settings.max_conflict_share))
    return reasons


def _hashes(features: pd.DataFrame) -> NDArray[np.uint64]:
    numbers = features.select_dtypes("number").columns
    features = features.assign(**{name: features[name] + 0 for name in numbers})  # -0.0 equals 0.0
    return np.asarray(pd.util.hash_pandas_object(features, index=False, categorize=False), dtype=np.uint64)


def _duplicates(shown: pd.DataFrame, count: int, total: int, features: Sequence[str], limit: float) -> Reason:
    share = count / total
    inputs = features[0] if len(features) == 1 else "features"
    return reason(
        Code.DUPLICATES,
        f"{count} of {total} rows ({share:.1%}) repeat the {inputs} of an earlier row; at most {limit:.0%} may",
        "each input once",
        figures={"rows": count, "share": round(share, 6), "limit": limit},
        rows=examples(shown),
    )


def _contradictory(shown: pd.DataFrame, count: int, total: int, target: str, limit: float) -> Reason:
    share = count / total
    return reason(
        Code.TARGETS_CONTRADICT,
        f"{count} of {total} rows ({share:.1%}) have an input that stands in other rows with another {target}; "
        f"at most {limit:.0%} are dropped",
        f"one {target} for each input",
        severity="error" if share > limit else "warning",
        column=target,
        figures={"rows": count, "share": round(share, 6), "limit": limit},
        rows=examples(shown),
    )
