"""Bodies of requests: read up to a limit, and taken out of their content coding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from regraft_core.codings import CodingError, packings, unpacked
from regraft_core.errors import BadRequestError, TooLargeError

type Message = MutableMapping[str, Any]
type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]


class CodingNotReadError(BadRequestError):
    """The body is packed in a way that is not read here."""

    code = "coding_not_read"
    status = 415
    title = "This content coding is not read"


class GoneError(Exception):
    """The client closed the connection while it was sending."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the request's body as it was before it was packed.

    Raises TooLargeError before more than the limit is read or unpacked, CodingNotReadError, BadRequestError, GoneError.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > limit:
            raise _too_large(limit)
    return _unpacked(scope, chunks[0] if len(chunks) == 1 else b"".join(chunks), limit)


def _unpacked(scope: Scope, body: bytes, limit: int) -> bytes:
    """Return a body without its content coding. Raises CodingNotReadError, BadRequestError, TooLargeError."""
    coding = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-encoding"), "")
    if not coding:
        return body
    try:
        packings(coding)
    except CodingError as error:
        raise CodingNotReadError(f"the body cannot be read: {error}") from None
    parts, size = [], 0
    try:
        for part in unpacked([body], coding):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
    except CodingError as error:
        raise BadRequestError(f"the body is not what it says: {error}", code="not_decodable") from None
    return b"".join(parts)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the request is larger than {limit} bytes; send fewer rows at a time", limit=limit)
