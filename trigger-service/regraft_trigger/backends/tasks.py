"""Tasks that are objects of the cluster: the ConfigMaps with the label ``regraft.dev/task``."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import httpx

from regraft_core.definition.objects import TaskObject, is_task, object_name, read_object
from regraft_core.definition.task import NAME_PATTERN
from regraft_core.errors import NotFoundError, RegraftError, UnavailableError
from regraft_core.kube import answer, follow, reaching
from regraft_core.logs import get_logger
from regraft_core.workflows import TASK_LABEL

log = get_logger(__name__)


class TaskObjects:
    """The tasks of one namespace. ``known`` are those of the last look, broken ones with their error."""

    def __init__(self, api: httpx.AsyncClient, namespace: str) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self.known: dict[str, TaskObject] = {}

    async def read(self, task: str) -> TaskObject | None:
        """Return a task as its ConfigMap is at this moment, None where there is none; ``known`` is so, too.

        Raises UnavailableError.
        """
        if not re.fullmatch(NAME_PATTERN, task):
            return None  # whatever somebody wrote, which is to become no part of a path
        try:
            with reaching():
                found = answer(await self._api.get(f"{self._path}/{object_name(task)}"))
        except NotFoundError:
            self.known.pop(task, None)
            return None
        except RegraftError as error:
            raise UnavailableError(f"the ConfigMap of {task} cannot be read: {error.message}") from error
        self.known[task] = read_object(found)
        return self.known[task]

    async def follow(self) -> NoReturn:
        """Keep ``known`` as the cluster has it. Whatever the API server says, this goes on."""
        await follow(self._api, self._path, selector=TASK_LABEL, take_all=self._list, take_in=self._take_in)

    async def _list(self) -> str:
        """Take in all ConfigMaps, and return the version of the list to watch from."""
        with reaching():
            found = answer(await self._api.get(self._path, params={"labelSelector": TASK_LABEL}))
        self.known = {task.name: task for task in map(read_object, filter(is_task, found["items"]))}
        for task in self.known.values():
            _tell(task)
        version: str = found["metadata"]["resourceVersion"]
        return version

    async def _take_in(self, kind: str, found: dict[str, Any]) -> None:
        if not is_task(found):
            return
        task = read_object(found)
        if kind == "DELETED":
            self.known.pop(task.name, None)
            log.info("task is gone", task=task.name)
        else:
            self.known[task.name] = task
            _tell(task)


def _tell(task: TaskObject) -> None:
    if task.error is not None:
        log.error("task is broken", task=task.name, source=task.source, reason=task.error.message)
    else:
        log.info("task is defined", task=task.name, source=task.source)
