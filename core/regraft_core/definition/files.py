"""Task files in a folder: ``DIR/*/task.yaml``. A wrong one is known by its error and hinders no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from regraft_core.definition.task import TaskDefinition
from regraft_core.definition.yaml import TaskFileError, line_of, read_definition

FILE_NAME = "task.yaml"
MOST_REMEMBERED = 1_000
"""Files whose definitions are remembered: one of hundreds of columns takes seconds to read."""


@dataclass(frozen=True)
class TaskFile:
    """A file, the task that it defines, and why it cannot be worked with. A wrong file has its folder's name."""

    path: Path
    name: str
    definition: TaskDefinition | None = None
    error: TaskFileError | None = None

    @property
    def complete(self) -> TaskFile:
        """The file, wrong where its reference is not beside it: that may go and come while the file stays as it is."""
        if self.definition is None or self.error is not None:
            return self
        missing = missing_reference(self.path, self.definition)
        return self if missing is None else replace(self, error=missing)


type Stamp = tuple[int, int]
"""Tells the states of a file or folder apart: when it was changed, and its inode."""


class WatchedFolder:
    """A folder of task files that is looked at again and again; a file is read again only where it has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[Stamp, TaskFile]] = {}

    def files(self) -> list[TaskFile]:
        """Return the task files that there are now."""
        return task_files(self._folder, self._file)

    def _file(self, path: Path) -> TaskFile:
        version = stamp_of(path)
        if version is None:
            return task_file(path)
        if path not in self._read or self._read[path][0] != version:
            self._read[path] = (version, _read(path))
        return self._read[path][1].complete


def stamp_of(path: Path) -> Stamp | None:
    """Return what tells the present state of a file or folder from others, None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino


def read_file(path: Path) -> TaskDefinition:
    """Return the definition in a file. Raises TaskFileError."""
    try:
        return read_definition(path.read_bytes(), str(path))
    except OSError as error:
        raise TaskFileError(f"{path} cannot be read: {error.strerror}") from error


def task_file(path: Path) -> TaskFile:
    """Return what a file defines, or why it defines nothing. The same content is read once."""
    return _read(path).complete


def missing_reference(path: Path, definition: TaskDefinition) -> TaskFileError | None:
    """Return what is wrong where the reference is not beside a task's file, None where it is."""
    if (path.parent / definition.reference).is_file():
        return None
    line = _reference_line(path.read_bytes()) if path.is_file() else 1
    message = (
        f"{path}, line {line}: the reference {definition.reference} is not there; "
        "put it back beside the file, or have 'regraft init' write both"
    )
    return TaskFileError(message, line=line)


def _read(path: Path) -> TaskFile:
    try:
        return _defined(path, path.read_bytes())
    except OSError as error:
        unreadable = TaskFileError(f"{path} cannot be read: {error.strerror}")
        return TaskFile(path, path.parent.name, error=unreadable)


@lru_cache(MOST_REMEMBERED)
def _reference_line(content: bytes) -> int:
    return line_of(content, "reference")


@lru_cache(MOST_REMEMBERED)
def _defined(path: Path, content: bytes) -> TaskFile:
    try:
        definition = read_definition(content, str(path))
    except TaskFileError as error:
        return TaskFile(path, path.parent.name, error=error)
    return TaskFile(path, definition.name, definition)


def task_files(folder: Path, read: Callable[[Path], TaskFile] = task_file) -> list[TaskFile]:
    """Return the task files of a folder, by their names; none where there is no such folder."""
    found: dict[str, TaskFile] = {}
    for path in sorted(folder.glob(f"*/{FILE_NAME}")):
        file = read(path)
        if file.name in found:
            message = f"{path}: there is a task {file.name!r} already, in {found[file.name].path}"
            file = TaskFile(path, path.parent.name, error=TaskFileError(message))
        found.setdefault(file.name, file)
    return list(found.values())
