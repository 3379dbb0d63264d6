"""Reasons of many rows are written from arrays: the very text that the objects of each row give."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from regraft_inference.estimators.reasons import Cells, PlacedReasons, Reasons, ReasonsTable
from regraft_inference.reasons_json import FEW_ROWS, TEXTS, json_of

NAMES = ("plain", 'with "quotes", commas, 100 %', "Größe 😀\n")


def table(rows: int, *, outputs: int = 1, columns: int = 3, seed: int = 1) -> ReasonsTable:
    rng = np.random.default_rng(seed)
    added = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-300, 300, (rows, columns))
    added[rng.random((rows, columns)) < 0.3] = 0.0
    added[0, 0] = -0.0
    added[-1, -1] = np.nan
    return ReasonsTable(
        names=NAMES[:columns],
        scales=tuple(f"score of {place}, {{}} %b" for place in range(outputs)),
        starts=tuple(rng.normal(size=outputs).tolist()),
        outputs=rng.integers(0, outputs, rows),
        order=np.array([rng.permutation(columns) for _ in range(rows)]),
        numbers=np.column_stack([added, rng.normal(size=rows)]),
    )


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("outputs", [1, 4])
def test_arrays_are_written_as_objects_are(columns: int, outputs: int) -> None:
    found = table(50, columns=columns, outputs=outputs)
    for some in (found, found[:1], found[3:20], found[40:99], found[::2]):
        told = orjson.dumps([each.told() for each in some])
        assert json_of(some) == told
        assert json_of(list(some)) == told


def placed(found: ReasonsTable, cells: Cells, places: NDArray[np.intp]) -> PlacedReasons:
    return PlacedReasons(found.names, found.scales[0], found.starts[0], cells, places, found.numbers[:, -1])


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_texts_that_are_written_once_are_those_of_the_numbers(columns: int) -> None:
    found, rng = table(50, columns=columns), np.random.default_rng(2)
    each = 7  # numbers that a column can add
    cells = Cells(np.repeat(np.arange(columns), each), rng.normal(size=columns * each))
    cells.added[:3] = 0.0, -0.0, 1e-300
    known = placed(found, cells, found.order * each + rng.integers(0, each, found.order.shape))
    np.testing.assert_array_equal(known.table().order, found.order)
    for some in (known, known[3:20], known[::2], known[:2], known[:0]):
        assert len(some) == len(list(some))
        assert list(some) == list(some.table()) == [some[place] for place in range(len(some))]
        assert json_of(some) == json_of(some.table())
        assert json_of(some, b"[1,", b"]") == b"[1,%b]" % json_of(list(some))


def test_texts_are_kept_of_many_models_and_go_with_them() -> None:
    gc.collect()
    before, rows = len(TEXTS), FEW_ROWS + 1
    many = []
    for seed in range(40):
        found, cells = table(rows, seed=seed), Cells(np.arange(3), np.arange(3.0) + seed)
        many.append(placed(found, cells, found.order))
    for each in (*many, *(replace(each, start=0.5) for each in many)):
        assert json_of(each) == json_of(list(each))
    assert len(TEXTS) == before + len(many)
    del many, each, found, cells
    gc.collect()
    assert len(TEXTS) == before


def test_a_row_is_as_it_was_put_in() -> None:
    found = table(FEW_ROWS + 2)
    assert len(found) == len(list(found)) == FEW_ROWS + 2
    first = found[1]
    assert first == Reasons(
        found.scales[0],
        found.starts[0],
        [NAMES[place] for place in found.order[1]],
        found.numbers[1, :-1].tolist(),
        float(found.numbers[1, -1]),
    )
    assert found[1:2][0] == first
    assert json_of(found[:0]) == b"[]"
