"""uvicorn's protocol with a short cut for small requests: no task, no ASGI messages, and one write for the answer.

::

    headers read -> cycle made, as always -> no short cut for it:  task for the ASGI application, as always
                                          -> short cut: body read -> taken:     answered by ``Reply.send``, later
                                                                  -> not taken: task for the ASGI application

Who offers a short cut (``Offer``) may still decline when it has seen the body, and whoever took a request may still
hand it over to the application, so that only what is common and goes well has to be known here. Everything else about
a request stays uvicorn's: its cycle waits in the same pipeline, keeps the connection open at a shutdown until it is
answered, and starts and stops the same timers, whichever way the answer goes. Should a release of uvicorn begin with
requests in another way, none takes the short cut, and all are still answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from regraft_core.http import BoundedProtocol

type Scope = MutableMapping[str, Any]


class ShortCut(Protocol):
    """Who answers requests without ASGI."""

    def take(self, body: bytes, reply: Reply) -> bool:
        """Take a request and answer it later, or return False: then it goes to the application. Never raises."""
        ...


type Offer = Callable[[Scope], ShortCut | None]
"""Returns who may answer a request of this scope, None for nobody."""


class ShortCutProtocol(BoundedProtocol):
    """One connection. Bodies up to ``most_bytes`` can take the short cut."""

    def __init__(self, *arguments: Any, offer: Offer, most_bytes: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._offer = offer
        # Of a larger body uvicorn would not read on before the application asks for it.
        self._most_bytes = min(most_bytes, HIGH_WATER_LIMIT)
        self._reply: Reply | None = None
        """Belongs to the request whose body is being read, where that may take a short cut."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin with a request, now that the one before it on this connection is answered."""
        reply = self._short_cut(cycle) if app is self.app else None
        if reply is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._reply = reply
        else:
            reply.begin()

    def on_message_complete(self) -> None:
        """Answer the request that has come in whole."""
        super().on_message_complete()
        if self._reply is not None:
            reply, self._reply = self._reply, None
            reply.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the application find out that the client of an unfinished request has gone."""
        super().connection_lost(exc)
        if self._reply is not None:
            reply, self._reply = self._reply, None
            reply.hand_over()

    def _short_cut(self, cycle: RequestResponseCycle) -> Reply | None:
        """Return the way to answer a request by a short cut, None where there is none or the request is not plain."""
        short_cut = self._offer(cycle.scope)  # type: ignore[arg-type]  # a TypedDict
        if (
            short_cut is None
            or not cycle.keep_alive
            or cycle.waiting_for_100_continue
            or cycle.access_log
            or not self._has_small_plain_body(cycle.scope["headers"])
        ):
            return None
        return Reply(short_cut, cycle, super()._start_asgi_task, self.app)

    def _has_small_plain_body(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether the headers tell the length of the body (the parser has checked it), it is small, and not packed."""
        length = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"content-encoding":
                return False
        return length is not None and length <= self._most_bytes


class Reply:
    """The way back for one request that came by a short cut."""

    __slots__ = ("_app", "_cycle", "_short_cut", "_start", "began")

    def __init__(self, short_cut: ShortCut, cycle: RequestResponseCycle, start: Callable[..., None], app: Any) -> None:
        self.began = perf_counter()
        self._short_cut = short_cut
        self._cycle = cycle
        self._start = start
        self._app = app

    @property
    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        """The headers of the request."""
        return self._cycle.scope["headers"]

    def begin(self) -> None:
        """Pass the whole request to the short cut, or else to the application."""
        if not self._short_cut.take(bytes(self._cycle.body), self):
            self.hand_over()

    def hand_over(self, app: Any = None) -> None:
        """Let an application answer the request: the server's, or one that knows the answer already."""
        self._start(self._cycle, app or self._app)

    def send(self, parts: Iterable[bytes]) -> bool:
        """Write a good answer, from its first header on, as the cycle would, but at once.

        False where the answer needs more care: then nothing is written, and it is still to be handed over.
        """
        cycle = self._cycle
        if not cycle.keep_alive or cycle.flow.write_paused:
            return False
        lines = [b"HTTP/1.1 200 OK\r\n"]
        for name, value in cycle.default_headers:
            if name == b"connection":  # the server is ending
                return False
            lines += (name, b": ", value, b"\r\n")
        if not cycle.transport.is_closing():
            lines += parts
            cycle.transport.write(b"".join(lines))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        cycle.on_response = _nothing  # as after a task: the connection is not held by its last request
        return True


def _nothing() -> None:
    pass
