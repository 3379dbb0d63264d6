"""Large work takes turns, and leaves the process to small work for most of the time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

REST = 2.0
"""How much longer than a turn the pause after it is: large work has a third of the time, however much there is."""


class Turns:
    """Lends one turn at a time. Who comes alone waits for nobody."""

    def __init__(self, rest: float = REST) -> None:
        self._rest = rest
        self._one = asyncio.Semaphore()
        self._free_at = 0.0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for a turn, and lend it."""
        async with self._one:
            if (pause := self._free_at - monotonic()) > 0:
                await asyncio.sleep(pause)
            began = monotonic()
            try:
                yield
            finally:
                ended = monotonic()
                self._free_at = ended + self._rest * (ended - began)
