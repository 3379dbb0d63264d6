"""Values as JSON has them and as estimators take them."""

from datetime import UTC, date, datetime

import numpy as np
import pytest

from regraft_core.contract import Column
from regraft_inference.columns import json_values, parse_time, typed_values

CASES = [
    (Column(name="a", type="number", nullable=True), [1.5, None, 2.0]),
    (Column(name="a", type="integer"), [1, -2]),
    (Column(name="a", type="integer", nullable=True), [1, None]),
    (Column(name="a", type="boolean"), [True, False]),
    (Column(name="a", type="boolean", nullable=0.5), [True, None, False]),
    (Column(name="a", type="string", nullable=True), ["x", None, ""]),
    (Column(name="a", type="text"), ["some words"]),
    (Column(name="a", type="date", nullable=True), ["2024-02-29", None]),
    (Column(name="a", type="datetime", nullable=True), ["2024-02-29T12:30:00", None, "2024-02-29T12:30:00.000123"]),
]


@pytest.mark.parametrize(("column", "values"), CASES)
def test_values_come_back_as_they_were(column: Column, values: list[object]) -> None:
    assert json_values(column, typed_values(column, values)) == values


def test_a_time_with_an_offset_is_in_utc() -> None:
    expected = np.datetime64("2024-01-01T10:00:00", "us")
    assert parse_time("2024-01-01T12:00:00+02:00") == expected
    assert parse_time("2024-01-01T10:00:00Z") == expected
    assert parse_time(datetime(2024, 1, 1, 10, tzinfo=UTC)) == expected
    assert parse_time(date(2024, 1, 1)) == np.datetime64("2024-01-01")


@pytest.mark.parametrize("value", ["soon", "31.01.2024", 3, ""])
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_time(value)
