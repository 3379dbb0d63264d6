"""A task as an object of a cluster: the ConfigMap that holds its definition and the profile of its reference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from regraft_core.definition.files import FILE_NAME
from regraft_core.definition.state import as_defined
from regraft_core.definition.task import TaskDefinition
from regraft_core.definition.yaml import TaskFileError, read_definition
from regraft_core.profile import Profile
from regraft_core.runs import Cause
from regraft_core.taskstate import TaskState
from regraft_core.workflows import TASK_LABEL

PREFIX = "regraft-task-"
"""Begin of the names of the ConfigMaps; the task's name follows."""

REFERENCE_KEY = "reference.json"
"""Where the profile of the reference stands beside ``task.yaml``."""

MOST_BYTES = 1_000_000
"""Most bytes of a ConfigMap's content; Kubernetes takes 1 MiB."""

Json = dict[str, Any]


@dataclass(frozen=True)
class TaskObject:
    """A task's ConfigMap, or its file: what it defines, or why it defines nothing. A file has no profile beside it."""

    name: str
    source: str
    definition: TaskDefinition | None = None
    reference: Profile | None = None
    error: TaskFileError | None = None

    @property
    def state(self) -> TaskState:
        """The task as it is shown, as far as its file tells."""
        state = TaskState(name=self.name, source=self.source)
        if self.error is not None:
            state.broken = Cause(code=self.error.code, message=self.error.message)
        return state if self.definition is None else as_defined(state, self.definition)

    def sound(self) -> tuple[TaskDefinition, Profile]:
        """Return definition and reference. Raises TaskFileError (``task_invalid``) with line and cure."""
        if self.definition is None or self.reference is None:
            raise self.error or TaskFileError(f"{self.source} is not complete")
        return self.definition, self.reference


def reference_hash(reference: Profile) -> str:
    """What tells two references apart: a SHA-256 over the data and how it is counted, whoever measured its skill."""
    counted = reference.model_dump_json(include={"data_sha256", "target", "inputs"})
    return hashlib.sha256(counted.encode()).hexdigest()


def object_name(task: str) -> str:
    """Return the name of a task's ConfigMap."""
    return f"{PREFIX}{task}"


def config_map(definition: TaskDefinition, text: str, reference: Profile) -> Json:
    """Return the ConfigMap of a task. Raises TaskFileError where it is larger than Kubernetes takes."""
    profile = reference.model_dump_json()
    if (size := len(text.encode()) + len(profile.encode())) > MOST_BYTES:
        raise TaskFileError(
            f"definition and reference profile have {size:,} bytes, a ConfigMap takes {MOST_BYTES:,}: "
            "ignore columns, or leave categories of thousands open"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": object_name(definition.name), "labels": {TASK_LABEL: definition.name}},
        "data": {FILE_NAME: text, REFERENCE_KEY: profile},
    }


def is_task(found: Json) -> bool:
    """Whether an object with the task's label is a task's ConfigMap, and not one that somebody else made."""
    name: str = found["metadata"]["name"]
    return name.startswith(PREFIX)


def read_object(found: Json) -> TaskObject:
    """Return what a ConfigMap defines; a wrong one is known by its error, and by its object's name."""
    object_is = found["metadata"]["name"]
    name, source = object_is.removeprefix(PREFIX), f"ConfigMap {object_is}"
    data = found.get("data") or {}
    try:
        definition = read_definition(_part(data, FILE_NAME, source), f"{source}, {FILE_NAME}")
        reference = _profile(_part(data, REFERENCE_KEY, source), source)
    except TaskFileError as error:
        return TaskObject(name, source, error=error)
    if object_name(definition.name) != object_is:
        message = f"{source} defines {definition.name!r}; name it {object_name(definition.name)}"
        return TaskObject(name, source, error=TaskFileError(message))
    return TaskObject(name, source, definition, reference)


def _part(data: Json, key: str, source: str) -> str:
    if key not in data:
        raise TaskFileError(f"{source} has no {key}; 'regraft manifests' writes the whole of it")
    return str(data[key])


def _profile(text: str, source: str) -> Profile:
    try:
        return Profile.model_validate_json(text)
    except ValidationError as error:
        message = f"{source}: {REFERENCE_KEY} cannot be read; 'regraft manifests' writes it anew"
        raise TaskFileError(message) from error
