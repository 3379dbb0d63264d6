"""A task as a file: ``task.yaml``, its model, and how it is read."""

from regraft_core.definition.files import (
    FILE_NAME,
    TaskFile,
    WatchedFolder,
    missing_reference,
    read_file,
    task_files,
)
from regraft_core.definition.gates import GateSettings
from regraft_core.definition.requests import RequestSettings
from regraft_core.definition.task import API_VERSION, ColumnDefinition, TaskDefinition, json_schema
from regraft_core.definition.yaml import TaskFileError, line_of, read_definition

__all__ = [
    "API_VERSION",
    "FILE_NAME",
    "ColumnDefinition",
    "GateSettings",
    "RequestSettings",
    "TaskDefinition",
    "TaskFile",
    "TaskFileError",
    "WatchedFolder",
    "json_schema",
    "line_of",
    "missing_reference",
    "read_definition",
    "read_file",
    "task_files",
]
