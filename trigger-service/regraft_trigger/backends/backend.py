"""What runs the runs: the trigger service's only way to the embedded queue or to Argo."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from regraft_core.definition.objects import TaskObject
from regraft_core.runs import Run, RunRequest
from regraft_core.serving import Serving
from regraft_core.stores.objects import ObjectStore
from regraft_core.taskstate import TaskState


@dataclass(frozen=True)
class PredictorPod:
    """A process that serves, and the address at which it tells what it has counted."""

    url: str
    task: str | None = None
    """Its task; None: any."""

    ends: bool = False
    """Whether it is about to end."""


class Backend(Protocol):
    """Accepts runs and tells what became of them."""

    @property
    def objects(self) -> ObjectStore:
        """Where everything is kept; its calls wait for it."""
        ...

    async def pods(self, port: int, /) -> Sequence[PredictorPod]:
        """Return the predictors' processes that tell their counts at a port; none where no API knows them."""
        ...

    async def submit(self, request: RunRequest) -> Run:
        """Accept a run; durable when this returns. The same run id again returns the run that exists.

        Raises UnavailableError where the run could not be accepted, BadRequestError (``task_invalid``) where its task
        is broken; then there is no run.
        """
        ...

    async def keep_address(self, run_id: str, address: str) -> bool:
        """Keep the whole address of a run that is about to be accepted, and return whether it was not known yet.

        Raises KeyReusedError where the run has another one, UnavailableError.
        """
        ...

    async def forget_address(self, run_id: str) -> None:
        """Let nothing of a kept address remain: there is no such run."""
        ...

    async def put_dataset(self, sha256: str, path: Path) -> None:
        """Put a dataset into the store from a file. Raises UnavailableError."""
        ...

    async def get(self, run_id: str) -> Run | None:
        """Return a run, None where there is none."""
        ...

    async def recent(self, *, task: str | None, limit: int, before: str | None) -> list[Run]:
        """Return runs, newest first; ``before`` is the id of the run after which to go on."""
        ...

    def changes(self) -> AsyncIterator[Run]:
        """Follow every change of a run from now on, each as the run is then. Ends when the consumer stops."""
        ...

    async def cancel(self, run: Run) -> None:
        """See to it that a run ends ``cancelled``, wherever it stands; nothing happens where it has ended.

        Raises UnavailableError where that cannot be seen to now.
        """
        ...

    async def report(self, run_id: str) -> bytes | None:
        """Return the data report of a run, None where it has none (yet)."""
        ...

    async def log(self, run_id: str, step: str) -> bytes | None:
        """Return what a step logged, a JSON object a line; None where it has not ended or has left nothing."""
        ...

    async def serving(self, task: str) -> Serving | None:
        """Return what is in service for a task, None where nothing is."""
        ...

    async def task_state(self, task: str) -> TaskState | None:
        """Return how a task is, by its definition as it is now; None where nobody has looked yet."""
        ...

    def found_tasks(self) -> Collection[str]:
        """Return the names of the tasks that were found besides those of the settings, as they are now."""
        ...

    async def find_task(self, task: str) -> TaskObject | None:
        """Look for the file of a task, None where it has none. Raises UnavailableError."""
        ...

    async def check_ready(self) -> None:
        """Return when a run could be accepted now. Raises UnavailableError with the reason."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
