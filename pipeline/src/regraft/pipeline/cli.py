"""The command line ``regraft``.

Commands import what they need themselves, so that `--help` and `runs` answer at once.
"""
# ruff: noqa: PLC0415, PLR0917  (see above; the arguments of a command are its options)

from __future__ import annotations

import getpass
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from regraft.core.errors import RegraftError
from regraft.core.runs import Run, RunState, StepState

if TYPE_CHECKING:
    from regraft.core.verdict import Verdict
    from regraft.pipeline.client import TriggerClient
    from regraft.pipeline.stack import Stack

EXIT_CODES = {RunState.PROMOTED: 0, RunState.UNCHANGED: 0, RunState.REJECTED: 3}
"""Exit codes by the end of a run; 1 for all others."""

STATE_STYLES = {
    RunState.QUEUED: "dim",
    RunState.RUNNING: "cyan",
    RunState.PROMOTED: "green",
    RunState.UNCHANGED: "green",
    RunState.REJECTED: "yellow",
    RunState.SUPERSEDED: "blue",
    RunState.ROLLED_BACK: "magenta",
    RunState.FAILED: "red",
}
STEP_SIGNS = {
    StepState.PENDING: Text("·", "dim"),
    StepState.RUNNING: Text("▸", "cyan"),
    StepState.SUCCEEDED: Text("✓", "green"),
    StepState.FAILED: Text("✗", "red"),
    StepState.SKIPPED: Text("-", "dim"),
}

Data = Annotated[Path, typer.Option("--data", envvar="REGRAFT_DATA", help="Folder of the embedded stack")]
Url = Annotated[str, typer.Option("--url", envvar="REGRAFT_TRIGGER_URL", help="Address of the trigger service")]
Token = Annotated[str | None, typer.Option("--token", envvar="REGRAFT_TRIGGER_TOKEN", help="Bearer token")]
TaskName = Annotated[str | None, typer.Option("--task", help="Which task; the first one where none is named")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table")]
Force = Annotated[bool, typer.Option("--force", help="Train even on the very dataset that is in service")]
DataUrl = Annotated[str, typer.Argument(help="Address of the dataset: a CSV behind http or https")]

DEFAULT_DATA = Path("regraft-data")
DEFAULT_URL = "http://127.0.0.1:8000"

app = typer.Typer(
    help="Keeps a served model fit for its data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run the command line; an error of ours is one line, not a traceback."""
    try:
        app()
    except RegraftError as error:
        err.print(f"[red]{error.code}[/]: ", end="", highlight=False)
        err.print(error.message, markup=False, highlight=False)
        sys.exit(error.exit_code)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(help="Port of the trigger service and its page; 0: a free one")] = 8000,
    predict_port: Annotated[int, typer.Option(help="Port of the predictor of all tasks; 0: a free one")] = 8080,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow; 0: a free one")] = 5000,
) -> None:
    """Start the embedded stack and keep it up until Ctrl-C."""
    from regraft.pipeline.stack import Ports, running

    ports = Ports(trigger=port, predict=predict_port, mlflow=mlflow_port)
    with _ending_on_signals(), running(data, ports, task_names()) as stack:
        _wait_ready(stack)
        out.print(_addresses(stack))
        try:
            stack.run()
        except KeyboardInterrupt:
            out.print("stopping")


