"""How small answers leave: head and body in one write.

uvicorn writes the head of an answer when it begins and the body when that comes: two system calls, and for a small
answer the most expensive ones of the whole request. Here it offers the application a way to send both at once, as an
extension of ASGI: ``scope["extensions"][WHOLE_ANSWER](head, body)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

WHOLE_ANSWER = "regraft.whole-answer"

FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""Bytes that a header's value must not hold (RFC 9110, section 5.5)."""

type WholeAnswer = Callable[[bytes, bytes], bool]
"""Sends head and body; False where nothing was sent and the answer has to go the ordinary way."""


class WholeAnswerProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the extension."""

    def on_headers_complete(self) -> None:
        """Offer the extension to the application, which begins after this."""
        super().on_headers_complete()
        self.scope["extensions"] = {WHOLE_ANSWER: partial(_answer, self.cycle)}  # type: ignore[dict-item]


def head_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a good answer, without the length of its body. Raises ValueError for what is no header."""
    lines = [b"HTTP/1.1 200 OK\r\n"]
    for name, value in headers:
        if FORBIDDEN.search(value):
            raise ValueError(f"{name.decode()} cannot be {value!r}")
        lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


def _answer(cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
    """Do what ``cycle.send`` does for the two messages of a plain answer on a connection that stays open."""
    if not cycle.keep_alive or cycle.flow.write_paused or cycle.access_log:
        return False
    if cycle.disconnected:
        return True
    lines = [head]
    for name, value in cycle.default_headers:
        if name == b"connection":  # the server is ending
            return False
        lines += (name, b": ", value, b"\r\n")
    lines += (b"content-length: %d\r\n\r\n" % len(body), body)
    cycle.transport.write(b"".join(lines))
    cycle.response_started = cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return True
