"""Numbers of more than a few rows are checked and typed together: as each column by itself, or by its own reader."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.columns import dtype_of
from regraft_inference.formats import RequestReader
from regraft_inference.number_table import FEW_ROWS, NumberTable, number_tables
from regraft_inference.values import reader_of

ROWS = FEW_ROWS + 1
COLUMNS = (
    Column(name="count", type="integer", minimum=0.5),
    Column(name="grade", type="integer", categories=(1, 2, 3)),
    Column(name="code", type="integer", categories=(3, 6, 7), maximum=6),
    Column(name="never", type="integer", minimum=2**62, maximum=2**70),
    Column(name="size", type="number", minimum=-1, maximum=8),
    Column(name="step", type="number", categories=(1, 2, 3)),
    Column(name="whole", type="integer", nullable=True),
    Column(name="level", type="integer", categories=(1, 3), nullable=True),
    Column(name="gap", type="number", nullable=True),
    Column(name="paid", type="boolean"),
    Column(name="told", type="boolean", nullable=True),
)
ASKED: list[Any] = [0, 1, 2, 3, 6, 1.0, 2.5, -0.0, True, False, None, "1", [], 9, 2**53 + 1, 2**62, 2**63, 2**64 - 1]
ASKED += [float("nan"), float("inf"), -float("inf"), 1e308]


def table_of(column: Column) -> NumberTable:
    dtype = dtype_of(column)
    assert dtype is not None
    return NumberTable([column], dtype)


def outcome(read: Any, *arguments: Any) -> Any:
    """Return type and bytes of what is read, or what is said to be wrong."""
    try:
        found = read(*arguments)
    except ContractError as error:
        return error.code, error.message, error.details
    return {name: (values.dtype, np.asarray(values).tobytes()) for name, values in found.items()}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_column_is_read_as_by_its_own_reader(column: Column) -> None:
    reader, table = reader_of(column), table_of(column)
    for one in ASKED:
        for other in ASKED:
            values = {column.name: [one] * ROWS + [other]}
            alone = outcome(lambda asked=values: {column.name: reader.read(asked[column.name])})
            assert outcome(table.read, values) in (alone, {}), (one, other)


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_many_values_of_a_column_are_read_as_two_are(column: Column) -> None:
    reader = reader_of(column)
    for one in ASKED:
        for other in ASKED:
            few, many = (
                outcome(lambda some=some: {"": reader.read(some)}) for some in ([one, other], [one] * 30 + [other])
            )
            assert type(few) is type(many), (one, other)
            if isinstance(few, dict):
                dtype, values = few[""]
                size = len(values) // 2
                assert many[""] == (dtype, values[:size] * 30 + values[size:]), (one, other)
            else:
                assert few[0] == many[0], (one, other)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("count", [1, 2**53 + 1, 2**63 - 1]),
        ("grade", [1, 2, 3]),
        ("code", [3, 6]),
        ("size", [-1, 2.5, 8.0, -0.0]),
        ("step", [1, 2.0]),
        ("whole", [1, None, -(2**53)]),
        ("level", [None, 3]),
        ("gap", [None, 1e308, 7]),
        ("paid", [True, False]),
        ("told", [None, True]),
    ],
)
def test_what_is_right_needs_no_other_reader(name: str, values: list[Any]) -> None:
    column = next(each for each in COLUMNS if each.name == name)
    table = table_of(column)
    assert list(table.read({name: values})) == [name]


@pytest.mark.parametrize("name", ['5"', "a\\b", "tab\tx", "\x00", "", "Größe 😀", "class", "__init__"])
def test_a_column_may_have_any_name(name: str) -> None:
    table = table_of(Column(name=name, type="number"))
    assert list(table.read({name: [1.5, 2]})) == [name]


def test_many_rows_are_read_as_a_few_are() -> None:
    columns = tuple(each for each in COLUMNS if each.name != "never")
    contract = Contract(task="shop", features=columns, target=Column(name="cost", type="number"))
    reader, readers, rng = RequestReader(contract), {each.name: reader_of(each) for each in columns}, random.Random(1)
    good: dict[str, list[Any]] = {each.name: [None, 1] if each.nullable else [1, 2] for each in columns}
    good |= {"code": [3, 6], "level": [None, 3], "gap": [None, 2.5], "paid": [True, False], "told": [None, True]}
    refused = 0
    for _ in range(500):
        asked = {name: rng.choices(values, k=ROWS) for name, values in good.items()}
        if rng.random() < 0.5:
            asked[rng.choice(list(asked))][rng.randrange(ROWS)] = rng.choice(ASKED)
        found = outcome(reader.typed, asked)
        alone = outcome(lambda asked=asked: {name: each.read(asked[name]) for name, each in readers.items()})
        assert found == alone
        refused += type(found) is tuple
    assert 0 < refused < 500


def test_there_is_a_table_of_each_type_of_arrays() -> None:
    others = [Column(name="word", type="string"), Column(name="day", type="date")]
    assert number_tables(others) == []
    assert len(number_tables([*others, *COLUMNS])) == 3
