"""Asks for a run of the newest data where what serves has been unfit for an hour and the task's file says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from pydantic import BaseModel

from regraft_core import layout
from regraft_core.errors import RegraftError
from regraft_core.fit.fit import Fit, FitState, Window
from regraft_core.fit.history import DAY, HOUR
from regraft_core.logs import get_logger
from regraft_core.runs import Run
from regraft_core.stores.objects import ObjectStore, find_model, put_model

LOOK_SECONDS = 60.0
WINDOW: Window = "day"
"""What is looked at; more than one run in it is not asked for."""

log = get_logger(__name__)


class Asked(BaseModel):
    """The run that was asked for last."""

    at: datetime
    run_id: str


@dataclass(frozen=True)
class Retrainer:
    """Looks after all tasks. ``newest`` tells the address of a task's newest data, None where nobody wants it so."""

    objects: ObjectStore
    newest: Callable[[str], Awaitable[str | None]]
    fit: Callable[[str, Window], Awaitable[Fit]]
    find: Callable[[str], Awaitable[Run | None]]
    trigger: Callable[[str, str, str], Awaitable[Run]]
    """Takes task, address and key."""

    async def follow(self, tasks: Callable[[], Sequence[str]]) -> NoReturn:
        """Look every minute until cancelled; what is wrong with a task costs that task alone."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for task in tasks():
                try:
                    await self.look(task, time.time())
                except (RegraftError, OSError) as error:
                    log.warning("no run can be asked for now", task=task, error=str(error))

    async def look(self, task: str, now: float) -> Run | None:
        """Ask for a run where it is time, and return it."""
        address = await self.newest(task)
        if address is None:
            return None
        fit = await self.fit(task, WINDOW)
        since = fit.since.timestamp()
        if fit.state is not FitState.UNFIT or now - since < HOUR or not await self._may_ask(task, now):
            return None
        # Every replica of this service gives the same key, so that they ask for one run together.
        key = f"unfit {task} {since:.0f} {int((now - since) // DAY)}"
        run = await self.trigger(task, address, key)
        asked = Asked(at=datetime.fromtimestamp(now, UTC), run_id=run.run_id)
        await asyncio.to_thread(put_model, self.objects, layout.fit_retrained(task), asked)
        log.info("what serves is unfit: a run of the newest data", task=task, run_id=run.run_id)
        return run

    async def _may_ask(self, task: str, now: float) -> bool:
        """Whether the run that was asked for last was asked for long ago, and has ended."""
        last = await asyncio.to_thread(find_model, self.objects, layout.fit_retrained(task), Asked)
        if last is None:
            return True
        if now - last.at.timestamp() < DAY:
            return False
        run = await self.find(last.run_id)
        return run is None or run.state.ended
