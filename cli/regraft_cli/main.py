"""The command line ``regraft``.

Commands import what they need themselves, so that `--help` and `runs` answer at once.
"""
# ruff: noqa: PLC0415, PLR0917  (see above; the arguments of a command are its options)

from __future__ import annotations

import getpass
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from regraft_cli import collecting, init, manifests, predict, prune, tasks, terminal, versions
from regraft_cli.following import EXIT_CODES, tell_accepted, watch_run
from regraft_cli.options import DEFAULT_DATA, DEFAULT_URL, AsJson, Data, TaskName, Token, Url, settings_of, task_names
from regraft_cli.waiting import addresses, ending_on_signals, wait_ready
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.runs import RunState
from regraft_core.version import __version__

if TYPE_CHECKING:
    from regraft_cli.client import TriggerClient
    from regraft_pipeline.report.report import Report

Force = Annotated[bool, typer.Option("--force", help="Train even on the very dataset that is in service")]
Dataset = Annotated[
    str, typer.Argument(metavar="DATA", help="The dataset: a file, or its address (http://, https://, s3://)")
]

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
    from regraft_cli.client import TriggerClient
    from regraft_cli.embedded.stack import Ports, record_of, running

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
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Post a dataset to the trigger service: its address, or the file itself."""
    client = _client(url, token)
    run_id = client.trigger(dataset, task=task, force=force)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def runs(
    task: TaskName = None,
    limit: Annotated[int, typer.Option(help="Most runs to show")] = 20,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    from regraft_core.presentation import words

    found = _client(url, token).runs(task=task, limit=limit)
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
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Follow a run until it ends. Exit codes as for `run`."""
    watch_run(_client(url, token), run_id, as_json)


@app.command()
def cancel(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run")],
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it has ended")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """End a run wherever it stands; what serves goes on serving."""
    client = _client(url, token)
    client.cancel(run_id)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def verdict(
    dataset: Dataset,
    task: TaskName = None,
    data: Data = DEFAULT_DATA,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file, too")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would say of a dataset; nothing changes. Exit code 0: accepted; 3: rejected.

    Reference and version in service are those of the data folder where it has them; else the task's bootstrap dataset
    is the reference.
    """
    with err.status("asking the gates"), _as_file(dataset, data) as csv:
        found = _judge(csv, task or task_names()[0], data)
    if html:
        from regraft_pipeline.report.report import render

        html.write_text(render(found.verdict, run_id=csv.name, data_url=None), encoding="utf-8")
    if as_json:
        _print_json(found.document())
    else:
        out.print(terminal.report(found))
    raise typer.Exit(0 if found.verdict.accepted else EXIT_CODES[RunState.REJECTED])


@app.command()
def rollback(
    task: TaskName = None,
    version: Annotated[str | None, typer.Option(help="The version to put back; the one before where none")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the run until it ends")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Put the earlier version, or a named one, back into service."""
    client, name = _client(url, token), task or task_names()[0]
    if not yes:
        back = f"version {version}" if version else "the version that served before"
        typer.confirm(f"Put {back} of {name} back into service?", abort=True, err=True)
    run_id = client.rollback(name, version)
    tell_accepted(client, run_id, wait=wait, as_json=as_json)


@app.command()
def bless(
    dataset: Annotated[str, typer.Argument(metavar="CSV|RUN", help="A file, or the id of a run that was judged")],
    why: Annotated[str, typer.Option(help="Why this is the reference from now on", prompt=True)],
    task: TaskName = None,
    by: Annotated[str | None, typer.Option(help="Who decides this; you")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Make a dataset the reference that new ones are held against."""
    from regraft_pipeline import reference
    from regraft_pipeline.tasks import load_task

    settings = settings_of(data)
    by = by or getpass.getuser()
    with err.status("reading the dataset"):
        if Path(dataset).is_file():
            of = load_task(task or task_names()[0])
            profile = reference.bless_file(Path(dataset), of, settings, by=by, why=why)
        else:
            profile = reference.bless_run(dataset, settings, by=by, why=why)
    out.print(f"{profile.task}: {profile.rows:,} rows, SHA-256 {profile.data_sha256[:12]}, are the reference now")


def served_tasks() -> list[str]:
    """Return the names of the tasks that a stack serves: those of REGRAFT_TASKS, else all, the broken ones as well."""
    chosen = [name.strip() for name in os.environ.get("REGRAFT_TASKS", "").split(",") if name.strip()]
    return chosen or task_names()


def _client(url: str, token: str | None) -> TriggerClient:
    from regraft_cli.client import TriggerClient

    return TriggerClient(url, token)


def _in(data: Path) -> terminal.End:
    """Return how to go on with a folder whose stack ends with this command."""
    option = _data_option(data)
    links = {"report": str(data / "bucket/runs/{}/report.html"), "open it all": f"regraft up{option}"}
    return terminal.End("regraft run", option, links, option, is_up=False)


def _data_option(data: Path) -> str:
    return "" if data == DEFAULT_DATA else f" --data {shlex.quote(str(data))}"


@contextmanager
def _as_file(dataset: str, data: Path) -> Iterator[Path]:
    """Bring a dataset here where it is an address; a file is taken where it is. Raises SourceError, RegraftError."""
    from regraft_cli.client import file_of

    if file := file_of(dataset):
        yield file
        return
    import tempfile

    from regraft_core.addresses import redacted
    from regraft_pipeline.sources import fetch
    from regraft_pipeline.steps.download import site_of

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(redacted(dataset).partition("?")[0]).name or "data.csv")
        fetch(dataset, path, site=site_of(settings_of(data)), progress=lambda _, __: None)
        yield path


def _judge(csv: Path, name: str, data: Path) -> Report:
    from regraft_pipeline.dry_run import dry_run
    from regraft_pipeline.report.report import Commands, report_of
    from regraft_pipeline.tasks import load_task

    found = dry_run(csv, load_task(name), settings_of(data))
    return report_of(found, commands=Commands(file=str(csv), data_option=_data_option(data)))


def _print_json(content: object) -> None:
    out.print_json(json.dumps(content))


if __name__ == "__main__":
    main()
