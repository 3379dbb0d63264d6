"""uvicorn's protocol with a short cut for small requests: no task, no ASGI messages, and one write for the answer.

::

    headers read -> cycle made, as always -> no short cut for it:  task for the ASGI application, as always
                                          -> short cut: body read -> taken:     answered by ``Reply.send``, later
                                                                  -> not taken: task for the ASGI application
    the same head again, and its body     -> the same cycle begins anew, as if it had been read

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
from regraft_inference.fast.head import Head

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
        self._begun: Reply | None = None
        """Belongs to the last request that has begun its short cut."""
        self._known: tuple[Head, Reply] | None = None
        """The head of the last request that came by itself and took a short cut."""

    def data_received(self, data: bytes) -> None:
        """Read on; what comes with a head that is known need not be parsed."""
        if self._repeats(data):
            return
        at_head, before = not self._coming, self._begun
        super().data_received(data)
        begun = self._begun
        if begun is not None and begun is not before and at_head and not self._coming and begun.cycle is self.cycle:
            head = Head.of(data, len(begun.cycle.body))
            self._known = None if head is None else (head, begun)

    def _repeats(self, data: bytes) -> bool:
        """Begin with a request where data are one, with a head that is known; else return False."""
        if self._known is None or self._coming or self._refused or not self.cycle.response_complete:
            return False
        head, reply = self._known
        if not reply.is_answered or len(data) >= self._most_bytes or (body := head.body_of(data)) is None:
            return False
        if len(data) - len(body) > self._limits.head_bytes:
            return False
        short_cut = self._offer(reply.cycle.scope)  # type: ignore[arg-type]  # a TypedDict
        if short_cut is None:
            return False
        self._unset_keepalive_if_required()
        self.cycle = reply.cycle
        reply.renew(short_cut, body, self.server_state.default_headers, self.on_response_complete)
        reply.begin()
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin with a request, now that the one before it on this connection is answered."""
        reply = self._short_cut(cycle) if app is self.app else None
        if reply is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._reply = reply
        else:
            self._begin(reply)

    def on_message_complete(self) -> None:
        """Answer the request that has come in whole."""
        super().on_message_complete()
        if self._reply is not None:
            reply, self._reply = self._reply, None
            self._begin(reply)

    def _begin(self, reply: Reply) -> None:
        self._begun = reply
        reply.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the application find out that the client of an unfinished request has gone."""
        super().connection_lost(exc)
        self._begun = self._known = None
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

    __slots__ = ("_app", "_short_cut", "_start", "began", "cycle", "is_answered")

    def __init__(self, short_cut: ShortCut, cycle: RequestResponseCycle, start: Callable[..., None], app: Any) -> None:
        self.began = perf_counter()
        self.cycle = cycle
        self.is_answered = False
        """Whether the answer has been written here, so that no application has had its hands on the cycle."""
        self._short_cut = short_cut
        self._start = start
        self._app = app

    def renew(
        self,
        short_cut: ShortCut,
        body: bytes,
        default_headers: list[tuple[bytes, bytes]],
        on_response: Callable[..., None],
    ) -> None:
        """Begin anew, after an answer, with a request that has the same head and perhaps another length."""
        self.began, self.is_answered, self._short_cut = perf_counter(), False, short_cut
        cycle = self.cycle
        if len(body) != len(cycle.body):
            length = b"%d" % len(body)
            headers = [(name, length if name == b"content-length" else value) for name, value in self.headers]
            cycle.scope["headers"] = headers
        cycle.body = bytearray(body)
        cycle.default_headers, cycle.on_response = default_headers, on_response
        cycle.response_started = cycle.response_complete = False

    @property
    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        """The headers of the request."""
        return self.cycle.scope["headers"]

    def begin(self) -> None:
        """Pass the whole request to the short cut, or else to the application."""
        if not self._short_cut.take(bytes(self.cycle.body), self):
            self.hand_over()

    def hand_over(self, app: Any = None) -> None:
        """Let an application answer the request: the server's, or one that knows the answer already."""
        self._start(self.cycle, app or self._app)

    def send(self, parts: Iterable[bytes]) -> bool:
        """Write a good answer, from its first header on, as the cycle would, but at once.

        False where the answer needs more care: then nothing is written, and it is still to be handed over.
        """
        cycle = self.cycle
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
        self.is_answered = True
        return True


def _nothing() -> None:
    pass
