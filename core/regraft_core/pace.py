"""Turns for heavy work of a server, so that light work goes on beside it. Needs uvicorn."""

from __future__ import annotations

import math
from asyncio import AbstractEventLoop, Transport
from time import monotonic

from uvicorn.protocols.http.flow_control import FlowControl


class Pace:
    """Gives turns to heavy work, one after the other. Where there is little of it, nobody waits."""

    def __init__(self) -> None:
        self._free_at = 0.0

    def wait(self, seconds: float, most: float = math.inf) -> float:
        """Return in how many seconds, at ``most``, work may begin whose turn takes so many ``seconds``."""
        now = monotonic()
        begins = min(max(now, self._free_at), now + most)
        self._free_at = max(self._free_at, begins + seconds)
        return begins - now


class PacedFlow(FlowControl):
    """Lets the application pause what is read of a connection, as uvicorn has it, and the pace as well."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self.rests = False

    def rest(self, seconds: float) -> None:
        """Read nothing for a while. Who rests already reads on when that is over."""
        if self.rests:
            return
        self.rests = True
        self._transport.pause_reading()
        self._loop.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self.rests = False
        if not self.read_paused:
            self._transport.resume_reading()

    def resume_reading(self) -> None:
        """Read on, or as soon as the rest is over."""
        if self.read_paused and self.rests:
            self.read_paused = False
        elif self.read_paused:
            super().resume_reading()
