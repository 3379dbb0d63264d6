"""Reasons as JSON, those of many rows from arrays. What trains and stores estimators needs none of this."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from regraft_inference.estimators.reasons import Reasons, ReasonsTable

BETWEEN = b"},"
"""Ends the object that a number is the last of, before the next one."""

FEW_ROWS = 8
"""Rows up to which objects are written faster than arrays."""


def json_of(reasons: Sequence[Reasons]) -> bytes:
    """Return what reasons tell, as JSON."""
    if isinstance(reasons, ReasonsTable) and len(reasons) > FEW_ROWS:
        return _table_json(reasons)
    return orjson.dumps([each.told() for each in reasons])


def _table_json(table: ReasonsTable) -> bytes:
    """Return what the reasons of all rows tell, without an object for each column of each row."""
    rows, columns = table.order.shape
    openings, heads, later = _beginnings(table.names, table.scales, table.starts)
    width = 2 * columns + 3
    parts = [b'}],"answer":'] * (rows * width)
    parts[::width] = openings.take(table.outputs).tolist()
    numbers = _numbers(table.added)
    for place in range(columns):
        parts[2 * place + 1 :: width] = (later if place else heads).take(table.order[:, place]).tolist()
        parts[2 * place + 2 :: width] = numbers[place::columns]
    parts[width - 1 :: width] = _numbers(table.answers)
    return b"[%b}]" % b"".join(parts)[len(BETWEEN) :]


@lru_cache
def _beginnings(
    names: tuple[str, ...], scales: tuple[str, ...], starts: tuple[float, ...]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return what rows begin with, by output, and their first and later columns, by name."""
    heads = [b'{"column":%b,"added":' % orjson.dumps(name) for name in names]
    outputs = zip(map(orjson.dumps, scales), map(orjson.dumps, starts), strict=True)
    openings = [BETWEEN + b'{"scale":%b,"start":%b,"columns":[' % each for each in outputs]
    return _objects(openings), _objects(heads), _objects([BETWEEN + head for head in heads])


def _objects(texts: list[bytes]) -> NDArray[Any]:
    return np.array(texts, dtype=object)


def _numbers(numbers: NDArray[np.float64]) -> list[bytes]:
    """Return numbers as JSON, those of a row side by side."""
    text = orjson.dumps(np.ascontiguousarray(numbers).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")
