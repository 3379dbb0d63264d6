"""Keeps a share of the rows that are asked, with their answers, until they are fetched: where a task's file says so.

Whether a row is kept is drawn for each row alone, so that what is kept is like all that is asked. Rows wait as they
came, and are written out many at once.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from regraft_core.fit.kept import KeptBlock, KeptTold
from regraft_core.logs import get_logger, log_once
from regraft_inference.bundle import Bundle
from regraft_inference.columns import json_values, typed_values
from regraft_inference.values import Values

MOST_WAITING = 256
"""Rows that wait to be written out at most."""

BLOCK_BYTES = 1 << 20
"""About how large a block is, bytes."""

MOST_BYTES = 32 << 20
"""Most bytes that are kept for who fetches them; where nobody does, the oldest rows go."""

TOLD_BYTES = 8 << 20
"""About how many bytes are told at a time."""

MOST_VERSIONS = 8
"""Versions of a task whose last rows wait at most: where nobody fetches them, those of the oldest go."""

log = get_logger(__name__)


@dataclass(frozen=True)
class _Waiting:
    request: str
    at: float
    rows: NDArray[np.int64]
    columns: Mapping[str, Values]
    answers: NDArray[Any]


class Keeper:
    """Keeps rows of one version."""

    def __init__(self, bundle: Bundle, share: float, kept: Kept) -> None:
        self.task = bundle.info.task
        self._bundle = bundle
        self._share = share
        self._kept = kept
        self._random = SystemRandom()
        self._skip = self._gap()
        """Rows that come and go before the next one is kept."""
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._rows_waiting = 0

    def keep(self, request: bytes, columns: Mapping[str, Values], answers: NDArray[Any]) -> None:
        """Draw which rows of a request are kept. Never raises: a request is answered, whatever becomes of its rows."""
        with self._lock:
            rows = self._drawn(len(answers))
            if not len(rows):
                return
            found = {name: _taken(values, rows) for name, values in columns.items()}
            if not self._waiting:
                self._kept.has_waiting(self)
            self._waiting.append(_Waiting(request.decode("ascii"), time.time(), rows, found, answers[rows]))
            self._rows_waiting += len(rows)
            if self._rows_waiting >= MOST_WAITING:
                self._write_out()

    def write_out(self) -> None:
        """Leave no row waiting."""
        with self._lock:
            self._write_out()

    def _drawn(self, rows: int) -> NDArray[np.int64]:
        """Return which of some rows are kept."""
        found = []
        while self._skip < rows:
            found.append(self._skip)
            self._skip += 1 + self._gap()
        self._skip -= rows
        return np.array(found, dtype=np.int64)

    def _gap(self) -> int:
        """Return how many rows are not kept before the next one is (geometric), so that most rows cost no draw."""
        if self._share >= 1:
            return 0
        return int(math.log(1 - self._random.random()) / math.log1p(-self._share))

    def _write_out(self) -> None:
        waiting, self._waiting, self._rows_waiting = self._waiting, [], 0
        if not waiting:
            return
        try:
            lines = self._lines(waiting)
        except Exception as error:
            log_once(log, f"keeper/{self.task}", "rows cannot be kept", error=repr(error))
        else:
            self._kept.add(self.task, lines)
        self._kept.has_written(self)

    def _lines(self, waiting: list[_Waiting]) -> list[bytes]:
        features = self._bundle.contract.features
        columns = {
            column.name: typed_values(column, _joined([each.columns[column.name] for each in waiting]))
            for column in features
        }
        inputs = {column.name: json_values(column, columns[column.name]) for column in features}
        answers = np.concatenate([each.answers for each in waiting]).tolist()
        of_second: list[Any] = self._bundle.of_second(columns) or [None] * len(answers)
        asked = [(each, row) for each in waiting for row in each.rows.tolist()]
        return [
            orjson.dumps(
                {
                    "id": each.request,
                    "row": row,
                    "at": round(each.at, 3),
                    "version": self._bundle.version,
                    "inputs": {name: values[place] for name, values in inputs.items()},
                    "answer": answers[place],
                    "probability": of_second[place],
                }
            )
            for place, (each, row) in enumerate(asked)
        ]


class Kept:
    """What the keepers of this process have written out and nobody has fetched yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: list[KeptBlock] = []
        self._open: dict[str, list[bytes]] = {}
        self._number = 0
        self._waiting: dict[str, list[Keeper]] = {}
        """By task the keepers with rows that wait to be written out. No others are held: each holds a whole bundle."""

    def keeper(self, bundle: Bundle) -> Keeper | None:
        """Return what keeps rows of a version, None where its task's file says that none are kept."""
        share = bundle.info.requests.keep
        return Keeper(bundle, share, self) if share > 0 else None

    def has_waiting(self, keeper: Keeper) -> None:
        """Have the rows of a keeper written out before what is kept is told."""
        with self._lock:
            keepers = self._waiting.setdefault(keeper.task, [])
            keepers.append(keeper)
            del keepers[:-MOST_VERSIONS]

    def has_written(self, keeper: Keeper) -> None:
        """Let go of a keeper that has written out all its rows."""
        with self._lock:
            keepers = self._waiting.get(keeper.task, [])
            if keeper in keepers:
                keepers.remove(keeper)

    def add(self, task: str, lines: list[bytes]) -> None:
        """Take rows of a task."""
        with self._lock:
            rows = self._open.setdefault(task, [])
            rows.extend(lines)
            if sum(map(len, rows)) >= BLOCK_BYTES:
                self._close(task)

    def told(self, instance: str, after: int = -1) -> KeptTold:
        """Return what has not been fetched; blocks up to ``after`` are fetched and kept elsewhere: they go."""
        with self._lock:
            waiting = [keeper for keepers in self._waiting.values() for keeper in keepers]
        for keeper in waiting:
            keeper.write_out()
        with self._lock:
            for task in list(self._open):
                self._close(task)
            self._blocks = [block for block in self._blocks if block.number > after]
            return KeptTold(instance=instance, blocks=_up_to(self._blocks, TOLD_BYTES))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to fetch."""
        return not (self._blocks or self._open or any(self._waiting.values()))

    def _close(self, task: str) -> None:
        lines = b"\n".join(self._open.pop(task)).decode()
        self._blocks.append(KeptBlock(task=task, number=self._number, at=time.time(), lines=lines))
        self._number += 1
        while sum(len(block.lines) for block in self._blocks) > MOST_BYTES:
            gone = self._blocks.pop(0)
            log.warning("kept rows go: nobody fetches them", task=gone.task)


KEPT = Kept()
"""That of this process."""


def _up_to(blocks: list[KeptBlock], size: int) -> list[KeptBlock]:
    found: list[KeptBlock] = []
    for block in blocks:
        if found and size < len(block.lines):
            break
        found.append(block)
        size -= len(block.lines)
    return found


def _taken(values: Values, rows: NDArray[np.int64]) -> Values:
    return values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def _joined(parts: list[Values]) -> list[Any]:
    return [value for part in parts for value in part]


__all__ = ["KEPT", "Keeper", "Kept"]
