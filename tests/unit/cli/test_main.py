from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regraft_cli import main as cli
from regraft_cli import options, terminal
from regraft_cli.following import EXIT_CODES
from regraft_core.errors import UnavailableError
from regraft_core.runs import Cause, Run, RunRequest, RunState, now
from regraft_core.stores.objects import FileStore
from regraft_core.taskstate import TaskState, write_state
from regraft_core.version import __version__
from tests.checker import datasets

runner = CliRunner()
COMPLETING = {"bash": "COMPREPLY", "zsh": "#compdef", "fish": "commandline"}
"""What a script that completes commands says in each shell, and in no other."""
HEAVY = ("pandas", "sklearn", "mlflow", "kserve", "pandera", "matplotlib")


def test_help_lists_every_command_of_the_design() -> None:
    listed = runner.invoke(cli.app, ["--help"]).output
    for command in ("up", "run", "trigger", "runs", "watch", "verdict", "rollback", "bless", "tasks", "predict"):
        assert f" {command} " in listed
        assert runner.invoke(cli.app, [command, "--help"]).exit_code == 0


@pytest.mark.parametrize("command", [[], ["runs"], ["init"]])
def test_short_and_long_ask_for_the_same_help(command: list[str]) -> None:
    short, long = (runner.invoke(cli.app, [*command, option]) for option in ("-h", "--help"))
    assert short.exit_code == long.exit_code == 0
    assert short.output == long.output


def test_the_version_is_told() -> None:
    assert runner.invoke(cli.app, ["--version"]).output == f"regraft {__version__}\n"


@pytest.mark.parametrize("shell", COMPLETING)
def test_a_shell_can_complete_commands(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))  # from the processes above
    monkeypatch.setattr(sys, "argv", ["regraft", "--show-completion"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "_REGRAFT_COMPLETE" in shown
    assert COMPLETING[shell] in shown


def test_help_imports_nothing_heavy() -> None:
    code = f"import regraft_cli.main, sys; assert not set(sys.modules) & set({HEAVY!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("name", "exit_code"), [("good", 0), ("drifted", 3), ("column_missing", 3)])
def test_a_verdict_is_given_with_its_exit_code(tmp_path: Path, name: str, exit_code: int) -> None:
    csv = tmp_path / "data.csv"
    csv.write_bytes(datasets.MAKERS[name](1))
    result = runner.invoke(cli.app, ["verdict", str(csv), "--data", str(tmp_path / "none"), "--json"])
    assert result.exit_code == exit_code
    verdict = json.loads(result.stdout)
    assert verdict["summary"].startswith("Rejected: " if exit_code else "Accepted: ")
    assert verdict["next"][-1]["command"] == f"regraft trigger {csv} --wait"
    assert verdict["accepted"] is (exit_code == 0)
    assert all(reason["code"] for reason in verdict["reasons"])
    assert not (tmp_path / "none").exists()


def test_the_reasons_are_told_to_people_and_written_as_a_page(tmp_path: Path) -> None:
    csv, page = tmp_path / "data.csv", tmp_path / "report.html"
    csv.write_bytes(datasets.header_only(1))
    result = runner.invoke(cli.app, ["verdict", str(csv), "--data", str(tmp_path), "--html", str(page)])
    assert result.exit_code == 3
    assert "✗ structure refused" in result.stdout
    assert "This dataset was rejected" in page.read_text()


def test_the_tasks_are_listed_with_what_a_stack_that_is_down_has_left(tmp_path: Path) -> None:
    why = Cause(code="bootstrap_failed", message="the first version could not be made: no memory")
    write_state(FileStore(tmp_path / "bucket"), TaskState(name="heart-disease", broken=why))
    nobody = ["--url", "http://127.0.0.1:9", "--data", str(tmp_path)]
    listed = json.loads(runner.invoke(cli.app, ["tasks", "--json", *nobody]).stdout)
    assert [task["name"] for task in listed] == ["passwords", "heart-disease"] == options.task_names()
    assert [(task["state"], task.get("reason")) for task in listed] == [("unknown", None), ("broken", why.message)]
    assert all(task["changes"] == [] for task in listed)
    shown = runner.invoke(cli.app, ["tasks", *nobody]).stdout
    assert "Password" in shown
    assert "broken" in shown
    assert "memory" in shown


def test_a_trigger_service_that_is_not_there_is_told() -> None:
    result = runner.invoke(cli.app, ["runs", "--url", "http://127.0.0.1:9"])
    assert isinstance(result.exception, UnavailableError)
    assert "regraft up" in result.exception.message


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["regraft", "runs", "--url", "http://127.0.0.1:9"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("unavailable: no trigger service")


@pytest.mark.parametrize(
    ("state", "exit_code"),
    [("promoted", 0), ("unchanged", 0), ("rejected", 3), ("superseded", 1), ("rolled_back", 1), ("failed", 1)],
)
def test_every_end_of_a_run_has_its_exit_code(state: str, exit_code: int) -> None:
    assert EXIT_CODES.get(RunState(state), 1) == exit_code


def test_a_run_is_shown_with_its_steps_and_its_cause() -> None:
    run = Run.accept(RunRequest(run_id="run-x", task="passwords", data_url="http://data/x.csv", accepted_at=now()))
    run.state, run.cause = RunState.FAILED, Cause(code="source_not_found", message="there is nothing")
    with cli.out.capture() as shown:
        cli.out.print(terminal.course(run))
    for word in ("run-x", "failed", "download", "deploy", "source_not_found", "there is nothing"):
        assert word in shown.get()
