from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.terminal import End
from regraft_core.runs import Cause, Run, RunRequest, RunState, StepState, now
from regraft_core.verdict import Reason, Verdict
from regraft_pipeline import gates, reference
from regraft_pipeline.report.report import Commands, report_of
from regraft_pipeline.tasks import load_task
from tests.checker import datasets

AT = End("regraft trigger", " --wait", {"run": "http://x/runs/{}", "report": "http://x/runs/{}/report"})


def shown(what: RenderableType, *, is_terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=140, force_terminal=is_terminal, color_system=None)
    console.print(what)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def run(state: RunState = RunState.RUNNING, **fields: object) -> Run:
    request = RunRequest(run_id="run-x", task="passwords", data_url="http://data/x.csv?a=1&b=[2]", accepted_at=now())
    return Run.accept(request).model_copy(update={"state": state, **fields})


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    path: Path = tmp_path_factory.mktemp("terminal") / "data.csv"
    path.write_bytes(datasets.MAKERS["drifted"](1) + b"abc,many\n")
    task = load_task("passwords")
    return gates.judge(path, task, reference=reference.shipped(task), incumbent=None).verdict


def test_a_report_has_rule_figure_rows_and_what_to_do(drifted: Verdict) -> None:
    found = report_of(drifted, commands=Commands(file="my data.csv", data_option=" --data x"))
    told = shown(terminal.report(found))
    for expected in (
        "✗ Rejected: ",
        "✗ structure refused   ✗ drift refused   ✓ learnability passed",
        "✗ Target drift  drift gate, target_drift",
        "800 of 1,000 rows have Times 0; with the shares of the reference it would be 500.",
        "What would have passed: ",
        "PSI",
        "0.05",
        "1002  abc       many",
        "░░░",
        "As in the reference: Length of Password",
        "skill",
        "regraft verdict 'my data.csv' --data x",
    ):
        assert expected in told


def test_a_dataset_that_only_drifted_may_be_blessed(drifted: Verdict) -> None:
    reasons = [reason for reason in drifted.reasons if reason.gate == "drift"]
    only = drifted.model_copy(update={"reasons": reasons, "task": "heart-disease"})
    told = shown(terminal.report(report_of(only, run_id="run-x", data_url="http://data/x.csv?a=1&b=2"), brief=True))
    assert "regraft bless run-x --why REASON" in told
    assert "regraft trigger 'http://data/x.csv?a=1&b=2' --task heart-disease --wait" in told
    assert "As in the reference" not in told


def test_an_accepted_file_is_to_be_posted() -> None:
    verdict = Verdict(task="passwords", accepted=True, rows=7, usable_rows=7)
    told = shown(terminal.report(report_of(verdict)))
    assert "✓ Accepted: 7 of 7 rows are fit for training; every gate passed." in told
    assert "regraft trigger FILE.csv --wait" in told


def test_a_run_is_shown_with_what_it_does_and_waits_for() -> None:
    found = run()
    found.steps[0].state, found.steps[0].started_at, found.steps[0].progress = StepState.RUNNING, now(), 0.5
    found.steps[0].message = "5 of 10 MB"
    told = shown(terminal.course(found))
    assert "http://data/x.csv?a=1&b=[2]" in told
    assert "5 of 10 MB" in told
    assert "━" in told
    assert "waits until" in shown(terminal.course(run(RunState.QUEUED)))


def test_where_nobody_looks_each_step_is_a_line() -> None:
    first, last = run(), run(RunState.FAILED, cause=Cause(code="c", message="it broke"))
    first.steps[0].state, first.steps[0].message = StepState.RUNNING, "connecting"
    console = Console(file=io.StringIO(), width=140)
    assert terminal.follow([first, first, last], console) is last
    told: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert told.count("run-x running: download, connecting\n") == 1
    assert "it broke" in told


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RunState.PROMOTED, "Version 7 of passwords serves."),
        (RunState.UNCHANGED, "this very dataset serves already"),
        (RunState.SUPERSEDED, "that one serves"),
        (RunState.ROLLED_BACK, "the one before serves on"),
        (RunState.FAILED, "regraft trigger 'http://data/x.csv?a=1&b=[2]' --task passwords --wait"),
    ],
)
def test_every_end_says_what_serves_or_what_to_type(state: RunState, words: str) -> None:
    told = shown(terminal.end(run(state, version="7", links={"mlflow": "http://mlflow/1"}), AT))
    assert words in told
    assert "http://x/runs/run-x" in told
    assert "http://mlflow/1" in told
    assert "report" not in told


@pytest.mark.parametrize("state", [RunState.PROMOTED, RunState.SUPERSEDED, RunState.ROLLED_BACK, RunState.FAILED])
def test_whatever_end_a_run_has_what_the_gates_warned_of_is_told(state: RunState) -> None:
    reasons = [
        Reason(code="skill_lost", gate="quality", severity="warning", message="less skill", remedy="skill of 0.9"),
        Reason(code="input_drift", gate="drift", severity="warning", message="new characters"),
    ]
    ended = run(state, version="7", verdict=Verdict(task="passwords", accepted=True, reasons=reasons))
    told = shown(terminal.end(ended, AT))
    assert "! Warning: less skill  skill_lost" in told
    assert "What gives no warning: skill of 0.9." in told
    assert "! Warning: new characters  input_drift" in told
    assert shown(terminal.state(ended)).strip() == f"{state.replace('_', ' ')} !"


def test_a_rejected_run_ends_with_its_reasons_and_its_report(drifted: Verdict) -> None:
    told = shown(terminal.end(run(RunState.REJECTED, verdict=drifted), AT))
    assert "✗ Target drift" in told
    assert "regraft trigger 'http://data/x.csv?a=1&b=[2]' --wait" in told
    assert "http://x/runs/run-x/report" in told


def test_what_is_waited_for_is_named() -> None:
    told = shown(terminal.readiness({"mlflow": True, "passwords": False}))
    assert "✓ mlflow" in told
    assert "passwords" in told


def test_what_steers_a_terminal_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    console = terminal.make_console()
    console.print(Text("a\x1b]0;title\x07b\x1b[31m c\u202ed\x9be\u200d ключ"))
    assert capsys.readouterr().out == "a\\x1b]0;titleb\\x1b[31m c\\u202ed\\x9be\u200d ключ\n"
