"""What answers are made of: of one row, and of many in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, overload

import numpy as np
import orjson
from numpy.typing import NDArray

FEW_ROWS = 8
"""Rows up to which objects are written faster than arrays."""


@dataclass(slots=True)
class Reasons:
    """What one answer is made of: ``start`` and what each column ``added`` sum up to ``answer``.

    All on the ``scale``, which is said in words; ``columns`` are the names, that of the largest first.
    """

    scale: str
    start: float
    columns: list[str]
    added: list[float]
    answer: float

    def told(self) -> dict[str, Any]:
        """Return them as answers tell them, for JSON."""
        columns = [{"column": name, "added": added} for name, added in zip(self.columns, self.added, strict=True)]
        return {"scale": self.scale, "start": self.start, "columns": columns, "answer": self.answer}


@dataclass(frozen=True)
class ReasonsTable(Sequence[Reasons]):
    """The reasons of many answers. Of each output its scale and its start; all else is of each row.

    ``outputs`` are the places of their scales, shape (rows,); ``order`` those of the columns, that of the largest
    first, and ``added`` what these add, shape (rows, columns); ``answers`` of shape (rows,).
    """

    names: tuple[str, ...]
    scales: tuple[str, ...]
    starts: tuple[float, ...]
    outputs: NDArray[np.int64]
    order: NDArray[np.int64]
    added: NDArray[np.float64]
    answers: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.answers)

    @overload
    def __getitem__(self, place: int) -> Reasons: ...
    @overload
    def __getitem__(self, place: slice) -> ReasonsTable: ...
    def __getitem__(self, place: int | slice) -> Reasons | ReasonsTable:
        """Return the reasons of one row, or of some."""
        if isinstance(place, slice):
            outputs, order, added, answers = (
                self.outputs[place],
                self.order[place],
                self.added[place],
                self.answers[place],
            )
            return replace(self, outputs=outputs, order=order, added=added, answers=answers)
        output, columns = self.outputs[place], [self.names[column] for column in self.order[place].tolist()]
        answer = float(self.answers[place])
        return Reasons(self.scales[output], self.starts[output], columns, self.added[place].tolist(), answer)

    def json(self) -> bytes:
        """Return what the reasons of all rows tell, without an object for each column of each row."""
        rows, columns = self.order.shape
        openings, heads, later = _beginnings(self.names, self.scales, self.starts)
        parts = np.empty((rows, 2 * columns + 3), dtype=object)
        parts[:, 0] = openings[self.outputs]
        parts[:, 1] = heads[self.order[:, 0]]
        parts[:, 3:-2:2] = later[self.order[:, 1:]]
        parts[:, 2:-2:2] = _ends(self.added)
        parts[:, -2] = b'],"answer":'
        parts[:, -1] = _ends(self.answers)
        return b"[%b]" % b"".join(parts.ravel().tolist())[1:]


def json_of(reasons: Sequence[Reasons]) -> bytes:
    """Return what reasons tell, as JSON."""
    if isinstance(reasons, ReasonsTable) and len(reasons) > FEW_ROWS:
        return reasons.json()
    return orjson.dumps([each.told() for each in reasons])


@lru_cache
def _beginnings(
    names: tuple[str, ...], scales: tuple[str, ...], starts: tuple[float, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return what rows begin with, by output, and their first and later columns, by name."""
    heads = [b'{"column":%b,"added":' % orjson.dumps(name) for name in names]
    outputs = zip(map(orjson.dumps, scales), map(orjson.dumps, starts), strict=True)
    openings = [b',{"scale":%b,"start":%b,"columns":[' % each for each in outputs]
    return _objects(openings), _objects(heads), _objects([b"," + head for head in heads])


def _objects(texts: list[bytes]) -> NDArray[Any]:
    return np.array(texts, dtype=object)


def _ends(numbers: NDArray[np.float64]) -> NDArray[Any]:
    """Return numbers as JSON, each with the end of the object that it is the last of."""
    found = np.empty(numbers.size, dtype=object)
    text = orjson.dumps(np.ascontiguousarray(numbers).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    found[:] = text[1:-1].replace(b",", b"},").split(b",")
    found[-1] += b"}"
    return found.reshape(numbers.shape)
