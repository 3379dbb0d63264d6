"""Options that several commands share, and the settings that a data folder stands for."""
# ruff: noqa: PLC0415  (commands import what they need themselves)

from __future__ import annotations

import os
import shlex
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from regraft_pipeline.settings import PipelineSettings

Data = Annotated[Path, typer.Option("--data", envvar="REGRAFT_DATA", help="Folder of the embedded stack")]
Url = Annotated[str, typer.Option("--url", envvar="REGRAFT_TRIGGER_URL", help="Address of the trigger service")]
Token = Annotated[
    str | None, typer.Option("--token", envvar=["REGRAFT_TRIGGER_TOKEN", "REGRAFT_READ_TOKEN"], help="Bearer token")
]
TaskName = Annotated[str | None, typer.Option("--task", help="Which task; the first one where none is named")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table")]

DEFAULT_DATA = Path("regraft-data")
DEFAULT_URL = "http://127.0.0.1:8000"


def settings_of(data: Path) -> PipelineSettings:
    """Return settings for the folder's bucket and, where its stack runs, its registry; the environment goes first."""
    from regraft_cli.embedded.stack import record_of
    from regraft_pipeline.settings import PipelineSettings

    values: dict[str, Any] = {}
    if "REGRAFT_STORE_URL" not in os.environ:
        values["store_url"] = (data.absolute() / "bucket").as_uri()
    record = record_of(data)
    if record is not None and "REGRAFT_MLFLOW_TRACKING_URI" not in os.environ:
        values["mlflow_tracking_uri"] = record.mlflow_url
    return PipelineSettings(**values)


def url_option(url: str) -> str:
    """Return the option that names a service in a command that is shown, nothing for the usual one."""
    return "" if url == DEFAULT_URL else f" --url {shlex.quote(url)}"


def task_names() -> list[str]:
    """Return the names of all tasks, broken ones too, the default one first, without importing any."""
    from regraft_core.definition import task_files
    from regraft_core.settings import CoreSettings

    names = {entry.name for entry in entry_points(group="regraft.tasks")}
    names |= {file.name for file in task_files(CoreSettings().tasks_dir)}
    return sorted(names, key=lambda name: (name != "passwords", name))
