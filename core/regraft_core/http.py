"""HTTP as strangers speak it: uvicorn's protocol with bounds, and with errors that programs can read.

Needs uvicorn and httptools, which the images of the servers have.

| what | answer |
|---|---|
| a head or trailers of more than ``head_bytes`` | 431, however they come |
| a request that does not come in its time | 408; a large body may take as long as its size at the least rate |
| ``Upgrade: h2c`` or ``websocket`` | taken as if it were not there, as RFC 9110 section 7.8 allows: the body is read |
| what is no HTTP, no or two ``Host``, a transfer coding that is not plain chunked | 400; 505 for another version |
| the end of what a client sends, before its answer has begun | the answer, and then the end of the connection |
| more connections than ``connections`` | the longest idle one makes room; 503 where all are being answered |

All of them are problem details, and the connection ends with them. Small requests go on beside a flood: refusals and
large bodies take turns, those of all connections together, and more of a client is read when its turn has come.
"""

from __future__ import annotations

import contextlib
import json
import resource
from asyncio import TimerHandle, Transport
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from regraft_core.codes import Code
from regraft_core.errors import PROBLEM_JSON, BadRequestError, RegraftError, UnavailableError
from regraft_core.pace import Pace, PacedFlow
from regraft_core.settings import HttpSettings

LINGER_SECONDS = 1.0
LINGER_BYTES = 64 << 20
"""How long and how much is dropped of what a client still sends after it was refused."""

PIECE_BYTES = 1 << 14
"""The parser is fed in pieces of this size, and looked at in between."""

LARGE_BYTES = 1 << 16
LARGE_BYTES_PER_SECOND = 64 << 20
"""Bodies, and pieces of them, over the one are read at the other, those of all connections together."""

TURN_SECONDS = 0.005
"""A refusal, or a request with a large body, begins this long after the one before it."""

LONGEST_WAIT = 1.0
"""How long a refusal waits at most: there is no end to those who come."""

SPARE_FILES = 64
"""Descriptors that are kept from connections: logs, models, sockets to other services."""

SPOKEN = ("1.1", "1.0")
UPGRADE_HEADERS = (b"upgrade", b"http2-settings", b"connection")


