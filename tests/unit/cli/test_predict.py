"""The command ``predict`` against a predictor on a port of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from regraft_cli import main as cli
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
    path.write_text("Password\n" + "x\n" * 1500)
    assert json.loads(ask(url, str(path), "--json").stdout) == {"Times": [1.5] * 1500}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("age=63", *HEART), "column_missing"),
        (("age=old", "sex=1", "oldpeak=1", *HEART), "wrong_type"),
        (("age=63", "age=64"), "field_invalid"),
        (("nowhere.csv",), "data_missing"),
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
