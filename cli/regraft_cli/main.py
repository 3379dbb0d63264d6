"""The command line ``regraft``.

Commands import what they need themselves, so that `--help` and `runs` answer at once.
"""
# ruff: noqa: PLC0415, PLR0917  (see above; the arguments of a command are its options)

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from regraft_cli import collecting, init, judging, manifests, predict, prune, tasks, terminal, versions
from regraft_cli.following import tell_accepted, watch_run
from regraft_cli.options import (
    DEFAULT_DATA,
    AsJson,
    Data,
    Dataset,
    OneTask,
    TaskName,
    Token,
    Url,
    data_option,
    task_names,
    trigger_at,
)
from regraft_cli.waiting import addresses, ending_on_signals, wait_ready
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.version import __version__

if TYPE_CHECKING:
    from regraft_cli.client import TriggerClient

Force = Annotated[bool, typer.Option("--force", help="Train even on the very dataset that is in service")]

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
out = terminal.make_console()
err = terminal.make_console(stderr=True)


app.command()(init.init)
app.command()(predict.predict)
app.command()(prune.prune)
app.command()(manifests.manifests)
app.command()(collecting.collect)
app.command()(tasks.tasks)
app.command()(judging.verdict)
app.command()(judging.bless)
for command in (versions.versions, versions.data, versions.pull):
    app.command()(command)


def main() -> None:
    """Run the command line; an error of ours, or a file that cannot be used, is one line and not a traceback."""
    try:
        app()
    except RegraftError as error:
        _fail(error)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _fail(RegraftError(message, code=Code.STORAGE_UNAVAILABLE))


def _fail(error: RegraftError) -> NoReturn:
    err.print(f"[red]{error.code}[/]: ", end="", highlight=False)
    err.print(error.message, markup=False, highlight=False)
    sys.exit(error.exit_code)


def _tell_version(wanted: bool) -> None:
    if wanted:
        out.print(f"regraft {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def regraft(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit")
    ] = False,
) -> None:
    """Keeps a served model fit for its data."""


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(help="Port of the trigger service and its page; 0: a free one")] = 8000,
    predict_port: Annotated[int, typer.Option(help="Port of the predictor of all tasks; 0: a free one")] = 8080,
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow; 0: a free one")] = 5000,
    tasks: init.Tasks = init.DEFAULT_TASKS,
) -> None:
    """Start the embedded stack and keep it up until Ctrl-C."""
    from regraft_cli.embedded.stack import Ports, running

    os.environ["REGRAFT_TASKS_DIR"] = str(tasks.absolute())
    ports = Ports(trigger=port, predict=predict_port, mlflow=mlflow_port)
    with ending_on_signals(), running(data, ports, served_tasks()) as stack:
        wait_ready(stack, err)
        out.print(terminal.pairs(addresses(stack)))
        try:
            stack.run()
        except KeyboardInterrupt:
            out.print("stopping")


@app.command()
def run(
    dataset: Dataset,
    data: Data = DEFAULT_DATA,
    task: TaskName = None,
    force: Force = False,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline once, in the foreground: in the stack of the data folder, or in one for this run alone.

    Exit code 0: promoted or unchanged; 3: rejected; 1: else.
    """
    from regraft_cli.client import TriggerClient, file_of
    from regraft_cli.embedded.stack import Ports, record_of, running

    file_of(dataset)  # what is neither a file nor an address needs no stack to be told so
    record = record_of(data)
    if record is not None:
        client = TriggerClient(record.trigger_url, token)
        watch_run(client, client.trigger(dataset, task=task, force=force), as_json)
    with ending_on_signals(), running(data, Ports(trigger=0, predict=0, mlflow=0), served_tasks()) as stack:
        wait_ready(stack, err)
        client = TriggerClient(stack.trigger_url, token)
        watch_run(client, client.trigger(dataset, task=task, force=force), as_json, _in(data))


@app.command()
def trigger(
    dataset: Dataset,
    task: TaskName = None,
    force: Force = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it ends")] = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Post a dataset to the trigger service: its address, or the file itself."""
    client = _client(trigger_at(url, data), token)
    run_id = client.trigger(dataset, task=task, force=force)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def runs(
    task: OneTask = None,
    limit: Annotated[int, typer.Option(help="Most runs to show")] = 20,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from regraft_core.presentation import words

    found = _client(trigger_at(url, data), token).runs(task=task, limit=limit)
    if as_json:
        _print_json([run.model_dump(mode="json") for run in found])
        return
    table = Table("run", "task", "state", "version", "accepted", "why", box=None)
    for item in found:
        table.add_row(
            item.run_id,
            item.task,
            terminal.state(item),
            item.version,
            f"{item.accepted_at:%Y-%m-%d %H:%M:%S}",
            Text(words.why(item), overflow="ellipsis", no_wrap=True),
        )
    out.print(table)


@app.command()
def watch(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run")],
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Follow a run until it ends. Exit codes as for `run`."""
    watch_run(_client(trigger_at(url, data), token), run_id, as_json)


@app.command()
def cancel(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run")],
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it has ended")] = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End a run wherever it stands; what serves goes on serving."""
    client = _client(trigger_at(url, data), token)
    client.cancel(run_id)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def rollback(
    task: TaskName = None,
    version: Annotated[str | None, typer.Option(help="The version to put back; the one before where none")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it ends")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    data: Data = DEFAULT_DATA,
    url: Url = None,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put the earlier version, or a named one, back into service."""
    client, name = _client(trigger_at(url, data), token), task or task_names()[0]
    if not yes:
        back = f"version {version}" if version else "the version that served before"
        typer.confirm(f"Put {back} of {name} back into service?", abort=True, err=True)
    run_id = client.rollback(name, version)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)


def served_tasks() -> list[str]:
    """Return the names of the tasks that a stack serves: those of REGRAFT_TASKS, else all, the broken ones as well."""
    chosen = [name.strip() for name in os.environ.get("REGRAFT_TASKS", "").split(",") if name.strip()]
    return chosen or task_names()


def _client(url: str, token: str | None) -> TriggerClient:
    from regraft_cli.client import TriggerClient

    return TriggerClient(url, token)


def _in(data: Path) -> terminal.End:
    """Return how to go on with a folder whose stack ends with this command."""
    option = data_option(data)
    links = {"report": str(data / "bucket/runs/{}/report.html"), "open it all": f"regraft up{option}"}
    return terminal.End("regraft run", option, links, option, is_up=False)


def _print_json(content: object) -> None:
    out.print_json(json.dumps(content))


if __name__ == "__main__":
    main()
