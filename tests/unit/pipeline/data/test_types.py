"""What the values of a CSV mean: gaps, booleans, dates, numbers as the world writes them, labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft_core.contract import Column, Contract
from regraft_pipeline.data.profile import profile_of
from regraft_pipeline.data.types import NumberFormat
from regraft_pipeline.gates import drift, structure
from regraft_pipeline.tasks import GateSettings, Task, passwords

LEVEL = Column(name="level", type="string", categories=("high", "low"))


def task_of(*features: Column, target: Column = LEVEL, **gates: float) -> Task:
    contract = Contract(task="flats", features=features, target=target)
    settings = GateSettings.model_validate({"min_rows": 1, "one_target_per_input": False} | gates)
    return replace(passwords.TASK, contract=contract, gates=settings, kind="classification")


def read(tmp_path: Path, task: Task, *rows: str) -> tuple[pd.DataFrame, list[str]]:
    path = tmp_path / "data.csv"
    path.write_text(",".join(column.name for column in task.contract.columns) + "\n" + "\n".join(rows) + "\n")
    found = structure.check(path, task, tmp_path)
    assert found.data is not None
    frame = found.data.sample(100).reset_index(drop=True)
    return frame, [f"{one.code} {one.column}" for one in found.reasons if one.code != "target_constant"]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (Column(name="a", type="number", nullable=True), ["1.5", "", "NA"], [1.5, None, None]),
        (Column(name="a", type="integer", nullable=True), ["1", "nan", "3"], [1, None, 3]),
        (Column(name="a", type="boolean"), ["yes", "False", "1", "n"], [True, False, True, False]),
        (Column(name="a", type="boolean", nullable=True), ["yes", ""], [1, None]),
        (Column(name="a", type="string", nullable=True), ["yes", "", "007"], ["yes", None, "007"]),
        (Column(name="a", type="string", categories=("b", "NA"), nullable=True), ["b", "NA"], ["b", "NA"]),
        (Column(name="a", type="string", categories=("b",), nullable=True), ["b", "NA"], ["b", None]),
        (Column(name="a", type="text", nullable=True), ['"two words, and more"', ""], ["two words, and more", None]),
        (Column(name="a", type="number", format="1.234,5"), ['"1.234,5"', '"0,25"', "7"], [1234.5, 0.25, 7]),
        (Column(name="a", type="number", format="$1,234.5"), ['"$1,234.5"', "12", "$3"], [1234.5, 12, 3]),
        (Column(name="a", type="number", format="$1,234.5"), ["-$12.50", '"($1,200)"', "$-3"], [-12.5, -1200, -3]),
        (Column(name="a", type="number", format="1.234,5€"), ['"(0,50 €)"', '"-1.000,25€"'], [-0.5, -1000.25]),
        (Column(name="a", type="integer", format="1 234 km"), ["12 345 km", "12"], [12345, 12]),
        (Column(name="a", type="number", format="1234%"), ["12%", "3.5 %"], [12, 3.5]),
    ],
)
def test_values_are_read_as_the_contract_says(
    tmp_path: Path, column: Column, values: list[str], expected: list[object]
) -> None:
    frame, reasons = read(tmp_path, task_of(column), *(f"{value},high" for value in values))
    assert reasons == []
    assert frame["a"].astype(object).where(frame["a"].notna(), None).tolist() == expected


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (Column(name="a", type="date"), ["2024-02-29", "1999-12-31 00:00:00"], ["2024-02-29", "1999-12-31"]),
        (Column(name="a", type="date", format="%d.%m.%Y"), ["29.02.2024", "2024-03-01"], ["2024-02-29", "2024-03-01"]),
        (
            Column(name="a", type="datetime"),
            ["2024-02-29T12:00:01Z", "2024-03-01"],
            ["2024-02-29T12:00:01", "2024-03-01"],
        ),
        (Column(name="a", type="datetime"), ["2024-02-29 12:00+02:00"], ["2024-02-29T10:00"]),
        (Column(name="a", type="date", nullable=True), ["2024-02-29", ""], ["2024-02-29", "NaT"]),
    ],
)
def test_times_are_read(tmp_path: Path, column: Column, values: list[str], expected: list[str]) -> None:
    frame, reasons = read(tmp_path, task_of(column), *(f"{value},high" for value in values))
    assert reasons == []
    np.testing.assert_array_equal(frame["a"].to_numpy(), np.array(expected, dtype="datetime64[us]"))


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        (Column(name="a", type="boolean"), "maybe", "value_not_boolean"),
        (Column(name="a", type="boolean"), "", "value_missing"),
        (Column(name="a", type="date"), "29.02.2024", "value_not_date"),
        (Column(name="a", type="date"), "2023-02-29", "value_not_date"),
        (Column(name="a", type="date"), "NA", "value_nan"),
        (Column(name="a", type="datetime"), "noon", "value_not_date"),
        (Column(name="a", type="number", format="1.234,5"), "1.5", "value_not_numeric"),
        (Column(name="a", type="number"), '"1,234"', "value_not_numeric"),
        (Column(name="a", type="number", nullable=0.2), "", "value_missing"),
        (Column(name="a", type="string", categories=("b",)), "NA", "value_nan"),
        (Column(name="a", type="string", categories=("b",)), "x", "value_not_in_categories"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, column: Column, value: str, code: str) -> None:
    assert read(tmp_path, task_of(column), f"{value},high")[1][0] == f"{code} a"


def test_a_label_that_is_none_is_refused(tmp_path: Path) -> None:
    frame, reasons = read(tmp_path, task_of(Column(name="a", type="number")), "1,high", "2,middle", "3,low")
    assert reasons == ["value_not_in_categories level"]
    assert frame["level"].tolist() == ["high", "low"]


@pytest.mark.parametrize("example", ["number", "1", "12,34.5", "1;234"])
def test_an_example_that_is_no_number_is_refused(example: str) -> None:
    with pytest.raises(ValueError, match="is no number such as"):
        NumberFormat.of(example)


def test_the_profile_counts_gaps_values_and_weekdays() -> None:
    column = Column(name="seen", type="date", nullable=True)
    street = Column(name="street", type="string", nullable=True)
    task = task_of(column, street)
    days = np.datetime64("2024-01-01", "us") + np.arange(300) * np.timedelta64(1, "D")
    frame = pd.DataFrame({"seen": days, "street": ["Elm", "Oak", "Ash"] * 100, "level": ["high", "low"] * 150})
    frame.loc[::3, "seen"] = pd.NaT
    frame["street"] = frame["street"].astype(pd.StringDtype("pyarrow"))
    profile = profile_of(frame, task, data_sha256="")
    seen = profile.inputs["seen"]
    assert seen["missing"].shares[:2] == (0.333333, 0.666667)
    assert seen["weekday"].labels[:-1] == ["Friday", "Monday", "Saturday", "Sunday", "Thursday", "Tuesday", "Wednesday"]
    assert seen["values"].labels[0] == "≤ 2024-02-29"
    assert profile.inputs["street"]["values"].labels == ["Ash", "Elm", "Oak", "other"]
    later = frame.assign(seen=frame["seen"] + np.timedelta64(364, "D"))
    moved = {one.what: one.psi for one in drift.compare(later, task, profile) if one.column == "seen"}
    assert moved["values"] > 1
    assert moved["missing"] == moved["weekday"] == 0
    trend = task_of(column.model_copy(update={"trend": True}), street)
    assert "values" not in [one.what for one in drift.compare(later, trend, profile) if one.column == "seen"]
