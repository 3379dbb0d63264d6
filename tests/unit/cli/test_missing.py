"""What is not there is told at once, before anything is started for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from regraft_cli import main as cli
from regraft_core.definition import read_definition
from regraft_core.errors import BadRequestError, RegraftError
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
    with pytest.raises(BadRequestError, match=r"^first\.csv does not pass the gates"):
        reference.shipped(task_of(read_definition(TASK), tmp_path))