@dataclass(frozen=True)
class HttpLimits:
    """What a client may take of a server. Sizes in bytes, times in seconds."""

    head_bytes: int = 64 << 10
    request_seconds: float = 60.0
    bytes_per_second: int = 16 << 10
    """Least rate at which a body may come once ``request_seconds`` are over."""
    connections: int = 4096

    @classmethod
    def of(cls, settings: HttpSettings) -> HttpLimits:
        """Return what the settings say; never more connections than the process may have open files."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = settings.max_connections + SPARE_FILES
        if soft != resource.RLIM_INFINITY and soft < wanted:
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            with contextlib.suppress(ValueError, OSError):  # a kernel may allow less than it says
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = settings.max_connections if soft == resource.RLIM_INFINITY else soft - SPARE_FILES
        return cls(
            head_bytes=settings.max_head_bytes,
            request_seconds=settings.request_seconds,
            connections=max(1, min(settings.max_connections, room)),
        )


KEEP_ALIVE_SECONDS = 120
"""How long an idle connection is kept: longer than the proxies in front keep theirs (60 to 90 s)."""


class HeadTooLargeError(RegraftError):
    """Request line and headers are over the limit."""

    code = Code.REQUEST_HEAD_TOO_LARGE
    status = 431
    title = "The headers are too large"


class RequestTimeoutError(RegraftError):
    """A request did not come in its time."""

    code = Code.REQUEST_TIMEOUT
    status = 408
    title = "The request did not come in time"


class HttpVersionError(RegraftError):
    """A version of HTTP that is written in another way."""

    code = Code.HTTP_INVALID
    status = 505
    title = "This version of HTTP is not spoken"


class BoundedProtocol(HttpToolsProtocol):
    """One connection, with bounds."""

    _pace = Pace()
    """That of all connections of the process."""

    def __init__(
        self,
        *arguments: Any,
        limits: HttpLimits | None = None,
        owed_headers: Sequence[tuple[bytes, bytes]] = (),
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits or HttpLimits()
        self._owed_headers = owed_headers
        """Headers of a refusal that no application has seen."""
        self._in_head = False
        self._coming = False
        """Whether a request has begun to come and is not there yet."""
        self._quiet_bytes = 0
        """Bytes since the parser last had something to tell: those of a head, or of trailers."""
        self._upgrading = False
        self._refused = False
        self._began = 0.0
        self._received = 0
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it where there are too many."""
        super().connection_made(transport)
        self.flow = self._paced = PacedFlow(transport, self.loop)
        self.idle_since = monotonic()
        if len(self.connections) > self._limits.connections and not self._make_room():
            self.refuse(UnavailableError("too many connections are open", code=Code.TOO_MANY_CONNECTIONS))
            return
        self._await_request()

    def _make_room(self) -> bool:
        others = [other for other in cast("set[BoundedProtocol]", self.connections) if other is not self]
        waiting = [other for other in others if not other.is_answering]
        if not waiting:
            return False
        longest = min(waiting, key=lambda other: other.idle_since)
        self.connections.discard(longest)
        longest.give_way()
        return True

    @property
    def is_answering(self) -> bool:
        """Whether a request is there as a whole, and its answer is not."""
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def give_way(self) -> None:
        """End the connection, which has brought no whole request: another needs its place."""
        if self._refused:
            return  # it ends by itself, when it is its turn
        if self._timer is None:
            self.transport.close()
        else:
            self.refuse(RequestTimeoutError("others need the connection, and the request has not come yet"))

    def on_response_complete(self) -> None:
        """Note since when the client is idle."""
        self.idle_since = monotonic()
        is_last = self._refused and not self.pipeline
        super().on_response_complete()
        if is_last:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timer with the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never keeps it open
        """Keep the way back open where a client has said all, and waits for its answer; then the connection ends.

        An answer that has begun has nobody to hear it any more: streams of events end with their listener.
        """
        waits = self.is_answering and self.cycle is not None and not self.cycle.response_started
        if self._coming and self.pipeline:
            self.pipeline.popleft()  # it will never be there as a whole; the one before it is being answered
            waits = True
        self._refused = True
        self._stop_waiting()
        return waits

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and go on reading where it stops for an upgrade that nobody makes.

        Of who sends much at a time, more is read when it is his turn, whatever becomes of it.
        """
        if len(data) >= LARGE_BYTES and not self.transport.is_closing():
            self._paced.rest(self._pace.wait(len(data) / LARGE_BYTES_PER_SECOND))
        if self._refused:
            self._received += len(data)
            if self._received > LINGER_BYTES:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        self._received += len(data)
        for start in range(0, len(data), PIECE_BYTES):
            if not self._feed(data[start : start + PIECE_BYTES] if len(data) > PIECE_BYTES else data):
                return
        # Most requests are there at once and need no timer.
        if self._coming and self._timer is None:
            self._await_request(len(data))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin with a request; with one whose body is large when it is its turn."""
        length = next((int(value) for name, value in cycle.scope["headers"] if name == b"content-length"), 0)
        if length < LARGE_BYTES or not (wait := self._pace.wait(TURN_SECONDS)):
            super()._start_asgi_task(cycle, app)
            return
        self._paced.rest(wait)
        self.loop.call_later(wait, super()._start_asgi_task, cycle, app)

    def _feed(self, data: bytes) -> bool:
        """Let the parser read on, and return whether there is a point in it."""
        self._quiet_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._read_on(data[stopped.args[0] :])
        except httptools.HttpParserError:
            if not self._refused:
                self.send_400_response("")
        else:
            if self._quiet_bytes > self._limits.head_bytes and not self._refused:
                self._refuse_head()
        return not self._refused

    def on_message_begin(self) -> None:
        """Begin with the head of a request."""
        super().on_message_begin()
        self._in_head, self._coming, self._quiet_bytes = True, True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. One that follows the body says nothing here."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the head, then go on as uvicorn does."""
        self._in_head, self._quiet_bytes = False, 0
        if self._refused:
            return
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.head_bytes:
            self._refuse_head()
            return
        if (version := self.parser.get_http_version()) not in SPOKEN:
            self.refuse(HttpVersionError(f"this is HTTP/{version}; HTTP/1.1 is spoken here"))
            return
        if (wrong := _wrong_head(self.headers, version)) is not None:
            self.refuse(BadRequestError(wrong, code=Code.HTTP_INVALID))
            return
        if self.parser.should_upgrade():
            self._upgrading = True
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._quiet_bytes = 0
        if not self._refused and not self._upgrading:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        self._quiet_bytes = 0
        if self._refused or self._upgrading:
            return
        self._coming = False
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  (uvicorn's text says no more)
        """Answer what is no HTTP."""
        self.refuse(BadRequestError("what was sent is not HTTP/1.1 as RFC 9112 has it", code=Code.HTTP_INVALID))

    def refuse(self, error: RegraftError) -> None:
        """Answer with a problem and end the connection. Nothing is written into an answer that has begun."""
        self._refused = True
        self._stop_waiting()
        if self.is_answering and self.cycle is not None:
            self.cycle.keep_alive = False  # an earlier request, and a good one: its answer is the last
            return
        if self.pipeline:  # the broken one waits behind good ones: theirs are the last answers
            self.pipeline.popleft()
            return
        if wait := self._pace.wait(TURN_SECONDS, LONGEST_WAIT):
            self._paced.rest(wait)
            self.loop.call_later(wait, self._tell, error)
        else:
            self._tell(error)

    def _tell(self, error: RegraftError) -> None:
        begun = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not begun and not self.transport.is_closing():
            headers = [*self.server_state.default_headers, *self._owed_headers]
            self.transport.write(_response(error, headers))
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # what its application still says has nobody to hear it
            self.cycle.message_event.set()
        # Closed at once, with unread data, the connection would be reset, and the answer be lost.
        self._received = 0
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _refuse_head(self) -> None:
        limit = self._limits.head_bytes
        self.refuse(HeadTooLargeError(f"request line and headers have more than {limit} bytes", limit=limit))

    def _read_on(self, rest: bytes) -> None:
        """Parse the request anew without what asks for another protocol, and then what came after its head."""
        self._upgrading = False
        method, url, headers = self.parser.get_method(), self.url, self.headers
        if method == b"CONNECT":
            self.refuse(BadRequestError("this is no proxy: CONNECT is not answered", code=Code.HTTP_INVALID))
            return
        lines = [b"%s %s HTTP/%s\r\n" % (method, url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s\r\n" % (name, value) for name, value in headers if name not in UPGRADE_HEADERS]
        self.parser = httptools.HttpRequestParser(self)
        self._feed(b"".join([*lines, b"\r\n", rest]))

    def _await_request(self, received: int = 0) -> None:
        self._began, self._received = monotonic(), received
        self._timer = self.loop.call_later(self._limits.request_seconds, self._is_late)

    def _is_late(self) -> None:
        """End what takes too long: not a body that comes at a fair rate, nor one that waits for its application."""
        limits, elapsed = self._limits, monotonic() - self._began
        left = limits.request_seconds + self._received / limits.bytes_per_second - elapsed
        if left > 0 or self.flow.read_paused or self._paced.rests:
            self._timer = self.loop.call_later(max(left, 1.0), self._is_late)
            return
        self._timer = None
        if self._received == 0 and not self._in_head:
            self.transport.close()
            return
        self.refuse(RequestTimeoutError(f"the request did not come within {limits.request_seconds:g} s"))

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _wrong_head(headers: Iterable[tuple[bytes, bytes]], version: str) -> str | None:
    """Return what no two programs would understand alike, None where there is nothing of the kind."""
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"transfer-encoding":
            if version == "1.0":
                return "HTTP/1.0 knows no transfer codings"
            if value.strip().lower() != b"chunked":
                return "the only transfer coding that is read is chunked"
    if hosts > 1 or (not hosts and version == "1.1"):
        return f"a request has one Host header, this one has {hosts}"
    return None


def _response(error: RegraftError, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    body = json.dumps(error.problem()).encode()
    headers = [
        *default_headers,
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    if isinstance(error, UnavailableError):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    head = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (error.status, HTTPStatus(error.status).phrase.encode(), head, body)
