"""Small requests that are there at the same moment are predicted together.

Most of what a prediction costs is paid once a call, whatever the number of rows. Nobody waits for a batch to fill: it
holds the requests that the event loop has read in one turn, and is predicted in the next. A lone request is a batch of
its own, and the more clients there are, the less each request costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators import rows_of
from regraft_inference.values import Values

MOST_ROWS = 1024
"""Rows from which on a batch takes no more requests, so that the loop is not held up for long."""

type Columns = Mapping[str, Values]
type Predict = Callable[[Columns], NDArray[Any]]


type Done = Callable[[NDArray[Any] | Exception], None]
"""Gets the predictions for the rows of one request, or why there are none. Must not raise."""


@dataclass(slots=True)
class Waiting:
    """The checked columns of a request, and who waits for the answers to them."""

    columns: Columns
    rows: int
    done: Done


class Batcher:
    """Collects requests of one event loop for one model."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._waiting: list[Waiting] = []

    def add(self, columns: Columns, done: Done) -> None:
        """Predict checked columns in the next turn of the loop; ``done`` gets what predicting them alone gives."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer_all)
        self._waiting.append(Waiting(columns, rows_of(columns), done))

    async def predict(self, columns: Columns) -> NDArray[Any]:
        """Return the predictions for checked columns, shape (rows,). Raises what predicting them alone raises."""
        answers: asyncio.Future[NDArray[Any]] = asyncio.get_running_loop().create_future()
        self.add(columns, partial(_settle, answers))
        return await answers

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for batch in _batches(waiting):
            self._answer(batch)

    def _answer(self, batch: list[Waiting]) -> None:
        columns = batch[0].columns if len(batch) == 1 else _joined(batch)
        try:
            answers = self._predict(columns)
        except Exception as error:
            self._fail(batch, error)
            return
        first = 0
        for each in batch:
            each.done(answers[first : first + each.rows])
            first += each.rows

    def _fail(self, batch: list[Waiting], error: Exception) -> None:
        """Let a request fail for its own rows only."""
        if len(batch) > 1:
            for each in batch:
                self._answer([each])
        else:
            batch[0].done(error)


def _settle(future: asyncio.Future[NDArray[Any]], answers: NDArray[Any] | Exception) -> None:
    if future.done():  # the client may be gone
        return
    if isinstance(answers, Exception):
        future.set_exception(answers)
    else:
        future.set_result(answers)


def _batches(waiting: list[Waiting]) -> Iterator[list[Waiting]]:
    batch: list[Waiting] = []
    rows = 0
    for each in waiting:
        batch.append(each)
        rows += each.rows
        if rows >= MOST_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _joined(batch: list[Waiting]) -> Columns:
    return {name: _joined_column([each.columns[name] for each in batch]) for name in batch[0].columns}


def _joined_column(parts: list[Values]) -> Values:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [value for part in parts for value in part]
