"""Small requests that are there at the same moment are predicted together.

Most of what a prediction costs is paid once a call, whatever the number of rows. Nobody waits for a batch to fill: it
holds the requests that the event loop has read in one turn, and is predicted in the next. A lone request is a batch of
its own, and the more clients there are, the less each request costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regraft.inference.estimators import rows_of
from regraft.inference.requests import Values

MOST_ROWS = 1024
"""Rows from which on a batch takes no more requests, so that the loop is not held up for long."""

type Columns = Mapping[str, Values]
type Predict = Callable[[Columns], NDArray[Any]]


@dataclass(slots=True)
class Waiting:
    """The checked columns of a request, and who waits for the answers to them."""

    columns: Columns
    rows: int
    answers: asyncio.Future[NDArray[Any]]


class Batcher:
    """Collects requests of one event loop for one model."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._waiting: list[Waiting] = []

    async def predict(self, columns: Columns) -> NDArray[Any]:
        """Return the predictions for checked columns, shape (rows,). Raises what predicting them alone raises."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer_all)
        waiting = Waiting(columns, rows_of(columns), loop.create_future())
        self._waiting.append(waiting)
        return await waiting.answers

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
            if not each.answers.done():  # the client may be gone
                each.answers.set_result(answers[first : first + each.rows])
            first += each.rows

    def _fail(self, batch: list[Waiting], error: Exception) -> None:
        """Let a request fail for its own rows only."""
        if len(batch) > 1:
            for each in batch:
                self._answer([each])
        elif not batch[0].answers.done():
            batch[0].answers.set_exception(error)


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
