"""Task files in a folder: ``DIR/*/task.yaml``. A wrong one is known by its error and hinders no other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regraft_core.definition.task import TaskDefinition
from regraft_core.definition.yaml import TaskFileError, read_definition

FILE_NAME = "task.yaml"


@dataclass(frozen=True)
class TaskFile:
    """A file, and the task that it defines or why it defines none. A wrong file has its folder's name."""

    path: Path
    name: str
    definition: TaskDefinition | None = None
    error: TaskFileError | None = None


def task_files(folder: Path) -> list[TaskFile]:
    """Return the task files of a folder, by their names; none where there is no such folder."""
    found: dict[str, TaskFile] = {}
    for path in sorted(folder.glob(f"*/{FILE_NAME}")):
        file = task_file(path)
        if file.name in found:
            message = f"{path}: there is a task {file.name!r} already, in {found[file.name].path}"
            file = TaskFile(path, path.parent.name, error=TaskFileError(message))
        found.setdefault(file.name, file)
    return list(found.values())


def read_file(path: Path) -> TaskDefinition:
    """Return the definition in a file. Raises TaskFileError."""
    try:
        return read_definition(path.read_bytes(), str(path))
    except OSError as error:
        raise TaskFileError(f"{path} cannot be read: {error.strerror}") from error


def task_file(path: Path) -> TaskFile:
    """Return what a file defines, or why it defines nothing."""
    try:
        definition = read_file(path)
    except TaskFileError as error:
        return TaskFile(path, path.parent.name, error=error)
    return TaskFile(path, definition.name, definition)
