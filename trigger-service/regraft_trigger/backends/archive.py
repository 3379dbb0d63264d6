"""What the object store keeps of runs: records of those that have ended, verdicts, reports, what serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import dropwhile, islice

from regraft_core import layout
from regraft_core.errors import UnavailableError
from regraft_core.runs import Run
from regraft_core.serving import Serving
from regraft_core.stores.objects import ObjectStore, get_model
from regraft_core.verdict import Verdict

STORE_SECONDS = 5.0
"""How long the object store may take to answer."""

REMEMBERED = 500
"""Records that are kept in memory."""


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

    async def places(self, *, task: str | None, after: str, limit: int) -> list[str]:
        """Return the first places in the history after the given one, those of a task where one is given."""

        def read() -> list[str]:
            places = dropwhile(lambda place: place <= after, self._objects.keys(layout.HISTORY))
            return list(islice((place for place in places if task in (None, layout.task_of(place))), limit))

        return await self._ask(read)

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

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask[T](self, call: Callable[[], T], seconds: float = STORE_SECONDS) -> T:
        asked = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            return await asyncio.wait_for(asked, seconds)
        except TimeoutError as error:
            raise UnavailableError(
                f"the object store has not answered within {seconds:.1f} s", code="store_unreachable"
            ) from error
