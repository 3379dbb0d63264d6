"""The formats of a request: all are read alike, and what breaks one is refused with code, column and row."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader
from regraft_inference.options import Options
from tests.unit.inference.bundles import HEART, HEART_ROWS
from tests.unit.inference.readers import RECORD, ROW, heart, passwords, refusal


def rows(**changes: Any) -> dict[str, Any]:
    return {**HEART_ROWS, **changes}


@pytest.mark.parametrize(
    "payload",
    [
        HEART_ROWS,
        dict(reversed(HEART_ROWS.items())),
        {"inputs": HEART_ROWS},
        {"dataframe_split": {"columns": list(HEART_ROWS), "data": list(zip(*HEART_ROWS.values(), strict=True))}},
        {"dataframe_split": {"index": [0], "columns": list(HEART_ROWS), "data": [ROW]}},
        {
            "dataframe_records": [
                dict(zip(HEART_ROWS, row, strict=True)) for row in zip(*HEART_ROWS.values(), strict=True)
            ]
        },
        {"instances": [RECORD, dict(reversed(RECORD.items()))]},
        {"inputs": [RECORD]},
    ],
)
def test_every_format_gives_typed_columns_in_the_order_of_the_contract(payload: dict[str, Any]) -> None:
    columns = heart.read(orjson.dumps(payload))
    assert list(columns) == HEART.feature_names
    assert {name: column.dtype for name, column in columns.items() if isinstance(column, np.ndarray)} == {
        "age": np.int64,
        "sex": np.int64,
        "oldpeak": np.float64,
    }
    assert columns["age"][0] == 40


@pytest.mark.parametrize(
    "payload",
    [
        {"Password": ["a", "Password"]},
        {"instances": ["a", "Password"]},
        {"inputs": ["a", "Password"]},
        {"inputs": {"Password": ["a", "Password"]}},
        {"instances": [{"Password": "a"}, {"Password": "Password"}]},
        {"dataframe_split": {"columns": ["Password"], "data": [["a"], ["Password"]]}},
    ],
)
def test_strings_stay_as_they_are(payload: dict[str, Any]) -> None:
    assert passwords.read(orjson.dumps(payload)) == {"Password": ["a", "Password"]}


@pytest.mark.parametrize(
    ("payload", "code", "column", "row"),
    [
        ({}, "column_missing", "age", None),
        (rows(age=None), "wrong_type", "age", None),
        (rows(age=[1, 2, 3, True]), "wrong_type", "age", 3),
        (rows(age=[1, 2, "3", 4]), "wrong_type", "age", 2),
        (rows(age=[1, 2, 3.5, 4]), "value_not_integer", "age", 2),
        (rows(age=[1, None, 3, 4]), "value_missing", "age", 1),
        (rows(age=[1, [2], 3, 4]), "wrong_type", "age", 1),
        (rows(age=[1, 2, 3, 121]), "value_too_large", "age", 3),
        (rows(age=[0, 2, 3, 120]), "value_too_small", "age", 0),
        (rows(age=[10**400, 2, 3, 4]), "not_json", None, None),
        (rows(age=[10**30, 2, 3, 4]), "value_too_large", "age", 0),
        (rows(sex=[0, 1, 2, 0]), "value_not_in_categories", "sex", 2),
        (rows(oldpeak=[0, 1, 2, -0.1]), "value_negative", "oldpeak", 3),
        (rows(oldpeak=[0, 1, 2]), "unequal_lengths", "oldpeak", 3),
        (rows(cp=[0, 1, 2, 3]), "column_unknown", "cp", None),
        ({"age": [40], "oldpeak": [1]}, "column_missing", "sex", None),
        ({"age": [], "sex": [], "oldpeak": []}, "empty_request", "age", None),
        ({"dataframe_records": []}, "empty_request", "age", None),
        ({"dataframe_records": {}}, "wrong_type", None, None),
        ({"dataframe_records": [RECORD, 1]}, "wrong_type", None, 1),
        ({"dataframe_records": [RECORD, {"age": 1, "sex": 1}]}, "column_missing", "oldpeak", 1),
        ({"dataframe_records": [RECORD, {**RECORD, "cp": 1}]}, "column_unknown", "cp", 1),
        ({"dataframe_records": [RECORD], "age": [1]}, "column_unknown", "age", None),
        ({"instances": [40]}, "wrong_type", None, 0),
        ({"inputs": 40}, "wrong_type", None, None),
        ({"dataframe_split": []}, "wrong_type", None, None),
        ({"dataframe_split": {"columns": ["age"]}}, "wrong_type", None, None),
        ({"dataframe_split": {"columns": "age", "data": []}}, "wrong_type", None, None),
        ({"dataframe_split": {"columns": [1], "data": []}}, "wrong_type", None, None),
        ({"dataframe_split": {"columns": ["sex", "age", "oldpeak"], "data": []}}, "wrong_column_order", "sex", None),
        ({"dataframe_split": {"columns": ["age", "sex"], "data": []}}, "column_missing", "oldpeak", None),
        ({"dataframe_split": {"columns": [*HEART_ROWS, "cp"], "data": []}}, "column_unknown", "cp", None),
        ({"dataframe_split": {"columns": [*HEART_ROWS, "age"], "data": []}}, "duplicate_key", "age", None),
        ({"dataframe_split": {"columns": [*HEART_ROWS], "data": []}}, "empty_request", "age", None),
        ({"dataframe_split": {"columns": [*HEART_ROWS], "data": [ROW, [1, 1]]}}, "unequal_lengths", None, 1),
        ({"dataframe_split": {"columns": [*HEART_ROWS], "data": [ROW, None]}}, "wrong_type", None, 1),
        ({"dataframe_split": {"columns": [*HEART_ROWS], "data": {}}}, "wrong_type", None, None),
        ({"dataframe_split": {"columns": [*HEART_ROWS], "data": [ROW, [1, 1, "x"]]}}, "wrong_type", "oldpeak", 1),
        ([HEART_ROWS], "wrong_type", "age", 0),
        (None, "not_an_object", None, None),
        ("age", "not_an_object", None, None),
        (1, "not_an_object", None, None),
        (b"", "not_json", None, None),
        (b"{", "not_json", None, None),
        (b'{"age": [NaN]}', "not_json", None, None),
        (b'{"age": [Infinity]}', "not_json", None, None),
        (b'{"age": [1e400]}', "not_json", None, None),
        (b'{"age": "\xff"}', "not_json", None, None),
        (b'{"age": ["\\ud800"]}', "not_json", None, None),
        (b"[" * 100_000, "not_json", None, None),
        (b'{"age": [40], "age": [41], "sex": [1], "oldpeak": [1]}', "duplicate_key", "age", None),
        (b'{"instances": [{"age": 40, "age": 41, "sex": 1, "oldpeak": 1}]}', "duplicate_key", "age", None),
        (b'{"instances": [], "instances": [{"age": 40, "sex": 1, "oldpeak": 1}]}', "duplicate_key", "instances", None),
        (b'{"age": [40], "\\u0061ge": [41], "sex": [1], "oldpeak": [1]}', "duplicate_key", "age", None),
        (
            b'{"dataframe_split": {"columns": [], "columns": ["age", "sex", "oldpeak"], "data": [[40, 1, 1]]}}',
            "duplicate_key",
            "columns",
            None,
        ),
        (b'{"age" :[40],"sex":[1], "age"\n: [41],"oldpeak":[1]}', "duplicate_key", "age", None),
        ({"x" * 500: [1]}, "column_unknown", "x" * 200, None),
        (json.dumps({"age": [40]}).encode("utf-16"), "not_json", None, None),
    ],
)
def test_a_broken_request_is_refused_with_code_column_and_row(
    payload: Any, code: str, column: str | None, row: int | None
) -> None:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    error = refusal(heart, body)
    assert (error.code, error.details.get("column"), error.details.get("row")) == (code, column, row)
    assert error.message
    orjson.dumps(error.problem())


def test_a_column_may_be_called_like_a_format() -> None:
    column = Column(name="inputs", type="string", categories=("a", "b"))
    reader = RequestReader(
        Contract(task="odd", features=(column,), target=Column(name="instances", type="number")),
    )
    assert reader.read(b'{"inputs": ["a"]}') == {"inputs": ["a"]}
    assert refusal(reader, {"inputs": ["c"]}).code == "value_not_in_categories"


def test_columns_may_be_called_like_formats_and_options() -> None:
    """What is meant is told by what stands beside: all columns by themselves, or one key of a format."""
    names = ("inputs", "instances", "dataframe_split", "dataframe_records", "probabilities", "explain", "params", "a")
    features = tuple(Column(name=name, type="integer") for name in names)
    target = Column(name="sure", type="integer", categories=(0, 1))
    odd = RequestReader(Contract(task="odd", features=features, target=target), probabilities=True, reasons=True)
    record = {name: place for place, name in enumerate(names)}
    columns: Any = {name: [value] for name, value in record.items()}
    wrapped: list[dict[str, Any]] = [
        {"inputs": columns},
        {"instances": [record]},
        {"dataframe_records": [record]},
        {"dataframe_split": {"columns": list(names), "data": [list(record.values())]}},
    ]
    for payload in (columns, record, [record], *wrapped):
        assert odd.read_asking(orjson.dumps(payload)) == (columns, Options())
    for payload in wrapped[1:]:
        asking = orjson.dumps(payload | {"explain": True})
        assert odd.read_asking(asking) == (columns, Options(explain=True))
    assert refusal(odd, {"inputs": [1], "a": [1]}).code == "column_missing"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*HEART_ROWS, "Password"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from([*HEART_ROWS]), inner),
    max_leaves=8,
)
keys = st.sampled_from([*HEART_ROWS, "dataframe_split", "dataframe_records", "instances", "inputs", "columns", "data"])


@given(json_values | st.dictionaries(keys, st.dictionaries(keys, json_values) | st.lists(json_values)))
def test_no_json_raises_anything_but_a_contract_error(payload: Any) -> None:
    for reader in (passwords, heart):
        try:
            reader.read_payload(payload)
            reader.read(json.dumps(payload).encode())
        except ContractError as error:
            orjson.dumps(error.problem())


@given(st.binary())
def test_no_bytes_raise_anything_but_a_contract_error(body: bytes) -> None:
    with pytest.raises(ContractError):
        passwords.read(body)


@given(st.lists(st.tuples(st.integers(1, 120), st.sampled_from([0, 1]), st.floats(0, 10)), min_size=1, max_size=20))
def test_every_valid_request_is_read(cells: list[tuple[int, int, float]]) -> None:
    expected = {name: list(column) for name, column in zip(HEART_ROWS, zip(*cells, strict=True), strict=True)}
    records = [dict(zip(HEART_ROWS, row, strict=True)) for row in cells]
    split = {"columns": list(HEART_ROWS), "data": cells}
    for payload in (expected, {"dataframe_records": records}, {"instances": records}, {"dataframe_split": split}):
        columns = heart.read(orjson.dumps(payload))
        assert {name: np.asarray(column).tolist() for name, column in columns.items()} == expected


@given(st.lists(st.text(min_size=1, max_size=64), min_size=1, max_size=20))
def test_every_string_within_the_limits_is_read(values: list[str]) -> None:
    assert passwords.read(orjson.dumps({"Password": values})) == {"Password": values}


def test_a_key_that_is_there_twice_is_found_in_columns() -> None:
    body = orjson.dumps(HEART_ROWS)
    assert refusal(heart, body[:-1] + b"," + body[1:]).code == "duplicate_key"


def test_all_columns_that_are_missing_are_named_at_once() -> None:
    many = RequestReader(
        Contract(
            task="wide",
            features=tuple(Column(name=f"s{number}", type="number") for number in range(500)),
            target=Column(name="y", type="number"),
        )
    )
    assert refusal(many, [{"s0": 1}]).message.startswith("columns 's1', 's2', ")
    assert refusal(many, [{"s0": 1}]).message.endswith(" and 479 more are missing")
    assert refusal(many, [{"other": 1}]).message.endswith("s19 and 480 more")
