"""The same rules hold for a DataFrame as for a request, column by column."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_inference.bundle import Bundle
from regraft_inference.formats import RequestReader
from regraft_inference.frames import FrameReader
from regraft_inference.pyfunc import PyfuncModel
from tests.unit.inference.bundles import HEART_ROWS, write_heart_bundle, write_passwords_bundle, write_reasoning_bundle

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")  # MLflow, of its own types, at its import

GAPPED = {"nullable": True}
CONTRACT = Contract(
    task="seen",
    features=(
        Column(name="size", type="number", minimum=0, maximum=9),
        Column(name="count", type="integer"),
        Column(name="grade", type="integer", categories=(1, 2)),
        Column(name="ringed", type="boolean"),
        Column(name="sex", type="string", categories=("female", "male")),
        Column(name="place", type="string", max_length=6),
        Column(name="seen_on", type="date"),
        Column(name="seen_at", type="datetime"),
        Column(name="size?", type="number", **GAPPED),
        Column(name="count?", type="integer", **GAPPED),
        Column(name="ringed?", type="boolean", **GAPPED),
        Column(name="sex?", type="string", categories=("female", "male"), **GAPPED),
        Column(name="seen_on?", type="date", **GAPPED),
    ),
    target=Column(name="age", type="number"),
)
FRAME = pd.DataFrame({
    "size": [1.5, 2],
    "count": [3, 4],
    "grade": [1, 2],
    "ringed": [True, False],
    "sex": ["male", "female"],
    "place": ["Rügen", "Sylt"],
    "seen_on": pd.to_datetime(["2026-01-31", "2026-02-01"]),
    "seen_at": pd.to_datetime(["2026-01-31 14:05:00", "2026-02-01 00:00:01"]),
    "size?": [1.5, np.nan],
    "count?": [3, np.nan],
    "ringed?": [True, None],
    "sex?": ["male", np.nan],
    "seen_on?": pd.to_datetime(["2026-01-31", "NaT"]),
})  # fmt: skip
FRAMES, REQUESTS = FrameReader(CONTRACT), RequestReader(CONTRACT)


def same(one: Any, other: Any) -> bool:
    pairs = zip(np.asarray(one, dtype=object), np.asarray(other, dtype=object), strict=True)
    return all(a == b or (a != a and b != b) for a, b in pairs)


def test_a_frame_is_typed_as_the_same_rows_in_a_request_are() -> None:
    body = {
        **{name: FRAME[name].tolist() for name in ("size", "count", "grade", "ringed", "sex", "place")},
        "seen_on": ["2026-01-31", "2026-02-01"],
        "seen_at": ["2026-01-31T14:05:00", "2026-02-01T00:00:01"],
        "size?": [1.5, None],
        "count?": [3, None],
        "ringed?": [True, None],
        "sex?": ["male", None],
        "seen_on?": ["2026-01-31", None],
    }
    found, asked = FRAMES.read(FRAME.assign(age=0)), REQUESTS.read(json.dumps(body).encode())
    for name, values in asked.items():
        assert type(found[name]) is type(values)
        assert getattr(found[name], "dtype", None) == getattr(values, "dtype", None)
        assert same(found[name], values), name


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("sex", pd.Categorical(["male", "female"])),
        ("sex", np.array(["male", "female"], dtype=np.str_).astype(object)),
        ("count", np.array([3.0, 4.0])),
        ("count", pd.array([3, 4], dtype="Int64")),
        ("count?", pd.array([3, None], dtype="Int64")),
        ("count?", np.array([np.int64(3), None], dtype=object)),
        ("ringed?", pd.array([True, None], dtype="boolean")),
        ("ringed?", [1.0, math.nan]),
        ("seen_on", [date(2026, 1, 31), date(2026, 2, 1)]),
        ("seen_on", ["2026-01-31", "2026-02-01"]),
        ("seen_on", np.array([np.datetime64("2026-01-31"), np.datetime64("2026-02-01")], dtype=object)),
        ("seen_on?", ["2026-01-31", pd.NaT]),
        ("seen_at", [datetime(2026, 1, 31, 14, 5, tzinfo=UTC), datetime(2026, 2, 1, 0, 0, 1, tzinfo=UTC)]),
    ],
)
def test_what_pandas_writes_in_another_way_is_the_same(column: str, values: Any) -> None:
    assert same(FRAMES.read(FRAME.assign(**{column: values}))[column], FRAMES.read(FRAME)[column])


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("sex", "Male", "value_not_in_categories"),
        ("sex", 1, "wrong_type"),
        ("sex", None, "value_missing"),
        ("sex?", "other", "value_not_in_categories"),
        ("grade", 3, "value_not_in_categories"),
        ("size", -1.0, "value_negative"),
        ("size", 9.5, "value_too_large"),
        ("size", math.nan, "value_missing"),
        ("size", math.inf, "value_infinite"),
        ("size", "2", "wrong_type"),
        ("count", 2.5, "value_not_integer"),
        ("count?", 2.5, "value_not_integer"),
        ("ringed", "false", "wrong_type"),
        ("ringed?", 2.0, "wrong_type"),
        ("place", "Helgoland", "value_too_long"),
        ("seen_on", "31.1.2026", "value_not_date"),
        ("seen_on", pd.NaT, "value_missing"),
    ],
)
def test_what_breaks_the_contract_is_named_as_in_a_request(column: str, value: Any, code: str) -> None:
    frame = FRAME.assign(**{column: FRAME[column].astype(object).where(np.array([True, False]), value)})
    with pytest.raises(ContractError) as caught:
        FRAMES.read(frame)
    assert (caught.value.code, caught.value.details["column"], caught.value.details["row"]) == (code, column, 1)


@pytest.mark.parametrize(
    ("frame", "code", "told"),
    [
        (pd.concat([FRAME, FRAME[["sex"]]], axis=1), "duplicate_key", "'sex' is there twice"),
        (FRAME.drop(columns=["sex", "size"]), "column_missing", "columns 'size', 'sex' are missing"),
        ({"sex": ["male"]}, "wrong_type", "a DataFrame with the columns size, .* is needed, not a dict"),
    ],
)
def test_what_is_not_the_contracts_frame_is_named(frame: Any, code: str, told: str) -> None:
    with pytest.raises(ContractError, match=told) as caught:
        FRAMES.read(frame)
    assert caught.value.code == code


def test_mlflow_and_the_bundle_itself_refuse_what_the_server_refuses(tmp_path: Path) -> None:
    folder = write_heart_bundle(tmp_path / "heart")
    frame = pd.DataFrame(HEART_ROWS).assign(sex=[0, 1, 7, 0])
    for predict in (PyfuncModel(Bundle.load(folder)).predict, mlflow.pyfunc.load_model(str(folder)).predict):
        with pytest.raises(ContractError, match=r"row 2 of column 'sex' is 7; the rule is: one of 0, 1") as caught:
            predict(frame)
        assert caught.value.code == "value_not_in_categories"


def test_probabilities_and_reasons_are_columns_beside_the_answers(tmp_path: Path) -> None:
    folder = write_reasoning_bundle(tmp_path / "heart")
    bundle, frame = Bundle.load(folder), pd.DataFrame(HEART_ROWS, index=list("abcd"))
    by_keyword = PyfuncModel(bundle).predict(frame, probabilities=True, explain=True)
    by_params = mlflow.pyfunc.load_model(str(folder)).predict(frame, params={"probabilities": True, "explain": True})
    plain = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    assert list(plain) == ["condition"]
    for found in (by_keyword, by_params):
        assert list(found) == ["condition", "condition_probability", "condition_reasons"]
        assert list(found.index) == list("abcd")
        assert found["condition"].equals(plain["condition"])
        for answer, probability, reasons in found.itertuples(index=False):
            assert answer == (probability > 0.5)
            assert reasons["start"] + sum(one["added"] for one in reasons["columns"]) == pytest.approx(
                reasons["answer"]
            )
            assert 1 / (1 + math.exp(-reasons["answer"])) == pytest.approx(probability)


@pytest.mark.parametrize(
    ("write", "option", "code"),
    [
        (write_heart_bundle, "explain", "no_reasons"),
        (write_passwords_bundle, "probabilities", "no_probabilities"),
    ],
)
def test_what_a_model_has_not_is_refused(write: Callable[[Path], Path], option: str, code: str, tmp_path: Path) -> None:
    model = PyfuncModel(Bundle.load(write(tmp_path / "bundle")))
    frame = pd.DataFrame({**HEART_ROWS, "Password": list("abcd")})
    with pytest.raises(ContractError) as caught:
        model.predict(frame, {option: True})
    assert caught.value.code == code
