"""Small requests that are there at the same moment are predicted together.

Most of what a prediction costs, and the check of the values before it, is paid once a call, whatever the number of
rows. Nobody waits for a batch to fill: it holds the requests that the event loop has read in one turn, and is answered
in the next. A lone request is a batch of its own, and the more clients there are, the less each request costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self

from regraft_inference.estimators import rows_of
from regraft_inference.formats import Untyped

MOST_ROWS = 1024
"""Rows from which on a batch takes no more requests, so that the loop is not held up for long."""


class Answers(Protocol):
    """One answer for each row, such as an array."""

    def __getitem__(self, rows: slice, /) -> Self:
        """Return the answers of some rows."""
        ...


type Done[T: Answers] = Callable[[T | Exception], None]
"""Gets the answers for the rows of one request, or why there are none. Must not raise."""


@dataclass(slots=True)
class Waiting[T: Answers]:
    """The columns of a request, and who waits for the answers to them."""

    columns: Untyped
    rows: int
    done: Done[T]


class Batcher[T: Answers]:
    """Collects requests of one event loop for one model. What answers them checks their values, too."""

    def __init__(self, predict: Callable[[Untyped], T]) -> None:
        self._predict = predict
        self._waiting: list[Waiting[T]] = []

    def add(self, columns: Untyped, done: Done[T]) -> None:
        """Answer columns in the next turn of the loop; ``done`` gets what answering them alone gives."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer_all)
        self._waiting.append(Waiting(columns, rows_of(columns), done))

    async def predict(self, columns: Untyped) -> T:
        """Return the answers for columns. Raises what answering them alone raises."""
        answers: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.add(columns, partial(_settle, answers))
        return await answers

    def _answer_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for batch in _batches(waiting):
            self._answer(batch)

    def _answer(self, batch: list[Waiting[T]]) -> None:
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

    def _fail(self, batch: list[Waiting[T]], error: Exception) -> None:
        """Let a request fail for its own rows only."""
        if len(batch) > 1:
            for each in batch:
                self._answer([each])
        else:
            batch[0].done(error)


def _settle[T](future: asyncio.Future[T], answers: T | Exception) -> None:
    if future.done():  # the client may be gone
        return
    if isinstance(answers, Exception):
        future.set_exception(answers)
    else:
        future.set_result(answers)


def _batches[T: Answers](waiting: list[Waiting[T]]) -> Iterator[list[Waiting[T]]]:
    batch: list[Waiting[T]] = []
    rows = 0
    for each in waiting:
        batch.append(each)
        rows += each.rows
        if rows >= MOST_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _joined[T: Answers](batch: list[Waiting[T]]) -> Untyped:
    found = {name: values.copy() for name, values in batch[0].columns.items()}
    for each in batch[1:]:
        for name, values in found.items():
            values.extend(each.columns[name])
    return found
