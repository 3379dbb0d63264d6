"""The values of a request: their types, limits and gaps, alone and among many."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, Literal

import numpy as np
import orjson
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader
from regraft_inference.values import reader_of
from tests.unit.inference.bundles import HEART_ROWS
from tests.unit.inference.readers import heart, passwords, refusal


def test_an_integral_float_is_an_integer_as_in_json_schema() -> None:
    columns = heart.read(b'{"age": [40.0, 6e1], "sex": [1.0, 0], "oldpeak": [1, 2]}')
    assert columns["age"].tolist() == [40, 60]  # type: ignore[union-attr]
    assert columns["oldpeak"].tolist() == [1.0, 2.0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "code", "row", "rule"),
    [
        (["a", ""], "value_too_short", 1, "at least 1 characters"),
        (["a" * 65], "value_too_long", 0, "at most 64 characters"),
        (["a", 1], "wrong_type", 1, "type string"),
        (["a"] * 5001, "too_many_rows", 5000, "at most 5000 rows"),
    ],
)
def test_strings_are_held_to_length_and_number(values: list[Any], code: str, row: int, rule: str) -> None:
    error = refusal(passwords, {"Password": values})
    assert (error.code, error.details["row"], error.details["rule"]) == (code, row, rule)


def test_length_is_counted_in_characters() -> None:
    assert passwords.read(orjson.dumps({"Password": ["\N{GRINNING FACE}" * 64]}))


FLATS = Contract(
    task="flats",
    features=(
        Column(name="size", type="number", minimum=0, nullable=True),
        Column(name="rooms", type="integer", nullable=True),
        Column(name="lift", type="boolean"),
        Column(name="district", type="string", categories=("east", "west"), nullable=True),
        Column(name="notes", type="text"),
        Column(name="built", type="date"),
        Column(name="seen", type="datetime", nullable=True),
    ),
    target=Column(name="price", type="number"),
    ignored=("id",),
)
FLAT: dict[str, list[object]] = {
    "size": [1.5, None],
    "rooms": [None, 2],
    "lift": [True, False],
    "district": ["east", None],
    "notes": ["bright", "dark"],
    "built": ["1999-12-31", "2024-02-29"],
    "seen": ["2024-02-29T12:00:00Z", None],
}
FLAT_ROWS = [[*row, 7] for row in zip(*FLAT.values(), strict=True)]


@pytest.mark.parametrize(
    "request_",
    [
        FLAT,
        FLAT | {"id": ["a", "b"]},
        {"dataframe_records": [{name: values[row] for name, values in FLAT.items()} | {"id": row} for row in (0, 1)]},
        {
            "dataframe_split": {
                "columns": [*FLAT, "id"],
                "data": [[*row, 7] for row in zip(*FLAT.values(), strict=True)],
            }
        },
        {"inputs": FLAT},
    ],
)
def test_all_types_and_gaps_are_read(request_: dict[str, object]) -> None:
    found = RequestReader(FLATS).read(json.dumps(request_).encode())
    assert list(found) == list(FLAT)
    assert np.isnan(np.asarray(found["size"])).tolist() == [False, True]
    assert np.asarray(found["rooms"]).dtype == np.float64
    assert found["lift"].tolist() == [True, False]  # type: ignore[union-attr]
    assert found["district"] == ["east", None]
    assert np.isnat(np.asarray(found["seen"])).tolist() == [False, True]
    assert str(np.asarray(found["built"])[1]).startswith("2024-02-29")


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("lift", 1, "wrong_type"),
        ("lift", None, "value_missing"),
        ("built", "29.02.2024", "value_not_date"),
        ("built", "2023-02-29", "value_not_date"),
        ("seen", "noon", "value_not_date"),
        ("seen", 3, "wrong_type"),
        ("size", -1, "value_negative"),
        ("size", "x", "wrong_type"),
        ("district", "north", "value_not_in_categories"),
        ("other", "x", "column_unknown"),
    ],
)
def test_what_breaks_the_contract_is_named_among_gaps(column: str, value: object, code: str) -> None:
    request_ = FLAT | {column: [FLAT.get(column, ["x"])[0], value]}
    with pytest.raises(ContractError) as error:
        RequestReader(FLATS).read(json.dumps(request_).encode())
    assert (error.value.code, error.value.details["column"]) == (code, column)
    assert error.value.details.get("row", 1) == 1


MANY = 100


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("age", True, "wrong_type"),
        ("age", "40", "wrong_type"),
        ("age", None, "value_missing"),
        ("age", [40], "wrong_type"),
        ("age", {"a": 40}, "wrong_type"),
        ("age", 40.5, "value_not_integer"),
        ("age", 2**63, "value_too_large"),
        ("age", -1, "value_too_small"),
        ("oldpeak", True, "wrong_type"),
        ("oldpeak", "0.5", "wrong_type"),
        ("oldpeak", -1e300, "value_negative"),
    ],
)
def test_a_bad_value_among_many_is_named_as_a_lone_one_is(column: str, value: Any, code: str) -> None:
    many = {name: values[:1] * MANY for name, values in HEART_ROWS.items()}
    many[column] = [*many[column][: MANY // 2], value, *many[column][MANY // 2 + 1 :]]
    error = refusal(heart, many)
    alone = refusal(heart, {name: [values[MANY // 2]] for name, values in many.items()})
    assert (error.code, error.details["column"], error.details["row"]) == (alone.code, column, MANY // 2)
    assert error.details["rule"] == alone.details["rule"]


@pytest.mark.parametrize("rows_", [1, MANY])
def test_many_values_are_typed_as_few_are(rows_: int) -> None:
    found = heart.read(orjson.dumps({"age": [40.0] * rows_, "sex": [1] * rows_, "oldpeak": [1] * rows_}))
    for name, kind in (("age", np.int64), ("sex", np.int64), ("oldpeak", np.float64)):
        values = found[name]
        assert isinstance(values, np.ndarray)
        assert (values.dtype, len(values)) == (np.dtype(kind), rows_)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_found_among_many(value: float) -> None:
    with pytest.raises(ContractError) as caught:
        heart.read_payload({"age": [40] * MANY, "sex": [1] * MANY, "oldpeak": [0.5] * (MANY - 1) + [value]})
    assert caught.value.details["row"] == MANY - 1


NUMBERS_ASKED = [0, 1, 2, 5, -1, 1.0, 2.5, True, None, "1", float("nan"), float("inf"), 2**63, 2**53 + 1]


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("categories", [None, (0, 1, 2), (1, 5), (2**53 + 1,)])
@pytest.mark.parametrize("bounds", [(None, None), (1, None), (None, 2)])
def test_numbers_together_are_checked_as_each_alone(
    kind: Any, categories: tuple[int, ...] | None, bounds: tuple[int | None, int | None]
) -> None:
    column = Column(name="n", type=kind, categories=categories, minimum=bounds[0], maximum=bounds[1])
    reader = reader_of(column)

    def passes(check: Callable[[], object]) -> bool:
        try:
            check()
        except ContractError:
            return False
        return True

    alone = {place: passes(partial(reader._check_value, 0, value)) for place, value in enumerate(NUMBERS_ASKED)}
    for one, other in product(alone, repeat=2):
        for times in (1, 20):
            values = [NUMBERS_ASKED[one], NUMBERS_ASKED[other]] * times
            assert passes(partial(reader.read, values)) == (alone[one] and alone[other]), values


@pytest.mark.parametrize("rows_", [1, MANY])
@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize(("value", "code"), [(10**400, "value_too_large"), (-(10**400), "value_too_small")])
def test_a_whole_number_beyond_all_that_can_be_computed_is_refused(
    kind: Literal["integer", "number"], value: int, code: str, rows_: int
) -> None:
    """A body with NaN is read by Python's parser, whose whole numbers have no end."""
    for nullable in (False, True):
        with pytest.raises(ContractError) as refused:
            reader_of(Column(name="age", type=kind, nullable=nullable)).read([*[1] * (rows_ - 1), value])
        assert (refused.value.code, refused.value.details["row"]) == (code, rows_ - 1)
