"""Reasons as JSON, those of many rows from arrays. What trains and stores estimators needs none of this."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from regraft_inference.estimators.reasons import Reasons, ReasonsTable

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
    parts = np.empty((rows, 2 * columns + 3), dtype=object)
    parts[:, 0] = openings[table.outputs]
    parts[:, 1] = heads[table.order[:, 0]]
    parts[:, 3:-2:2] = later[table.order[:, 1:]]
    parts[:, 2:-2:2] = _ends(table.added)
    parts[:, -2] = b'],"answer":'
    parts[:, -1] = _ends(table.answers)
    return b"[%b]" % b"".join(parts.ravel().tolist())[1:]


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
