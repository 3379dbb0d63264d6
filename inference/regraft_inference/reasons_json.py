"""Reasons as JSON, those of many rows from arrays. What trains and stores estimators needs none of this."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import orjson
from numpy.typing import NDArray

from regraft_inference.estimators.reasons import Cells, PlacedReasons, Reasons, ReasonsTable

BETWEEN = b"},"
"""Ends the object that a number is the last of, before the next one."""

ANSWER = b'}],"answer":'
FEW_ROWS = 8
"""Rows up to which objects are written faster than arrays."""

type Model = tuple[tuple[str, ...], tuple[str, ...], tuple[float, ...]]
"""Names of the columns, scales and starts."""

type Texts = tuple[NDArray[Any], NDArray[np.intp]]
"""Texts, and what is added to the places of a row's columns to find theirs."""

TEXTS: WeakKeyDictionary[Cells, tuple[Model, Texts]] = WeakKeyDictionary()
"""What is written once, of as many models as there are, as long as they are there."""


def json_of(reasons: Sequence[Reasons], before: bytes = b"", behind: bytes = b"") -> bytes:
    """Return what reasons tell, as JSON, between what stands before and behind it: that of many rows is long."""
    if len(reasons) > FEW_ROWS and isinstance(reasons, PlacedReasons):
        return _from_texts(reasons, before, behind)
    if len(reasons) > FEW_ROWS and isinstance(reasons, ReasonsTable):
        return _from_numbers(reasons, before, behind)
    return b"%b%b%b" % (before, orjson.dumps([each.told() for each in reasons]), behind)


def _from_texts(reasons: PlacedReasons, first: bytes, last: bytes) -> bytes:
    """Return what the reasons of all rows tell, of which all but the answers is written already."""
    columns = len(reasons.names)
    texts, later = _texts(reasons.cells, (reasons.names, (reasons.scale,), (reasons.start,)))
    pieces: list[bytes] = texts.take((reasons.places + later).ravel()).tolist()
    ends = slice(columns - 1, None, columns)
    pieces[ends] = map(operator.add, pieces[ends], _numbers(reasons.answers, ANSWER))
    pieces[0] = b"%b[%b" % (first, pieces[0].removeprefix(BETWEEN))
    pieces.append(b"}]%b" % last)
    return b"".join(pieces)


def _from_numbers(table: ReasonsTable, first: bytes, last: bytes) -> bytes:
    """Return what the reasons of all rows tell: what stands before each number, by its place, and all numbers."""
    rows, columns = table.order.shape
    texts, later = _before_numbers(table.names, table.scales, table.starts)
    places = np.empty((rows, columns + 1), dtype=np.intp)
    np.add(table.order, later, out=places[:, :columns])
    if len(table.scales) > 1:
        places[:, 0] += table.outputs * columns
    places[:, columns] = len(texts) - 1
    before: list[bytes] = texts.take(places.ravel()).tolist()
    before[0] = b"%b[%b" % (first, before[0].removeprefix(BETWEEN))
    text = orjson.dumps(table.numbers.ravel(), option=orjson.OPT_SERIALIZE_NUMPY)
    return text.replace(b",", b"%b").replace(b"[", b"%b", 1).replace(b"]", b"}]%b", 1) % (*before, last)


def _texts(cells: Cells, model: Model) -> Texts:
    """Return what columns add, each with what stands before it: as a row's first, by cell; then as later ones."""
    known = TEXTS.get(cells)
    if known is None or known[0] != model:
        (before, _), numbers = _before_numbers(*model), np.array(_numbers(cells.added), dtype=object)
        places = cells.columns, cells.columns + len(model[0])
        texts = np.concatenate([before.take(each) + numbers for each in places])
        known = TEXTS[cells] = model, (texts, _later(len(model[0]), len(numbers)))
    return known[1]


def _numbers(values: NDArray[np.float64], before: bytes = b"") -> list[bytes]:
    """Return each as JSON, with what stands before it."""
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    return (before + text.replace(b",", b"\n" + before)).split(b"\n")


@lru_cache
def _before_numbers(names: tuple[str, ...], scales: tuple[str, ...], starts: tuple[float, ...]) -> Texts:
    """Return what stands before a row's first number, by output and column; before later ones; before its answer."""
    heads = [b'{"column":%b,"added":' % orjson.dumps(name) for name in names]
    outputs = zip(map(orjson.dumps, scales), map(orjson.dumps, starts), strict=True)
    openings = [BETWEEN + b'{"scale":%b,"start":%b,"columns":[' % each for each in outputs]
    firsts = [opening + head for opening in openings for head in heads]
    texts = np.array([*firsts, *(BETWEEN + head for head in heads), ANSWER], dtype=object)
    return texts, _later(len(names), len(firsts))


def _later(columns: int, firsts: int) -> NDArray[np.intp]:
    """Return how many texts, those of a row's first column, stand before the texts of each column of a row."""
    return np.array([0, *[firsts] * (columns - 1)], dtype=np.intp)
