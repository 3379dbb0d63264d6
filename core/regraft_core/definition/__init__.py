"""A task as a file: ``task.yaml``, its model, and how it is read."""

from regraft_core.definition.gates import GateSettings
from regraft_core.definition.task import API_VERSION, ColumnDefinition, TaskDefinition
from regraft_core.definition.yaml import TaskFileError, read_definition

__all__ = ["API_VERSION", "ColumnDefinition", "GateSettings", "TaskDefinition", "TaskFileError", "read_definition"]
