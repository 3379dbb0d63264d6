"""Finds tasks: those that ship, those that installed packages offer, and those of a folder of files.

A task that cannot be had is a ``BrokenTask`` with its reason, and hinders no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from regraft_core.codes import Code
from regraft_core.definition import TaskFile, TaskFileError, line_of, task_files
from regraft_core.errors import NotFoundError, RegraftError
from regraft_core.settings import CoreSettings
from regraft_pipeline.tasks.files import task_of
from regraft_pipeline.tasks.task import Task

GROUP = "regraft.tasks"
"""Entry point group under which installed packages offer tasks."""

SHIPPED = ("passwords", "heart-disease")


@dataclass(frozen=True)
class BrokenTask:
    """A task that cannot be used, and why."""

    name: str
    source: str
    error: RegraftError


def find_tasks(folder: Path | None = None) -> dict[str, Task | BrokenTask]:
    """Return all tasks by name, those that ship with Regraft first; a file goes before a package of the same name.

    ``folder`` is that of the task files; by default the one of the settings.
    """
    found: dict[str, Task | BrokenTask] = {entry.name: _loaded(entry) for entry in entry_points(group=GROUP)}
    for file in task_files(folder or CoreSettings().tasks_dir):
        found[file.name] = _made(file)
    order = sorted(found, key=lambda name: (SHIPPED.index(name) if name in SHIPPED else len(SHIPPED), name))
    return {name: found[name] for name in order}


def load_tasks(folder: Path | None = None) -> dict[str, Task]:
    """Return the tasks that can be used, by name, those that ship with Regraft first."""
    return {name: task for name, task in find_tasks(folder).items() if isinstance(task, Task)}


def load_task(name: str, folder: Path | None = None) -> Task:
    """Return the task of this name. Raises NotFoundError (``task_unknown``), or the error of a broken one.

    No other task is imported: a step need not wait for libraries that another task's estimator wants.
    """
    files = {file.name: file for file in task_files(folder or CoreSettings().tasks_dir)}
    found: Task | BrokenTask | None = None
    if name in files:
        found = _made(files[name])
    else:
        for entry in entry_points(group=GROUP, name=name):
            found = _loaded(entry)
    if isinstance(found, BrokenTask):
        raise found.error
    if found is None:
        known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)} | files.keys()))
        raise NotFoundError(f"there is no task {name!r}; there are: {known}", code=Code.TASK_UNKNOWN)
    return found


def _loaded(entry: EntryPoint) -> Task | BrokenTask:
    try:
        task = entry.load()
    except Exception as error:  # whatever somebody's package does when it is imported
        message = (
            f"the package of task {entry.name!r} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
        )
        return BrokenTask(entry.name, entry.value, TaskFileError(message))
    if not isinstance(task, Task):
        message = f"{entry.value} is no task but {type(task).__name__}"
        return BrokenTask(entry.name, entry.value, TaskFileError(message))
    return task


def _made(file: TaskFile) -> Task | BrokenTask:
    if file.definition is None or file.error is not None:
        return BrokenTask(file.name, str(file.path), file.error or TaskFileError(f"{file.path} cannot be read"))
    try:
        return task_of(file.definition, file.path.parent)
    except Exception as error:  # whatever somebody's estimator does when it is imported
        told = error.message if isinstance(error, RegraftError) else f"{type(error).__name__}: {error}"
        line = line_of(file.path.read_bytes(), "estimator")
        return BrokenTask(file.name, str(file.path), TaskFileError(f"{file.path}, line {line}: {told}", line=line))
