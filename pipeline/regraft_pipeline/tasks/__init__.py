"""Tasks: what is predicted from what. A task is a file, ``task.yaml``, or an object that a package offers."""

from regraft_core.definition import GateSettings
from regraft_pipeline.tasks.found import GROUP, SHIPPED, BrokenTask, find_tasks, load_task, load_tasks
from regraft_pipeline.tasks.task import Task

__all__ = ["GROUP", "SHIPPED", "BrokenTask", "GateSettings", "Task", "find_tasks", "load_task", "load_tasks"]
