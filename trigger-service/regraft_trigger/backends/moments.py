"""When runs count as accepted: each after all others, whatever clocks say, and whichever process accepted them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta

from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger
from regraft_core.runs import Run

TICK = timedelta(microseconds=1)
OLDEST = datetime.min.replace(tzinfo=UTC)
"""Before all runs."""

log = get_logger(__name__)


class Moments:
    """The moments of one process. ``past`` tells those of the runs that there were when it began."""

    def __init__(self, past: Callable[[], Awaitable[Collection[datetime]]]) -> None:
        self._past = past
        self._last = OLDEST
        self._knows_past = False

    def saw(self, run: Run) -> None:
        """Take note of a run that another process may have accepted."""
        self._last = max(self._last, run.accepted_at)

    async def after_all(self, wanted: datetime) -> datetime:
        """Return the moment that was wanted, or just after the newest run where clocks would say otherwise."""
        if not self._knows_past:
            try:
                past = await self._past()
                self._last = max([self._last, *past])  # which another may have moved meanwhile
                self._knows_past = True
            except RegraftError as error:
                log.warning("newest run cannot be looked for", error=error.message)
        self._last = max(wanted, self._last + TICK)
        return self._last
