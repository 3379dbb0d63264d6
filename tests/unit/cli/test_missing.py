"""What is not there is told at once, before anything is started for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from regraft_cli import judging
from regraft_cli import main as cli
from regraft_core.definition import read_definition
from regraft_core.errors import BadRequestError, NotFoundError, RegraftError
from regraft_pipeline import reference
from regraft_pipeline.tasks.files import task_of

TASK = """\
apiVersion: regraft.dev/v1
kind: Task
name: words
target: y
columns: [{name: x, type: number}, {name: y, type: number}]
reference: first.csv
"""


@pytest.mark.parametrize(("dataset", "told"), [("nothing.csv", "no such file"), (".", "is a folder")])
def test_a_run_on_what_is_not_there_starts_no_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["run", dataset, "--data", "data"])
    assert isinstance(result.exception, RegraftError)
    assert result.exception.code == "data_missing"
    assert told in result.exception.message
    assert list(tmp_path.iterdir()) == []


def test_a_reference_that_does_not_pass_is_told_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text("x,y\n1,2\n")
    told = r"^first\.csv does not pass the gates.*; needed: .+, or a task whose file allows what is there$"
    with pytest.raises(BadRequestError, match=told):
        reference.shipped(task_of(read_definition(TASK), tmp_path))


@pytest.mark.parametrize(("name", "told"), [("Bad_Name", "lower-case letters"), ("runs", "an address or an object")])
def test_a_name_that_cannot_be_is_told_before_the_table_is_read(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "table.csv").write_text("")
    asked = ["init", str(tmp_path / "table.csv"), "--target", "y", "--name", name, "--tasks", str(tmp_path / "tasks")]
    error = CliRunner().invoke(cli.app, asked).exception
    assert isinstance(error, BadRequestError)
    assert error.code == "task_invalid"
    assert error.message.startswith(f"--name: a task cannot be named {name!r}: ")
    assert told in error.message
    assert "task.yaml" not in error.message


def test_a_task_that_is_nowhere_is_told_with_where_it_could_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGRAFT_TRIGGER_URL", raising=False)
    monkeypatch.delenv("REGRAFT_TASKS_DIR", raising=False)
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    for command in (["verdict", "table.csv"], ["bless", "table.csv", "--why", "so"], ["pull", "1"]):
        error = CliRunner().invoke(cli.app, [*command, "--task", "seals"]).exception
        assert isinstance(error, NotFoundError)
        assert error.message.startswith(
            "there is no task 'seals' here; there are: passwords, heart-disease. --url asks"
        )
        assert error.message.endswith("REGRAFT_TASKS_DIR names another folder of task files than tasks")


def test_a_refusal_says_which_task_was_asked_where_none_was_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    asked = ["verdict", str(tmp_path / "table.csv"), "--data", str(tmp_path / "data")]
    told = "(passwords was asked, the first task; --task names another: heart-disease)"
    assert told in CliRunner().invoke(cli.app, asked).stderr
    assert "was asked" not in CliRunner().invoke(cli.app, [*asked, "--task", "passwords"]).stderr


def test_no_other_task_is_named_where_there_is_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "task_names", lambda: ["passwords"])
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    told = CliRunner().invoke(cli.app, ["verdict", str(tmp_path / "table.csv"), "--data", str(tmp_path / "data")])
    assert (told.exit_code, "was asked" in told.stderr) == (3, False)


def test_the_manifests_of_a_task_are_asked_by_file_folder_or_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REGRAFT_TASKS_DIR", "mine")
    home = tmp_path / "mine" / "of-words"
    home.mkdir(parents=True)
    (home / "task.yaml").write_text(TASK)
    told = [
        getattr(CliRunner().invoke(cli.app, ["manifests", name]).exception, "message", "")
        for name in ("mine/of-words/task.yaml", "mine/of-words", "words")
    ]
    assert len(set(told)) == 1
    assert "first.csv" in told[0]  # the file was found: its reference is missing
    unknown = CliRunner().invoke(cli.app, ["manifests", "nix"]).exception
    assert isinstance(unknown, BadRequestError)
    assert unknown.message == "there is no file 'nix' and no task of this name in mine; there are: words"
