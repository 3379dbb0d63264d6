"""What the object store keeps of runs: records of those that have ended, verdicts, reports, what serves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from pathlib import Path

from regraft_core import layout
from regraft_core import record as records
from regraft_core.codes import Code
from regraft_core.definition import TaskDefinition
from regraft_core.definition.objects import reference_hash
from regraft_core.errors import KeyReusedError, RegraftError, UnavailableError, UnreadableError
from regraft_core.logs import get_logger, log_once
from regraft_core.profile import Profile
from regraft_core.runs import Cause, Run, RunRequest, now
from regraft_core.serving import Serving
from regraft_core.source import keep_address, put_dataset
from regraft_core.stores.objects import ObjectStore, find_model, get_model, put_model
from regraft_core.taskstate import TaskState, read_state
from regraft_core.verdict import Verdict

STORE_SECONDS = 5.0
"""How long the object store may take to answer."""

LONG_SECONDS = 30.0
"""How long it may take where nobody waits for the answer."""

REMEMBERED = 500
"""Records that are kept in memory."""

log = get_logger(__name__)


class Archive:
    """Reads the object store without ever holding up who asks for longer than ``STORE_SECONDS``."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        # Threads of its own: a store that does not answer must not take those that others wait for.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="store")
        self._records: dict[tuple[str, datetime | None], Run] = {}

    async def record(self, run_id: str, ended: datetime | None = None, *, seconds: float = STORE_SECONDS) -> Run | None:
        """Return the record of a run that ended at that moment, None where there is none."""
        key = (run_id, ended)
        if key not in self._records:
            found = await self._ask(lambda: get_model(self._objects, layout.record(run_id), Run), seconds)
            if found is None:
                return None
            self._records[key] = found
            if len(self._records) > REMEMBERED:
                del self._records[next(iter(self._records))]
        return self._records[key]

    async def of_history(self, place: str) -> Run | None:
        """Return the run of a place in the history; one that cannot be read is shown as that."""
        run_id = layout.run_of(place)
        try:
            return await self.record(run_id)
        except UnreadableError as error:
            log_once(log, place, "record is left aside", run_id=run_id, reason=error.message)
            return Run.unreadable(run_id, layout.task_of(place), layout.accepted_of(place), error.message)

    async def open_runs(self) -> list[RunRequest]:
        """Return the requests of the runs that had not ended when somebody last looked."""
        return await self._ask(lambda: records.open_runs(self._objects), LONG_SECONDS)

    async def remember_open(self, request: RunRequest) -> None:
        """Remember that a run has not ended."""

        def write() -> None:
            if not self._objects.exists(layout.record(request.run_id)):
                put_model(self._objects, layout.open_run(request.run_id), request)

        await self._ask(write)

    async def complete(self, request: RunRequest, failures: Mapping[str, str], otherwise: Cause) -> tuple[Run, bool]:
        """Return the record of a run that has ended, and whether it had to be written."""

        def write() -> tuple[Run, bool]:
            found = find_model(self._objects, layout.record(request.run_id), Run)
            if found is not None:
                self._objects.remove(layout.open_run(request.run_id))
                return found, False
            composed = records.compose(self._objects, request, failures, otherwise)
            return records.keep(self._objects, composed), True

        return await self._ask(write, LONG_SECONDS)

    async def is_left_open(self, run_id: str, because: Cause) -> bool:
        """Whether a run without a record has begun its deploy, and that has come to no end.

        It is asked to end then, with this cause if it left none.
        """

        def ask() -> bool:
            if self._objects.exists(layout.record(run_id)):
                return False
            attempt = records.left_open(self._objects, run_id)
            if attempt is not None:
                records.cancel(self._objects, run_id, attempt.cause or because)
            return attempt is not None

        return await self._ask(ask)

    async def cancel(self, run_id: str) -> None:
        """Ask for the end of a run, of whoever works on it."""
        await self._ask(lambda: records.cancel(self._objects, run_id))

    async def places(self, *, task: str | None, after: str, limit: int, seconds: float = STORE_SECONDS) -> list[str]:
        """Return the first places in the history after the given one, those of a task where one is given."""

        def read() -> list[str]:
            places = self._objects.keys(layout.HISTORY, after=after)
            return list(islice((place for place in places if task in (None, layout.task_of(place))), limit))

        return await self._ask(read, seconds)

    async def keep_address(self, run_id: str, address: str) -> bool:
        """Keep the whole address of a run for the step that reads it."""
        return await self._ask(lambda: keep_address(self._objects, run_id, address))

    async def forget_address(self, run_id: str) -> None:
        """Let nothing of a kept address remain."""
        await self._ask(lambda: self._objects.remove(layout.source(run_id)))

    async def put_dataset(self, sha256: str, path: Path) -> None:
        """Put a dataset into the store from a file."""
        # Not in the threads of the others: it may take long.
        await asyncio.to_thread(put_dataset, self._objects, sha256, path)

    async def give_task(self, run_id: str, definition: TaskDefinition, reference: Profile) -> None:
        """Keep a task's definition for a run, and take up the reference beside it where that has changed.

        A reference that somebody has blessed since stays as long as the task's own is the same.
        """
        task = definition.name

        def write() -> None:
            if not self._objects.exists(layout.definition(run_id)):
                self._objects.put(layout.definition(run_id), json.dumps(definition.plain()).encode())
            given = reference_hash(reference).encode()
            if self._objects.get(layout.given_reference(task)) != given:
                # In this order: who is killed in between does it once more.
                put_model(self._objects, layout.reference(task), reference.model_copy(update={"created_at": now()}))
                self._objects.put(layout.given_reference(task), given)

        await self._ask(write)

    async def verdict(self, run_id: str) -> Verdict | None:
        """Return the verdict of a run, None where there is none yet."""
        return await self._ask(lambda: get_model(self._objects, layout.verdict(run_id), Verdict))

    async def report(self, run_id: str) -> bytes | None:
        """Return the data report of a run, None where there is none yet."""
        return await self._ask(lambda: self._objects.get(layout.report(run_id)))

    async def log(self, run_id: str, step: str) -> bytes | None:
        """Return what a step logged, None where there is nothing (yet)."""
        return await self._ask(lambda: self._objects.get(layout.log(run_id, step)))

    async def serving(self, task: str) -> Serving | None:
        """Return what is in service for a task, None where nothing is."""
        return await self._ask(lambda: get_model(self._objects, layout.serving(task), Serving))

    async def task_state(self, task: str) -> TaskState | None:
        """Return whether a task can be worked with, None where nobody has looked yet."""
        return await self._ask(lambda: read_state(self._objects, task))

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask[T](self, call: Callable[[], T], seconds: float = STORE_SECONDS) -> T:
        asked = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            return await asyncio.wait_for(asked, seconds)
        except TimeoutError as error:
            raise UnavailableError(
                f"the object store has not answered within {seconds:.1f} s", code=Code.STORE_UNREACHABLE
            ) from error


async def or_unavailable[T](asked: Awaitable[T]) -> T:
    """Return what the object store answers; without it no run can be accepted."""
    try:
        return await asked
    except KeyReusedError:
        raise
    except RegraftError as error:
        raise UnavailableError(f"the run was not accepted: {error.message}", code=Code.STORE_UNREACHABLE) from error
