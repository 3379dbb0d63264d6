from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader, Tensor
from regraft_inference.options import Options
from tests.unit.inference.bundles import HEART, HEART_ROWS, PASSWORDS

passwords = RequestReader(PASSWORDS)
heart = RequestReader(HEART)
classifier = RequestReader(HEART, probabilities=True, reasons=True)

RECORD = {"age": 40, "sex": 1, "oldpeak": 0.5}


def refusal(reader: RequestReader, payload: Any) -> ContractError:
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    with pytest.raises(ContractError) as caught:
        reader.read(body)
    return caught.value


def rows(**changes: Any) -> dict[str, Any]:
    return {**HEART_ROWS, **changes}


ROW = [40, 1, 0.5]


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


def test_an_integral_float_is_an_integer_as_in_json_schema() -> None:
    columns = heart.read(b'{"age": [40.0, 6e1], "sex": [1.0, 0], "oldpeak": [1, 2]}')
    assert columns["age"].tolist() == [40, 60]  # type: ignore[union-attr]
    assert columns["oldpeak"].tolist() == [1.0, 2.0]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("payload", "code", "column", "row"),
    [
        ({}, "column_missing", "age", None),
        (rows(age=None), "wrong_type", "age", None),
        (rows(age=[1, 2, 3, True]), "wrong_type", "age", 3),
        (rows(age=[1, 2, "3", 4]), "wrong_type", "age", 2),
        (rows(age=[1, 2, 3.5, 4]), "wrong_type", "age", 2),
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


FORMATS: list[dict[str, Any]] = [
    {name: [value] for name, value in RECORD.items()},
    {"inputs": [RECORD]},
    {"instances": [RECORD]},
    {"dataframe_records": [RECORD]},
    {"dataframe_split": {"columns": list(RECORD), "data": [ROW]}},
]


@pytest.mark.parametrize("payload", FORMATS)
def test_every_format_may_ask_for_probabilities(payload: dict[str, Any]) -> None:
    for asks in (True, False):
        columns, asked = classifier.read_asking(orjson.dumps(payload | {"probabilities": asks}))
        assert (columns["age"][0], asked) == (40, Options(probabilities=asks))
        columns, asked = classifier.read_asking(orjson.dumps(payload | {"explain": asks}))
        assert (columns["age"][0], asked) == (40, Options(explain=asks))
    assert classifier.read_asking(orjson.dumps(payload))[1] == Options()


@pytest.mark.parametrize("key", ["params", "parameters"])
def test_other_servers_clients_ask_in_their_parameters(key: str) -> None:
    wrapped = {"dataframe_records": [RECORD]}
    for asks in (True, False):
        body = orjson.dumps(wrapped | {key: {"explain": asks, "temperature": 1}})
        assert classifier.read_asking(body)[1] == Options(explain=asks)
        assert classifier.read_asking(body, by_name=True)[1] == Options(explain=asks)
    assert classifier.read_asking(orjson.dumps(wrapped | {key: None, "explain": True}))[1] == Options(explain=True)
    assert classifier.read_asking(orjson.dumps(wrapped | {key: {"explain": True}, "explain": True}))[1].explain
    for said, code in (
        ({key: {"explain": False}, "explain": True}, "duplicate_key"),
        ({key: {"explain": 1}}, "wrong_type"),
    ):
        with pytest.raises(ContractError) as caught:
            classifier.read_asking(orjson.dumps(wrapped | said))
        assert (caught.value.code, caught.value.details["column"]) == (code, "explain")
    with pytest.raises(ContractError) as caught:
        heart.read_asking(orjson.dumps(wrapped | {key: {"explain": True}}))
    assert caught.value.code == "no_reasons"


@pytest.mark.parametrize("payload", FORMATS)
@pytest.mark.parametrize(
    ("reader", "asks", "code"),
    [
        (classifier, 1, "wrong_type"),
        (classifier, "true", "wrong_type"),
        (classifier, None, "wrong_type"),
        (classifier, [True], "wrong_type"),
        (heart, True, ""),
        (heart, False, ""),
    ],
)
@pytest.mark.parametrize(("option", "none"), [("probabilities", "no_probabilities"), ("explain", "no_reasons")])
def test_asking_otherwise_or_where_there_are_none_is_refused(
    payload: dict[str, Any], reader: RequestReader, asks: Any, code: str, option: str, none: str
) -> None:
    with pytest.raises(ContractError) as caught:
        reader.read_asking(orjson.dumps(payload | {option: asks}))
    assert (caught.value.code, caught.value.details["column"]) == (code or none, option)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"probabilities": true, "instances": [], "probabilities": true}', "empty_request"),
        (
            b'{"probabilities": true, "instances": [{"age": 4, "sex": 1, "oldpeak": 1}], "probabilities": false}',
            "duplicate_key",
        ),
        (b'{"explain": true, "instances": [{"age": 4, "sex": 1, "oldpeak": 1}], "explain": true}', "duplicate_key"),
        (b'{"probabilities": true}', "column_missing"),
        (b'[{"probabilities": true}]', "column_unknown"),
        (b'"probabilities"', "not_an_object"),
        (b'{"instances": [{"age": 4, "sex": 1, "oldpeak": 1, "probabilities": true}]}', "column_unknown"),
    ],
)
def test_the_option_stands_once_and_beside_the_rows(body: bytes, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        classifier.read_asking(body)
    assert caught.value.code == code


def test_a_column_may_be_called_like_the_option() -> None:
    for name in ("probabilities", "explain", "params"):
        column = Column(name=name, type="number")
        target = Column(name="class", type="integer", categories=(0, 1))
        contract = Contract(task="odd", features=(column,), target=target)
        reader = RequestReader(contract, probabilities=True, reasons=True)
        columns, asked = reader.read_asking(orjson.dumps({name: [0.5]}))
        assert (columns[name].tolist(), asked) == ([0.5], Options())  # type: ignore[union-attr]
        assert contract.request_schema(probabilities=True, reasons=True)["properties"][name]["type"] == "array"


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> Tensor:
    return Tensor(name, datatype, [len(data)] if shape is None else shape, data)


def test_tensors_become_columns_in_any_order() -> None:
    tensors = [
        tensor("oldpeak", "FP32", [[0.5], [1.0]], [2, 1]),
        tensor("sex", "UINT8", [1, 0]),
        tensor("age", "INT64", [4, 5]),
    ]
    columns = heart.read_tensors(tensors)
    assert {name: column.tolist() for name, column in columns.items()} == {  # type: ignore[union-attr]
        "age": [4, 5],
        "sex": [1, 0],
        "oldpeak": [0.5, 1.0],
    }


@pytest.mark.parametrize(
    ("tensors", "code"),
    [
        ([], "column_missing"),
        ([tensor("Password", "BYTES", ["a"])] * 2, "duplicate_key"),
        ([tensor("Name", "BYTES", ["a"])], "column_unknown"),
        ([tensor("Password", "INT64", [1])], "wrong_type"),
        ([tensor("Password", "BYTES", ["a"], [2])], "unequal_lengths"),
        ([tensor("Password", "BYTES", [["a", "b"]])], "wrong_type"),
        ([tensor("Password", "BYTES", [])], "empty_request"),
    ],
)
def test_broken_tensors_are_refused(tensors: list[Tensor], code: str) -> None:
    with pytest.raises(ContractError) as caught:
        passwords.read_tensors(tensors)
    assert caught.value.code == code


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_tensor_with_a_number_that_is_none_is_refused(value: float) -> None:
    tensors = [tensor("age", "INT64", [4]), tensor("sex", "INT64", [1]), tensor("oldpeak", "FP64", [value])]
    with pytest.raises(ContractError) as caught:
        heart.read_tensors(tensors)
    code = "value_nan" if math.isnan(value) else "value_infinite"
    assert (caught.value.code, caught.value.details["column"]) == (code, "oldpeak")


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
        ("built", "29.02.2024", "wrong_type"),
        ("built", "2023-02-29", "wrong_type"),
        ("seen", "noon", "wrong_type"),
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
        ("age", 40.5, "wrong_type"),
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


def test_a_key_that_is_there_twice_is_found_in_columns() -> None:
    body = orjson.dumps(HEART_ROWS)
    assert refusal(heart, body[:-1] + b"," + body[1:]).code == "duplicate_key"
