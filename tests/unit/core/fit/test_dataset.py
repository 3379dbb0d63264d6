"""What was asked and what really happened is a dataset that the first gate reads as it was asked."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regraft_core.contract import Column, Contract
from regraft_core.fit.dataset import as_csv
from regraft_inference.columns import json_values, typed_values
from regraft_pipeline.data.types import typed
from tests.unit.inference.fit.test_counter import CONTRACT, rows

FORMS = (
    Column(name="price", type="number", format="1.234,5 €"),
    Column(name="worth", type="number", format="$1,234.5"),
    Column(name="rooms", type="integer", format="1.234"),
    Column(name="day", type="date", format="%d.%m.%Y"),
    Column(name="moment", type="datetime", format="%d.%m.%Y %H:%M"),
    Column(name="note", type="text"),
)
FORMED = Contract(task="forms", features=FORMS, target=Column(name="sold", type="boolean"))
VALUES: dict[str, list[Any]] = {
    "price": [1234567.25, 0.001, -3.0, 1e-9, 123.456],
    "worth": [1234567.25, 0.001, -3.0, 1e22, 123.456],
    "rooms": [1234, 0, -7, 10**6, 3],
    "day": ["2024-02-29", "1999-12-31", "2024-01-02", "2024-01-03", "2024-01-04"],
    "moment": [
        "2024-02-29T10:30:00",
        "1999-12-31T00:00:00",
        "2024-01-02T23:59:59",
        "2024-01-03",
        "2024-01-04T01:00:00Z",
    ],
    "note": ['say "no"', "a, b", "two\nlines", "semi; colon", "plain"],
}


def read(text: str, contract: Contract) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert list(table) == [column.name for column in contract.columns]

    def add(code: str, column: Column, _: pd.DataFrame, wrong: Any) -> None:
        assert not np.any(wrong), (code, column.name)

    return typed(table, contract, add)


@pytest.mark.parametrize(("contract", "values"), [(CONTRACT, rows(1)), (FORMED, VALUES)])
def test_values_of_every_type_and_format_come_back(contract: Contract, values: dict[str, list[Any]]) -> None:
    plain = {each.name: json_values(each, typed_values(each, values[each.name])) for each in contract.features}
    count = len(plain[contract.features[0].name])
    truths: list[Any] = [bool(n % 2) if contract is FORMED else n / 7 for n in range(count)]
    asked = [({name: column[n] for name, column in plain.items()}, truths[n]) for n in range(count)]
    frame = read("".join(as_csv(contract, asked)), contract)
    for column in contract.features:
        found = frame[column.name]
        expected = pd.Series(typed_values(column, values[column.name]), name=column.name)
        gaps = expected.isna().tolist()
        assert found.isna().tolist() == gaps
        assert [one for one, gap in zip(found, gaps, strict=True) if not gap] == [
            one for one, gap in zip(expected, gaps, strict=True) if not gap
        ]
    assert frame[contract.target.name].tolist() == truths


def test_rows_of_an_earlier_contract_are_left_out() -> None:
    asked: list[tuple[dict[str, object], object]] = [({"day": "2024-01-01"}, True)]
    assert len(list(as_csv(FORMED, asked))) == 1
