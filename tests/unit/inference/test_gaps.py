"""Gaps and dates in requests, as other people's clients write them: null, and where they have no null, NaN and NaT."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader
from regraft_inference.tensors import Tensor

CONTRACT = Contract(
    task="seen",
    features=(
        Column(name="size", type="number", nullable=True),
        Column(name="count", type="integer", nullable=True),
        Column(name="ringed", type="boolean", nullable=True),
        Column(name="sex", type="string", categories=("female", "male"), nullable=True),
        Column(name="seen_on", type="date", nullable=True),
        Column(name="seen_at", type="datetime", nullable=True),
    ),
    target=Column(name="age", type="number"),
)
READER = RequestReader(CONTRACT)
FRAME = pd.DataFrame(
    {
        "size": [1.5, np.nan],
        "count": [3, np.nan],
        "ringed": [True, None],
        "sex": ["male", np.nan],
        "seen_on": pd.to_datetime(["2026-01-31", "NaT"]),
        "seen_at": pd.to_datetime(["2026-01-31 14:05", "NaT"]),
    }
)

mlflow = pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")


def as_mlflow_writes(frame: pd.DataFrame) -> bytes:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # noqa: PLC0415  (it takes seconds to import)
    from mlflow.utils.proto_json_utils import dump_input_data  # noqa: PLC0415

    assert ScoringServerClient
    text: str = dump_input_data(frame)
    return text.encode()


def read_one(name: str, *values: Any) -> Any:
    columns = {other: [None] * len(values) for other in CONTRACT.feature_names} | {name: list(values)}
    return READER.read(json.dumps(columns).encode())[name]


@mlflow
def test_mlflows_client_sends_a_table_with_gaps_as_pandas_has_it() -> None:
    sent = as_mlflow_writes(FRAME)
    assert b"NaN" in sent
    assert b'"NaT"' in sent
    found = READER.read_by_name(sent)
    asking, _ = READER.read_asking(sent, by_name=True)
    for columns in (found, asking):
        assert [np.asarray(columns[name])[0] for name in ("size", "count", "ringed")] == [1.5, 3, 1]
        assert all(np.isnan(np.asarray(columns[name])[1]) for name in ("size", "count", "ringed"))
        assert columns["sex"] == ["male", None]
        assert np.asarray(columns["seen_on"])[0] == np.datetime64("2026-01-31")
        assert np.isnat(np.asarray(columns["seen_on"])[1])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a": NaN}', {"a": None}),
        (b'{"NaN": ["NaN", "a NaN", "\\"NaN", NaN]}', {"NaN": ["NaN", "a NaN", '"NaN', None]}),
    ],
)
def test_only_the_word_between_strings_is_a_gap(body: bytes, text: Any) -> None:
    from regraft_inference.json_text import parse_json_with_nan  # noqa: PLC0415

    assert parse_json_with_nan(body) == text


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN, "b": }',
        b"[" * 100_000 + b"NaN",
        b'["\xff", NaN]',
        b'{"a": Infinity}',
        b'{"a": NaNs}',
        b'"NaN',
        b'"NaN\\',
        b"\xff",
        b'[NaN, "\\ud800"]',
    ],
)
def test_what_is_no_json_besides_stays_none(body: bytes) -> None:
    with pytest.raises(ContractError, match="not JSON"):
        READER.read_by_name(body)


def test_elsewhere_nan_is_no_json() -> None:
    with pytest.raises(ContractError, match="NaN is no JSON"):
        READER.read(b'{"size": [NaN]}')


def test_a_tensor_of_bytes_has_nan_for_a_gap() -> None:
    types = {"ringed": "BOOL", "sex": "BYTES", "seen_on": "BYTES", "seen_at": "BYTES"}
    values: dict[str, Any] = {"ringed": True, "sex": "male", "seen_on": "2026-01-31", "seen_at": "2026-01-31"}
    tensors = [
        Tensor(name, types.get(name, "FP64"), [1], [values.get(name, float("nan"))]) for name in CONTRACT.feature_names
    ]
    found = READER.read_tensors(tensors)
    assert np.isnan([np.asarray(found["size"])[0], np.asarray(found["count"])[0]]).all()


@pytest.mark.parametrize(
    "written",
    [
        *("2026-01-31", "2026-01-31T00:00:00", "2026-01-31 00:00:00", "2026-01-31T00:00:00.000"),
        *("2026-01-31T00:00:00Z", "2026-01-31T00:00:00.000Z", "2026-01-31T00:00:00+00:00"),
    ],
)
def test_a_date_may_come_with_its_midnight(written: str) -> None:
    assert read_one("seen_on", written)[0] == np.datetime64("2026-01-31")


@pytest.mark.parametrize("write", [date.isoformat, lambda day: f"{day}T00:00:00", lambda day: f"{day} 00:00:00Z"])
def test_each_date_that_there_is_can_be_asked(write: Callable[[date], str]) -> None:
    for day in (date.min, date(1582, 10, 15), date(2024, 2, 29), date.max):
        assert read_one("seen_on", write(day))[0] == np.datetime64(day)


@pytest.mark.parametrize(
    "written",
    [
        *("2026-01-31 14:05:00+02", "2026-01-31T14:05+02:00", "2026-01-31 12:05:00 UTC", "2026-01-31T12:05:00.000Z"),
        *("2026-01-31 14:05:00 +0200", "2026-01-31 12:05:00GMT", "2026-01-31T12:05"),
    ],
)
def test_a_point_in_time_is_the_same_in_every_zone(written: str) -> None:
    assert read_one("seen_at", written)[0] == np.datetime64("2026-01-31T12:05")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        *(("seen_on", written) for written in ("2026-01-31T01:00:00", "2026-01-31T00:00:00+01:00", "31.01.2026", "")),
        *(("seen_at", written) for written in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:30:00-01:00", "14:05", "")),
    ],
)
def test_what_is_no_date_or_none_in_utc_is_refused(name: str, written: str) -> None:
    with pytest.raises(ContractError) as found:
        read_one(name, "2026-01-31", written)
    assert (found.value.code, found.value.details["column"], found.value.details["row"]) == ("value_not_date", name, 1)


def test_where_no_gap_may_be_it_is_named_as_one() -> None:
    strict = RequestReader(CONTRACT.model_copy(update={"features": (Column(name="seen_on", type="date"),)}))
    for value in (b"null", b'"NaT"', b"NaN"):
        with pytest.raises(ContractError) as found:
            strict.read_by_name(b'{"dataframe_split": {"columns": ["seen_on"], "data": [[%s]]}}' % value)
        assert found.value.code == "value_missing"


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ([1.5, 3, True, "male", "2026-01-31", "2026-01-31"], "also where there is one"),
        ({"inputs": [1.5, 3, True, "male", "2026-01-31", "2026-01-31"]}, "[[size, count, ringed"),
        ({"instances": {"size": [1.5]}}, 'columns stand under "inputs"'),
    ],
)
def test_a_row_without_its_brackets_is_told_how_to_be_written(payload: Any, told: str) -> None:
    with pytest.raises(ContractError) as found:
        READER.read(json.dumps(payload).encode())
    assert told in found.value.message


def test_of_one_column_a_list_of_values_means_that_column() -> None:
    one = RequestReader(CONTRACT.model_copy(update={"features": (Column(name="word", type="text"),)}))
    assert one.read(b'["a", "b"]') == one.read(b'[["a"], ["b"]]') == {"word": ["a", "b"]}
