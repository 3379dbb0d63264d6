"""Reasons as JSON, those of many rows from arrays. What trains and stores estimators needs none of this."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import orjson
from numpy.typing import NDArray

from regraft_inference.estimators.reasons import Cells, Placed, Reasons, ReasonsTable

BETWEEN = b"},"
"""Ends the object that a number is the last of, before the next one."""

ANSWER = b'}],"answer":'
FEW_ROWS = 8
"""Rows up to which objects are written faster than arrays."""

type Model = tuple[tuple[str, ...], tuple[str, ...], tuple[float, ...]]
"""Names of the columns, scales and starts."""

TEXTS: WeakKeyDictionary[Cells, tuple[Model, NDArray[Any]]] = WeakKeyDictionary()
"""What is written once, of as many models as there are, as long as they are there."""


def json_of(reasons: Sequence[Reasons], before: bytes = b"", behind: bytes = b"") -> bytes:
    """Return what reasons tell, as JSON, between what stands before and behind it: that of many rows is long."""
    if isinstance(reasons, ReasonsTable) and len(reasons) > FEW_ROWS:
        return _table_json(reasons, before, behind)
    return b"%b%b%b" % (before, orjson.dumps([each.told() for each in reasons]), behind)


def _table_json(table: ReasonsTable, first: bytes, last: bytes) -> bytes:
    if table.placed is not None:
        return _from_texts(table, table.placed, first, last)
    return _from_numbers(table, first, last)


def _from_texts(table: ReasonsTable, placed: Placed, first: bytes, last: bytes) -> bytes:
    """Return what the reasons of all rows tell, of which all but the answers is written already."""
    cells, places = placed
    rows, columns = places.shape
    found = np.empty((rows, columns + 1), dtype=object)
    texts = _texts(cells, (table.names, table.scales, table.starts))
    found[:, :columns] = texts.take(np.add(places, [0, *[len(cells.added)] * (columns - 1)]))
    found[:, columns] = [ANSWER + number for number in _numbers(table.answers)]
    pieces: list[bytes] = found.ravel().tolist()
    pieces[0] = b"%b[%b" % (first, pieces[0].removeprefix(BETWEEN))
    pieces.append(b"}]%b" % last)
    return b"".join(pieces)


def _from_numbers(table: ReasonsTable, first: bytes, last: bytes) -> bytes:
    """Return what the reasons of all rows tell: what stands before each number, by its place, and all numbers."""
    rows, columns, outputs = len(table), len(table.names), len(table.scales)
    places = np.empty((rows, columns + 1), dtype=np.int64)
    numbers = np.empty((rows, columns + 1))
    np.add(table.order, [0, *[outputs * columns] * (columns - 1)], out=places[:, :columns])
    if outputs > 1:
        places[:, 0] += table.outputs * columns
    places[:, columns] = (outputs + 1) * columns
    numbers[:, :columns], numbers[:, columns] = table.added, table.answers
    before: list[bytes] = _before_numbers(table.names, table.scales, table.starts).take(places.ravel()).tolist()
    before[0] = before[0].removeprefix(BETWEEN)
    text = orjson.dumps(numbers.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    format_ = b"%b[%b" + text[1:-1].replace(b",", b"%b") + b"}]%b"
    return format_ % (first, *before, last)


def _texts(cells: Cells, model: Model) -> NDArray[Any]:
    """Return what columns add, each with what stands before it: as a row's first, by cell; then as later ones."""
    known = TEXTS.get(cells)
    if known is None or known[0] != model:
        before, numbers = _before_numbers(*model), np.array(_numbers(cells.added), dtype=object)
        places = cells.columns, cells.columns + len(model[0])
        known = TEXTS[cells] = model, np.concatenate([before.take(each) + numbers for each in places])
    return known[1]


def _numbers(values: NDArray[np.float64]) -> list[bytes]:
    """Return each as JSON."""
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


@lru_cache
def _before_numbers(names: tuple[str, ...], scales: tuple[str, ...], starts: tuple[float, ...]) -> NDArray[Any]:
    """Return what stands before a row's first number, by output and column; before later ones; before its answer."""
    heads = [b'{"column":%b,"added":' % orjson.dumps(name) for name in names]
    outputs = zip(map(orjson.dumps, scales), map(orjson.dumps, starts), strict=True)
    openings = [BETWEEN + b'{"scale":%b,"start":%b,"columns":[' % each for each in outputs]
    firsts = [opening + head for opening in openings for head in heads]
    return np.array([*firsts, *(BETWEEN + head for head in heads), ANSWER], dtype=object)