@app.command()
def run(
    data_url: DataUrl,
    data: Data = DEFAULT_DATA,
    task: TaskName = None,
    force: Force = False,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline once, in the foreground: in the stack of the data folder, or in one for this run alone.

    Exit code 0: promoted or unchanged; 3: rejected; 1: else.
    """
    from regraft.pipeline.client import TriggerClient
    from regraft.pipeline.stack import Ports, record_of, running

    record = record_of(data)
    if record is not None:
        _trigger_and_watch(TriggerClient(record.trigger_url, token), data_url, task, force, as_json)
    with _ending_on_signals(), running(data, Ports(trigger=0, predict=0, mlflow=0), task_names()) as stack:
        _wait_ready(stack)
        _trigger_and_watch(TriggerClient(stack.trigger_url, token), data_url, task, force, as_json)


@app.command()
def trigger(
    data_url: DataUrl,
    task: TaskName = None,
    force: Force = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it ends")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Post a dataset's address to the trigger service."""
    client = _client(url, token)
    run_id = client.trigger(data_url, task=task, force=force)
    _tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def runs(
    task: TaskName = None,
    limit: Annotated[int, typer.Option(help="Most runs to show")] = 20,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    found = _client(url, token).runs(task=task, limit=limit)
    if as_json:
        _print_json([run.model_dump(mode="json") for run in found])
        return
    table = Table("run", "task", "state", "version", "accepted", "why", box=None)
    for item in found:
        table.add_row(
            item.run_id,
            item.task,
            _state(item),
            item.version,
            f"{item.accepted_at:%Y-%m-%d %H:%M:%S}",
            Text(item.cause.message if item.cause else "", overflow="ellipsis", no_wrap=True),
        )
    out.print(table)


@app.command()
def watch(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run")],
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Follow a run until it ends. Exit codes as for `run`."""
    _watch(_client(url, token), run_id, as_json)


@app.command()
def verdict(
    csv: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="File to judge")],
    task: TaskName = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Ask the gates alone about a file. Exit code 0: accepted; 3: rejected.

    The reference is that of the data folder where it has one, else the task's bootstrap dataset.
    """
    with err.status("asking the gates"):
        found = _judge(csv, task or task_names()[0], data)
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        out.print(_reasons(found))
    raise typer.Exit(0 if found.accepted else EXIT_CODES[RunState.REJECTED])


@app.command()
def rollback(
    task: TaskName = None,
    version: Annotated[str | None, typer.Option(help="The version to put back; the one before where none")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it ends")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put the earlier version, or a named one, back into service."""
    client = _client(url, token)
    run_id = client.rollback(task or task_names()[0], version)
    _tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def bless(
    dataset: Annotated[str, typer.Argument(metavar="CSV|RUN", help="A file, or the id of a run that was judged")],
    why: Annotated[str, typer.Option(help="Why this is the reference from now on", prompt=True)],
    task: TaskName = None,
    by: Annotated[str | None, typer.Option(help="Who decides this; you")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a dataset the reference that new ones are held against."""
    from regraft.pipeline import reference
    from regraft.pipeline.tasks import load_task

    settings = _settings(data)
    by = by or getpass.getuser()
    with err.status("reading the dataset"):
        if Path(dataset).is_file():
            of = load_task(task or task_names()[0])
            profile = reference.bless_file(Path(dataset), of, settings, by=by, why=why)
        else:
            profile = reference.bless_run(dataset, settings, by=by, why=why)
    out.print(f"{profile.task}: {profile.rows:,} rows, SHA-256 {profile.data_sha256[:12]}, are the reference now")


@app.command()
def tasks(as_json: AsJson = False) -> None:
    """List the tasks that are installed."""
    from regraft.pipeline.tasks import load_tasks

    found = load_tasks().values()
    if as_json:
        _print_json([{"name": task.name, "kind": task.kind, **task.contract.model_dump(mode="json")} for task in found])
        return
    table = Table("task", "kind", "features", "target", "what", box=None)
    for task in found:
        features = ", ".join(task.contract.feature_names)
        table.add_row(task.name, task.kind, features, task.contract.target.name, task.description)
    out.print(table)


def task_names() -> list[str]:
    """Return the names of the installed tasks, the default one first, without importing them."""
    names = {entry.name for entry in entry_points(group="regraft.tasks")}
    return sorted(names, key=lambda name: (name != "passwords", name))


def _client(url: str, token: str | None) -> TriggerClient:
    from regraft.pipeline.client import TriggerClient

    return TriggerClient(url, token)


def _tell_accepted(client: TriggerClient, run_id: str, *, wait: bool, as_json: bool) -> None:
    """Watch a run that was just accepted, or leave its id to whoever asked for it."""
    if wait:
        _watch(client, run_id, as_json)
    out.print_json(json.dumps({"run_id": run_id})) if as_json else out.print(run_id)


def _trigger_and_watch(client: TriggerClient, data_url: str, task: str | None, force: bool, as_json: bool) -> NoReturn:
    _watch(client, client.trigger(data_url, task=task, force=force), as_json)


def _watch(client: TriggerClient, run_id: str, as_json: bool) -> NoReturn:
    """Show a run until it ends, and exit as it ended."""
    last = _follow(client.follow(run_id))
    if as_json:
        _print_json(last.model_dump(mode="json"))
    raise typer.Exit(EXIT_CODES.get(last.state, 1))


def _follow(states: Iterable[Run]) -> Run:
    """Show each state of a run on standard error, and return the last."""
    with Live(console=err, refresh_per_second=8) as live:
        for state in states:
            live.update(_course(state))
    return state


def _course(run: Run) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("", Text(run.run_id, "bold"), _state(run), run.data_url or "")
    for step in run.steps:
        seconds = (
            f"{(step.finished_at - step.started_at).total_seconds():.1f} s"
            if step.started_at and step.finished_at
            else f"{step.progress:.0%}"
            if step.progress is not None
            else ""
        )
        table.add_row(STEP_SIGNS[step.state], step.name, seconds, step.message)
    if run.cause and run.state.ended:
        table.add_row("", Text(run.cause.code, STATE_STYLES[run.state]), "", run.cause.message)
    return table


def _state(run: Run) -> Text:
    return Text(run.state.replace("_", " "), STATE_STYLES[run.state])


def _reasons(found: Verdict) -> Table:
    table = Table("", "gate", "code", "column", "what", "what would have passed", title=found.summary(), box=None)
    for reason in found.reasons:
        sign = Text("✗", "red") if reason.severity == "error" else Text("!", "yellow")
        table.add_row(sign, reason.gate, reason.code, reason.column, reason.message, reason.remedy)
    return table


def _judge(csv: Path, name: str, data: Path) -> Verdict:
    from regraft.core.objects import open_store
    from regraft.pipeline import reference
    from regraft.pipeline.gates import judge
    from regraft.pipeline.tasks import load_task

    task = load_task(name)
    store = open_store(_settings(data).store_url)
    return judge(csv, task, reference=reference.current(task, store), incumbent=None).verdict


def _settings(data: Path) -> Any:
    """Return settings for the folder's bucket and, where its stack runs, its registry; the environment goes first."""
    from regraft.pipeline.settings import PipelineSettings
    from regraft.pipeline.stack import record_of

    values: dict[str, Any] = {}
    if "REGRAFT_STORE_URL" not in os.environ:
        values["store_url"] = (data.absolute() / "bucket").as_uri()
    record = record_of(data)
    if record is not None and "REGRAFT_MLFLOW_TRACKING_URI" not in os.environ:
        values["mlflow_tracking_uri"] = record.mlflow_url
    return PipelineSettings(**values)


def _wait_ready(stack: Stack) -> None:
    with Live(console=err, refresh_per_second=8, transient=True) as live:
        stack.wait_ready(lambda ready: live.update(_readiness(ready)))


def _readiness(ready: dict[str, bool]) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, done in ready.items():
        table.add_row(Text("✓", "green") if done else Spinner("dots"), name)
    return table


def _addresses(stack: Stack) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row("page and trigger", stack.trigger_url)
    table.add_row("predictor", f"{stack.predict_url}/predict")
    table.add_row("MLflow", stack.mlflow_url)
    table.add_row("data and logs", str(stack.folder))
    table.add_row("try", f"regraft trigger DATA_URL --wait --url {stack.trigger_url}")
    return table


def _print_json(content: object) -> None:
    out.print_json(json.dumps(content))


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT, which a shell's background jobs ignore, end this process with its stack in order."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main()
