"""The embedded backend: the queue in SQLite that the worker takes its runs from."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.definition import WatchedFolder
from regraft_core.definition.objects import TaskObject
from regraft_core.definition.state import as_the_file_says, check_file
from regraft_core.errors import RegraftError, UnavailableError
from regraft_core.logs import get_logger
from regraft_core.record import cancel, compose, keep
from regraft_core.runs import Run, RunRequest
from regraft_core.serving import Serving
from regraft_core.source import keep_address, put_dataset
from regraft_core.stores.objects import ObjectStore, get_model
from regraft_core.stores.queue import RunStore
from regraft_core.taskstate import TaskState, read_state
from regraft_trigger.backends.backend import PredictorPod

POLL_SECONDS = 0.2
READY_TIMEOUT = 2.0

log = get_logger(__name__)


class LocalBackend:
    """Runs in the SQLite file that the worker shares, reports and what serves in the object store."""

    def __init__(
        self,
        runs: RunStore,
        objects: ObjectStore,
        *,
        most_waiting: int | None = None,
        watched: WatchedFolder | None = None,
    ) -> None:
        self._runs = runs
        self._watched = watched
        self._most_waiting = most_waiting
        self._objects = objects

    @property
    def objects(self) -> ObjectStore:
        """The object store."""
        return self._objects

    async def pods(self, _port: int) -> Sequence[PredictorPod]:
        """Nobody knows here: where the one predictor is, the settings say."""
        return ()

    async def submit(self, request: RunRequest) -> Run:
        """Accept a run; on disk when this returns."""
        return await _in_thread(lambda: self._submit(request))

    def _submit(self, request: RunRequest) -> Run:
        if (past := self._runs.get(request.run_id)) is not None:
            return past
        check_file(read_state(self._objects, request.task) or self._not_seen(request.task))
        return self._runs.submit(request, most_waiting=self._most_waiting)

    def _not_seen(self, task: str) -> TaskState:
        """Return the state of a task that the worker has not looked at yet."""
        found = self._file_of(task)
        return TaskState(name=task, source="" if found is None else found.source)

    async def keep_address(self, run_id: str, address: str) -> bool:
        """Keep the whole address of a run in a file of its own, which is gone when it has been read."""
        return await _in_thread(lambda: keep_address(self._objects, run_id, address))

    async def forget_address(self, run_id: str) -> None:
        """Let nothing of a kept address remain."""
        await _in_thread(lambda: self._objects.remove(layout.source(run_id)))

    async def put_dataset(self, sha256: str, path: Path) -> None:
        """Put a dataset into the store from a file."""
        await _in_thread(lambda: put_dataset(self._objects, sha256, path))

    async def get(self, run_id: str) -> Run | None:
        """Return a run, None where there is none."""
        return await _in_thread(lambda: self._runs.get(run_id))

    async def recent(self, *, task: str | None, limit: int, before: str | None) -> list[Run]:
        """Return runs, newest first."""
        return await _in_thread(lambda: self._runs.recent(task=task, limit=limit, before=before))

    async def changes(self) -> AsyncIterator[Run]:
        """Follow every change from now on. While the database cannot be read this waits; no change is lost."""
        seen = await _in_thread(self._runs.last_change)
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                news = await _in_thread(lambda since=seen: self._runs.changes(since))  # type: ignore[misc]
            except RegraftError as error:
                log.warning("changes cannot be read", error=error.message)
                continue
            for number, run in news:
                yield run
                seen = number

    async def cancel(self, run: Run) -> None:
        """End a run that waits; the worker ends one that it is at."""
        await _in_thread(lambda: self._cancel(run))

    def _cancel(self, run: Run) -> None:
        cancel(self._objects, run.run_id)
        ended = compose(self._objects, run, {})
        if self._runs.cancel(ended):
            keep(self._objects, ended)

    async def report(self, run_id: str) -> bytes | None:
        """Return the data report of a run, None where it has none (yet)."""
        return await _in_thread(lambda: self._objects.get(layout.report(run_id)))

    async def log(self, run_id: str, step: str) -> bytes | None:
        """Return what a step logged, None where there is nothing (yet)."""
        return await _in_thread(lambda: self._objects.get(layout.log(run_id, step)))

    async def serving(self, task: str) -> Serving | None:
        """Return what is in service for a task, None where nothing is."""
        return await _in_thread(lambda: get_model(self._objects, layout.serving(task), Serving))

    async def task_state(self, task: str) -> TaskState | None:
        """Return whether a task can be worked with, by its file as it is now; None where nobody has looked yet."""
        return await _in_thread(lambda: self._state_now(task))

    def _state_now(self, task: str) -> TaskState | None:
        kept = read_state(self._objects, task)
        return None if kept is None else as_the_file_says(kept)

    def found_tasks(self) -> list[str]:
        """Return the tasks of the files that there are now, as far as the worker has looked at them."""
        names = [] if self._watched is None else [file.name for file in self._watched.files()]
        return [name for name in names if self._objects.exists(layout.task_state(name))]

    async def find_task(self, task: str) -> TaskObject | None:
        """Look for the file of a task among those that there are now."""
        return await _in_thread(lambda: self._file_of(task))

    def _file_of(self, task: str) -> TaskObject | None:
        for file in [] if self._watched is None else self._watched.files():
            if file.name == task:
                return TaskObject(task, str(file.path), file.definition, error=file.error)
        return None

    async def check_ready(self) -> None:
        """Return when the database can be written."""
        await _in_thread(self._take_write_lock)

    async def close(self) -> None:
        """Nothing is held open."""

    def _take_write_lock(self) -> None:
        address = f"{self._runs.path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=READY_TIMEOUT, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("SELECT count(*) FROM runs WHERE state = 'queued'")
            db.execute("ROLLBACK")


async def _in_thread[T](call: Callable[[], T]) -> T:
    def guarded() -> T:
        with _storage():
            return call()

    return await asyncio.to_thread(guarded)


@contextlib.contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        log.warning("storage failed", error=str(error))
        raise UnavailableError("the data folder cannot be used now", code=Code.STORAGE_UNAVAILABLE) from error
