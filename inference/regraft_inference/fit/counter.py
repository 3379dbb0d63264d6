"""The counts of a version: exact, and nothing but counts.

What was asked and answered waits for a moment, so that many rows are counted at once. Whoever brings the row that makes
them many, and whoever wants to know the counts, counts all that waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from regraft_core.contract import Contract
from regraft_core.errors import RegraftError
from regraft_core.fit.counts import Counted, Counts, Known, Refused, Told
from regraft_core.fit.fit import Fit, Window, fit_of
from regraft_core.fit.history import MINUTE, WINDOWS, History
from regraft_inference.fit.aspects import SurenessCounts, counter_of
from regraft_inference.fit.keeper import KEPT
from regraft_inference.fit.waiting import Inputs
from regraft_inference.values import Values

MOST_WAITING = 1 << 14
"""Rows that wait to be counted at most: each step over a column is then of many. Of wide tables fewer wait."""

MOST_VALUES = 1 << 20
"""Values of all columns that wait at most: 8 MiB of numbers."""

BESIDE = 3
"""Rows whose memory the objects of one request take, beside its rows."""

MOST_VERSIONS = 8
"""Versions of a task whose counts are kept: those that were in service last."""

REFUSALS = (400, 413)
"""Status of what a client asks wrongly."""


class VersionCounter:
    """Counts what one version is asked and answers, since the process began."""

    def __init__(self, known: Known, contract: Contract) -> None:
        self.known = known
        self._lock = threading.Lock()
        self._rows = 0
        self._most_waiting = min(MOST_WAITING, MOST_VALUES // len(contract.features))
        self._room = self._most_waiting
        """Rows that may still come before all that wait are counted."""
        self.answered = 0
        """Requests that were answered; counted on the event loop alone."""
        self._refused: dict[tuple[str | None, str], int] = {}
        profile = known.profile
        self._inputs = Inputs(contract, profile)
        self._answers_waiting: list[NDArray[Any]] = []
        self._scores_waiting: list[NDArray[Any]] = []
        self._predictions = None if profile is None or profile.predictions is None else profile.predictions
        self._count_predictions = None if self._predictions is None else counter_of(self._predictions)
        self._answers = np.zeros(0 if self._predictions is None else len(self._predictions.counts), dtype=np.int64)
        self._sureness = None if known.confidence is None else SurenessCounts(known.confidence.of)
        self._history = History(began=time.time())
        self._noted = time.monotonic()
        self._noting = threading.RLock()
        """Held by who notes or looks at the history: threads that answer large requests do, beside the event loop."""
        self._state = ("unknown", datetime.now(UTC))

    def saw(self, columns: Mapping[str, Values], answers: NDArray[Any], scores: NDArray[Any] | None = None) -> None:
        """Take rows that were asked, the answers to them, and the scores of a ``ScoringEstimator``, to be counted."""
        if self._sureness is None or scores is None or not self._sureness.takes(scores):
            scores = None
        if time.monotonic() - self._noted > MINUTE:
            self._note()
        with self._lock:
            self._inputs.wait(columns)
            if self._count_predictions is not None:
                self._answers_waiting.append(answers)
            if scores is not None:
                self._scores_waiting.append(scores)
            self._rows += len(answers)
            self._room -= len(answers) + BESIDE
            if self._room <= 0:
                self._count_waiting()

    def refused(self, error: RegraftError) -> None:
        """Count a request that broke the contract; of a column that a client has made up the name is not kept."""
        if error.status not in REFUSALS:
            return
        column = error.details.get("column")
        key = (column if column in self._inputs.columns else None, error.code)
        with self._lock:
            self._refused[key] = self._refused.get(key, 0) + 1

    def counts(self) -> Counts:
        """Return what has been counted until now."""
        with self._lock:
            self._count_waiting()
            refused = [
                Refused(column=c, code=code, requests=n) for (c, code), n in sorted(self._refused.items(), key=_by_name)
            ]
            return Counts(
                rows=self._rows,
                requests=self.answered + sum(each.requests for each in refused),
                columns={
                    name: {what: counts.tolist() for what, counts in of.counts.items()}
                    for name, of in self._inputs.columns.items()
                },
                predictions=self._answers.tolist(),
                confidence=[] if self._sureness is None else self._sureness.counts.tolist(),
                refused=refused,
            )

    def fit(self, window: Window) -> Fit:
        """Return whether the version fits what this process was asked lately."""
        with self._noting:
            counts = self._history.within(self._note() - WINDOWS[window])
        found = fit_of(self.known, counts, window=window, since=self._state[1])
        if found.state != self._state[0] and window == "day":
            self._state = (found.state, datetime.now(UTC))
            found = found.model_copy(update={"since": self._state[1]})
        return found

    def _note(self) -> float:
        """Note what has been counted until now, and return the moment, seconds since 1970."""
        with self._noting:
            self._noted, moment = time.monotonic(), time.time()
            self._history.note(moment, self.counts())
            return moment

    def _count_waiting(self) -> None:
        self._room = self._most_waiting
        self._inputs.count()
        answers, self._answers_waiting = self._answers_waiting, []
        if self._count_predictions is not None and answers:
            self._answers += self._count_predictions(np.concatenate(answers))
        scores, self._scores_waiting = self._scores_waiting, []
        if self._sureness is not None and scores:
            self._sureness.add(np.concatenate(scores))


def _by_name(refused: tuple[tuple[str | None, str], int]) -> tuple[str, str]:
    (column, code), _ = refused
    return column or "", code


class Counters:
    """The counts of all versions that this process has had in service."""

    def __init__(self) -> None:
        self.instance = uuid4().hex
        self.started_at = datetime.now(UTC)
        self._tasks: dict[str, dict[tuple[str, str], VersionCounter]] = {}

    def counter(self, known: Known, contract: Contract) -> VersionCounter:
        """Return the counts of a version: those that there are where it serves again."""
        versions = self._tasks.setdefault(known.task, {})
        key = (known.version, known.data_sha256)
        found = versions.pop(key, None) or VersionCounter(known, contract)
        versions[key] = found  # the last one is the one in service
        for gone in list(versions)[:-MOST_VERSIONS]:
            del versions[gone]
        return found

    def all(self) -> list[VersionCounter]:
        """Return all counts."""
        return [counter for versions in list(self._tasks.values()) for counter in list(versions.values())]

    def told(self) -> Told:
        """Return what this process has counted since it began."""
        tasks: dict[str, list[object]] = {}
        for counter in self.all():
            counted = Counted(known=counter.known, counts=counter.counts())
            tasks.setdefault(counter.known.task, []).append(counted.model_dump(mode="json"))
        return Told(instance=self.instance, started_at=self.started_at, tasks=tasks, keeps=not KEPT.is_empty)


COUNTERS = Counters()
"""Those of this process."""

__all__ = ["COUNTERS", "Counters", "VersionCounter"]
