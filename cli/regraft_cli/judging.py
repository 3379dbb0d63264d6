"""The commands of who judges datasets: ``verdict`` and ``bless``."""
# ruff: noqa: PLC0415, PLR0917  (imports only what is used; the arguments of a command are its options)

from __future__ import annotations

import getpass
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regraft_cli import terminal
from regraft_cli.following import EXIT_CODES
from regraft_cli.options import (
    DEFAULT_DATA,
    AsJson,
    Data,
    Dataset,
    StackUrl,
    TaskName,
    Token,
    data_option,
    settings_of,
    stack_of,
    task_names,
    url_option,
)
from regraft_core.listing import first_of
from regraft_core.runs import RunState

if TYPE_CHECKING:
    from regraft_cli.client import TriggerClient
    from regraft_core.standards import Blessed, Standards
    from regraft_core.verdict import Verdict
    from regraft_pipeline.tasks import Task

out = terminal.make_console()
err = terminal.make_console(stderr=True)

MOST_NAMED = 15
"""Most other tasks that are named where none was."""


def verdict(
    dataset: Dataset,
    task: TaskName = None,
    data: Data = DEFAULT_DATA,
    url: StackUrl = None,
    token: Token = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file, too")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would say of a dataset; nothing changes. Exit code 0: accepted; 3: rejected.

    Definition, reference and version in service are those of the stack at --url, or of the data folder where it has
    them; else the task's bootstrap dataset is the reference.
    """
    from regraft_pipeline.report.report import Commands, render, report_of

    known = task_names()
    name = task or known[0]
    stack = stack_of(url, name, data)
    with err.status("asking the gates"), _as_file(dataset, data) as csv:
        judged = _judged_at(_client(stack, token), csv, name) if stack else _judged_here(csv, name, data)
        at = url_option(stack) if stack else ""
        commands = Commands(str(csv), at if stack else data_option(data), post_options=f" --wait{at}")
        found = report_of(judged, commands=commands)
    if html:
        html.write_text(render(found.verdict, run_id=csv.name, data_url=None), encoding="utf-8")
    if as_json:
        out.print_json(json.dumps(found.document()))
    else:
        out.print(terminal.report(found))
    if task is None and known[1:] and not found.verdict.accepted:
        others = first_of(known[1:], MOST_NAMED)
        told = f"({name} was asked, the first task; --task names another: {others})"
        err.print(told, markup=False, soft_wrap=True)
    raise typer.Exit(0 if found.verdict.accepted else EXIT_CODES[RunState.REJECTED])


def bless(
    dataset: Annotated[str, typer.Argument(metavar="CSV|RUN", help="A file, or the id of a run that was judged")],
    why: Annotated[str, typer.Option(help="Why this is the reference from now on", prompt=True)],
    task: TaskName = None,
    by: Annotated[str | None, typer.Option(help="Who decides this; you")] = None,
    data: Data = DEFAULT_DATA,
    url: StackUrl = None,
    token: Token = None,
) -> None:
    """Make a dataset the reference that new ones are held against."""
    name, by = task or task_names()[0], by or getpass.getuser()
    with err.status("reading the dataset"):
        if stack := stack_of(url, name, data):
            found = _bless_at(_client(stack, token), dataset, name, by, why)
        else:
            found = _bless_here(dataset, name, data, by, why)
    out.print(f"{found.task}: {found.rows:,} rows, SHA-256 {found.data_sha256[:12]}, are the reference now")


def _client(url: str, token: str | None) -> TriggerClient:
    from regraft_cli.client import TriggerClient

    return TriggerClient(url, token)


def _judged_here(csv: Path, name: str, data: Path) -> Verdict:
    from regraft_pipeline.dry_run import dry_run
    from regraft_pipeline.tasks import load_task

    return dry_run(csv, load_task(name), settings_of(data))


def _judged_at(client: TriggerClient, csv: Path, name: str) -> Verdict:
    """Return the verdict on a file by the standards of a stack; the work is done here."""
    from regraft_core.errors import BundleError
    from regraft_inference.bundle import Bundle
    from regraft_pipeline import reference
    from regraft_pipeline.dry_run import Held, judged

    standards = client.standards(name)
    task = _task_of(standards, name)
    known = standards.reference or reference.shipped(task)
    with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
        incumbent = None
        if standards.version is not None:
            client.bundle(name, standards.version)(Path(folder))
            try:
                incumbent = Bundle.load(Path(folder))
            except BundleError as error:  # it must not lock new data out
                err.print(f"version {standards.version} is not compared: {error.message}", markup=False)
        return judged(csv, task, Held(known, incumbent, standards.asked))


def _task_of(standards: Standards, name: str) -> Task:
    """Return the task as the stack defines it; one of a package has to be installed here as well."""
    from regraft_core.definition import read_definition
    from regraft_pipeline.tasks import load_task
    from regraft_pipeline.tasks.files import task_of

    if standards.definition is None:
        return load_task(name)
    return task_of(read_definition(standards.definition, f"the definition of {name}"), None)


def _bless_at(client: TriggerClient, dataset: str, name: str, by: str, why: str) -> Blessed:
    from regraft_pipeline import reference

    if not Path(dataset).is_file():
        return client.bless(name, by=by, why=why, run_id=dataset)
    profile = reference.counted(Path(dataset), _task_of(client.standards(name), name))
    return client.bless(name, by=by, why=why, profile=profile.model_dump_json())


def _bless_here(dataset: str, name: str, data: Path, by: str, why: str) -> Blessed:
    from regraft_core.standards import Blessed
    from regraft_pipeline import reference
    from regraft_pipeline.tasks import load_task

    settings = settings_of(data)
    if Path(dataset).is_file():
        profile = reference.bless_file(Path(dataset), load_task(name), settings, by=by, why=why)
    else:
        profile = reference.bless_run(dataset, settings, by=by, why=why)
    return Blessed(task=profile.task, rows=profile.rows, data_sha256=profile.data_sha256)


@contextmanager
def _as_file(dataset: str, data: Path) -> Iterator[Path]:
    """Bring a dataset here where it is an address; a file is taken where it is. Raises SourceError, RegraftError."""
    from regraft_cli.client import file_of

    if file := file_of(dataset):
        yield file
        return
    from regraft_core.addresses import redacted
    from regraft_pipeline.sources import fetch
    from regraft_pipeline.steps.download import site_of

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (Path(redacted(dataset).partition("?")[0]).name or "data.csv")
        fetch(dataset, path, site=site_of(settings_of(data)), progress=lambda _, __: None)
        yield path
