"""Every accepted run ends with its record: where a Workflow ended or vanished without one, it is written here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger
from regraft_core.runs import Cause, Run, RunRequest, RunState
from regraft_trigger.backends.archive import Archive
from regraft_trigger.backends.ending import Ending

PAUSE = 1.0
"""Seconds between two looks at the runs that may lack their record."""

GONE = Cause(code=Code.WORKFLOW_GONE, message="the Workflow of the run was deleted before the run had ended")

UNRECORDED = Cause(code=Code.WORKFLOW_FAILED, message="the Workflow ended without a record")

log = get_logger(__name__)


class Reconciler:
    """Writes missing records, one after the other, again and again until the store takes them."""

    def __init__(self, archive: Archive, ending: Ending) -> None:
        self._archive = archive
        self._ending = ending
        self._missing: dict[str, tuple[RunRequest, Mapping[str, str], Cause]] = {}
        self._opened: set[str] = set()
        self._ended_apart: set[str] = set()
        self._to_open: dict[str, RunRequest] = {}

    def waiting(self, run_id: str) -> Run | None:
        """Return a run that waits for its record as one that goes on, for it may be put back yet; None: it does not."""
        if run_id not in self._missing:
            return None
        request = self._missing[run_id][0]
        run = request if isinstance(request, Run) else Run.accept(request)
        return run.model_copy(update={"state": RunState.RUNNING, "cause": None, "finished_at": None})

    def see(self, run: Run) -> None:
        """Take note of a run that is there: an open one is remembered in the store, for when its Workflow vanishes."""
        if run.state.ended:
            failures = {step.name: step.message for step in run.steps if step.state.value == "failed"}
            self._missing[run.run_id] = (run, failures, run.cause or UNRECORDED)
            self._opened.discard(run.run_id)
        elif run.run_id not in self._opened:
            self._to_open[run.run_id] = run.request()

    def miss(self, request: RunRequest) -> None:
        """Take note of a run whose Workflow is gone."""
        self._to_open.pop(request.run_id, None)
        self._missing[request.run_id] = (request, {}, GONE)

    async def follow(self, known: Callable[[], Mapping[str, Run]], tell: Callable[[Run], Awaitable[None]]) -> None:
        """Write what is missing, for ever; ``tell`` hears of every run that got its record here.

        ``known`` are the Workflows that there are: open runs without one, from before this service started, are missed.
        """
        looked = False
        while True:
            try:
                if not looked:
                    for request in await self._archive.open_runs():
                        if request.run_id not in known():
                            self.miss(request)
                    looked = True
                await self._remember()
                await self._write(tell)
            except RegraftError as error:
                log.warning("records cannot be looked after now", error=error.message)
            await asyncio.sleep(PAUSE)

    async def _remember(self) -> None:
        for run_id, request in list(self._to_open.items()):
            await self._archive.remember_open(request)
            self._opened.add(run_id)
            self._to_open.pop(run_id, None)

    async def _write(self, tell: Callable[[Run], Awaitable[None]]) -> None:
        for run_id, (request, failures, otherwise) in list(self._missing.items()):
            if await self._archive.is_left_open(run_id, otherwise) and await self._ending.is_under_way(request):
                self._ended_apart.add(run_id)  # with the record
                continue
            record, written = await self._archive.complete(request, failures, otherwise)
            self._missing.pop(run_id, None)
            if written:
                log.warning("record written for a run without one", run_id=run_id, state=record.state)
            if written or otherwise is GONE or run_id in self._ended_apart:
                self._ended_apart.discard(run_id)
                await tell(record)
