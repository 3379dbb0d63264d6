"""The command ``predict`` against a predictor on a port of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from regraft_cli import main as cli
from regraft_cli.predict import json_value, plain_rows
from regraft_core.contract import Column, Contract
from regraft_core.errors import RegraftError
from tests.unit.inference.bundles import write_passwords_bundle, write_reasoning_bundle
from tests.unit.inference.serving import serving

runner = CliRunner()
HEART = ("--task", "heart-disease")
ROW = ("age=63", "sex=1", "oldpeak=4.5")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    write_passwords_bundle(folder / "passwords", answer=1.5)
    write_reasoning_bundle(folder / "heart-disease")
    with serving(folder) as port:
        yield f"http://127.0.0.1:{port}"


def ask(url: str, *arguments: str) -> Result:
    return runner.invoke(cli.app, ["predict", *arguments, "--url", url])


def test_a_row_is_answered(url: str) -> None:
    assert ask(url, "Password=a=b").stdout.split() == ["Password", "Times", "a=b", "1.5"]
    found = ask(url, *ROW, *HEART)
    assert found.stdout.split() == ["age", "sex", "oldpeak", "condition", "63", "1", "4.5", "1"]


def test_each_column_is_explained(url: str) -> None:
    told = ask(url, *ROW, *HEART, "--explain").stdout
    assert told.startswith("condition: 1")
    for word in ("log odds that condition is 1", "to start with", "in all", "oldpeak", "4.5", "█"):
        assert word in told
    (reasons,) = json.loads(ask(url, *ROW, *HEART, "--explain", "--json").stdout)["condition_reasons"]
    assert reasons["start"] + sum(one["added"] for one in reasons["columns"]) == pytest.approx(reasons["answer"])


def test_a_file_is_answered_row_by_row(url: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,sex,oldpeak,condition\n63,1,4.5,0\n40,0,0,1\n")
    assert json.loads(ask(url, str(path), *HEART, "--json").stdout) == {"condition": [1, 0]}
    path = tmp_path / "day=1.csv"
    path.write_text("Password\n" + "x\n" * 1500)
    assert json.loads(ask(url, str(path), "--json").stdout) == {"Times": [1.5] * 1500}


def test_a_file_is_answered_as_the_task_s_files_are_written(tmp_path: Path) -> None:
    features = (
        Column(name="Tag", type="date", format="%d.%m.%Y"),
        Column(name="Um", type="datetime", format="%d.%m.%Y %H:%M", nullable=True),
        Column(name="Größe", type="number", format="1.234,5"),
        Column(name="Anteil", type="number", format="1,234.5 %"),
    )
    contract = Contract(task="maße", features=features, target=Column(name="Preis", type="number"))
    items = {name: kind["items"] for name, kind in contract.request_schema()["properties"].items()}
    rows = [
        {"Tag": "31.01.2026", "Um": "31.01.2026 14:05", "Größe": "1.234,5", "Anteil": "1,200.5 %"},
        {"Tag": "2026-02-01", "Um": "", "Größe": "-7,25", "Anteil": "3"},
        {"Tag": "gestern", "Um": "NA", "Größe": "22.8", "Anteil": "viel"},
    ]
    found = [{name: json_value(value, items[name]) for name, value in row.items()} for row in plain_rows(rows, items)]
    assert found == [
        {"Tag": "2026-01-31", "Um": "2026-01-31T14:05:00", "Größe": 1234.5, "Anteil": 1200.5},
        {"Tag": "2026-02-01", "Um": None, "Größe": -7.25, "Anteil": 3},
        {"Tag": "gestern", "Um": None, "Größe": 22.8, "Anteil": "viel"},
    ]
    assert plain_rows(rows, {name: {"type": "string"} for name in rows[0]}) == rows


@pytest.mark.parametrize(
    ("value", "sent"),
    [("9007199254740993", 9007199254740993), ("+7", 7), ("-0012", -12), ("7.0", 7), ("1e3", 1000), ("0.5", 0.5)],
)
def test_whole_numbers_are_sent_as_they_are_written(value: str, sent: float) -> None:
    found = json_value(value, {"type": "integer"})
    assert (found, type(found)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("age=63", *HEART), "column_missing"),
        (("age=old", "sex=1", "oldpeak=1", *HEART), "wrong_type"),
        (("age=63", "age=64"), "field_invalid"),
        (("nowhere.csv",), "data_missing"),
        (("day=nowhere.csv", *HEART), "column_unknown"),
        ((f"day={'x' * 300}", *HEART), "column_unknown"),
        (("x" * 300,), "data_missing"),
        (("Password=a", "--task", "none"), "path_unknown"),
    ],
)
def test_what_cannot_be_answered_is_said(url: str, arguments: tuple[str, ...], code: str) -> None:
    result = ask(url, *arguments)
    assert isinstance(result.exception, RegraftError)
    assert result.exception.code == code


def test_a_refusal_says_which_task_was_asked_where_none_was_named(url: str) -> None:
    for arguments, is_told in ((("age=63",), True), (("age=63", "--task", "passwords"), False)):
        error = ask(url, *arguments).exception
        assert isinstance(error, RegraftError)
        assert ("passwords was asked, the first task; --task names another" in error.message) is is_told


def test_a_line_of_another_length_is_named(url: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("age,sex,oldpeak\n63,1\n")
    result = ask(url, str(path), *HEART)
    assert isinstance(result.exception, RegraftError)
    assert "row 0" in result.exception.message


def test_a_predictor_that_is_not_there_is_told() -> None:
    result = ask("http://127.0.0.1:9", "Password=a")
    assert isinstance(result.exception, RegraftError)
    assert "no predictor answers" in result.exception.message
