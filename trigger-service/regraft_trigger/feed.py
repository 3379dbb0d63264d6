"""The feed of changes: one follower of the backend, any number of listeners."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import NoReturn

from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger
from regraft_core.runs import Run
from regraft_trigger.backends.backend import Backend

BACKLOG = 256
"""Changes that a listener may be behind before it is sent away; it comes back and catches up."""

CATCH_UP = 200
"""Newest runs that are looked at for changes a listener has missed."""

PAUSE = 1.0
"""Seconds before the backend is followed again after it broke off."""

log = get_logger(__name__)


class Feed:
    """Hands every change of a run to all who listen."""

    def __init__(self, backend: Backend, heartbeat: float, on_change: Callable[[Run], None]) -> None:
        self._backend = backend
        self._heartbeat = heartbeat
        self._on_change = on_change
        self._listeners: set[asyncio.Queue[Run | None]] = set()
        self._closed = False
        self._broke_off: tuple[float, str] | None = None

    @property
    def trouble(self) -> str:
        """Why changes cannot be followed at present; empty where they can."""
        if self._broke_off is None or time.monotonic() - self._broke_off[0] > 5 * PAUSE:
            return ""
        return self._broke_off[1]

    def __len__(self) -> int:
        """How many listen."""
        return len(self._listeners)

    async def follow(self) -> NoReturn:
        """Follow the backend until cancelled. Where it breaks off, listeners are sent away so that they catch up."""
        while True:
            try:
                async for run in self._backend.changes():
                    self._publish(run)
            except Exception as error:
                log.warning("change feed broke off", error=str(error), exc_info=error)
                if not isinstance(error, RegraftError):  # an outage is asked for anew each time
                    self._broke_off = (time.monotonic(), f"{type(error).__name__}: {error}")
            self._end_all()
            await asyncio.sleep(PAUSE)

    def close(self) -> None:
        """Send all listeners away, and all who come later."""
        self._closed = True
        self._end_all()

    async def listen(self, since: datetime | None = None) -> AsyncIterator[Run | None]:
        """Follow the changes, from ``since`` on where it is given; None means that all is well, but nothing changed."""
        if self._closed:
            return
        queue: asyncio.Queue[Run | None] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        try:
            for run in await self._missed(since) if since else []:
                yield run
            while True:
                try:
                    change = await asyncio.wait_for(queue.get(), self._heartbeat)
                except TimeoutError:
                    yield None
                    continue
                if change is None:
                    return
                yield change
        finally:
            self._listeners.discard(queue)

    async def _missed(self, since: datetime) -> list[Run]:
        recent = await self._backend.recent(task=None, limit=CATCH_UP, before=None)
        return sorted((run for run in recent if run.updated_at > since), key=lambda run: run.updated_at)

    def _publish(self, run: Run) -> None:
        self._on_change(run)
        for queue in self._listeners:
            if queue.full():
                _end(queue)
            else:
                queue.put_nowait(run)

    def _end_all(self) -> None:
        for queue in self._listeners:
            _end(queue)


def _end(queue: asyncio.Queue[Run | None]) -> None:
    """Make the end the next thing that a listener gets."""
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


def encode(run: Run) -> str:
    """Write a change as a server-sent event. Its id is the moment of the change: where to catch up from."""
    return f"event: run\nid: {run.updated_at.isoformat()}\ndata: {run.model_dump_json()}\n\n"


def decode_id(text: str | None) -> datetime | None:
    """Return the moment that an event's id stands for, None where it is not one."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else None
