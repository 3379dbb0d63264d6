"""Bodies of requests: read up to a limit, taken out of their content coding, and bounded in what they hold together."""

from __future__ import annotations

import asyncio
import codecs
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from regraft_core.codes import Code
from regraft_core.codings import CodingError, packings, unpacked
from regraft_core.errors import BadRequestError, TooLargeError, UnavailableError
from regraft_inference.turns import Turns

type Message = MutableMapping[str, Any]
type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]

PIECES = 16
"""How much of a packed body is unpacked between two looks at its size, pieces of 64 KiB."""

RETRY_SECONDS = 1
"""When a request that found no room may come again."""


class CodingNotReadError(BadRequestError):
    """The body is packed in a way that is not read here."""

    code = Code.CODING_NOT_READ
    status = 415
    title = "This content coding is not read"


class GoneError(Exception):
    """The client closed the connection before it had its answer."""


class Bodies:
    """Reads bodies. All that are held at a moment share a bound, in bytes; small ones are free."""

    def __init__(self, *, limit: int, small: int, most: int, turns: Turns | None = None) -> None:
        self._turns = turns or Turns()
        self._limit = limit
        self._small = small
        self._most = max(most, 2 * limit)  # one alone, packed and unpacked, always has room
        self._held = 0

    @asynccontextmanager
    async def read(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """Lend the request's body as it was before it was packed.

        Raises TooLargeError before more than the limit is read or unpacked, UnavailableError where the bodies of
        others leave no room, CodingNotReadError, BadRequestError, GoneError.
        """
        share = _Share(self)
        try:
            yield await self._read(scope, receive, share)
        finally:
            share.give_back()

    async def _read(self, scope: Scope, receive: Receive, share: _Share) -> bytes:
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._limit:
                raise self._too_large()
        chunks: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            more = message.get("more_body", False)
            if size > self._limit:
                raise self._too_large()
            share.grow(len(chunks[-1]))
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        coding = b",".join(value for name, value in scope["headers"] if name == b"content-encoding")
        if coding:
            body = await self._unpacked(coding.decode("latin-1"), body, share)
        return body.removeprefix(codecs.BOM_UTF8)  # some programs write it, and it says nothing

    async def _unpacked(self, coding: str, body: bytes, share: _Share) -> bytes:
        """Return a body without its content coding. Raises CodingNotReadError, BadRequestError, TooLargeError.

        What turns out to be large is unpacked off the event loop: a small body may hold it.
        """
        try:
            packings(coding)
        except CodingError as error:
            raise CodingNotReadError(f"the body cannot be read: {error}") from None
        pieces, parts = unpacked([body], coding), bytearray()
        try:
            for piece in pieces:
                parts += piece
                if len(parts) > self._small:
                    await self._unpack_more(pieces, parts, share)
        except CodingError as error:
            raise BadRequestError(f"the body is not what it says: {error}", code=Code.NOT_DECODABLE) from None
        return bytes(parts)

    async def _unpack_more(self, pieces: Iterator[bytes], parts: bytearray, share: _Share) -> None:
        def more() -> None:
            for piece in itertools.islice(pieces, PIECES):
                parts.extend(piece)

        async with self._turns.take():
            taken = 0
            while len(parts) > taken:
                if len(parts) > self._limit:
                    raise self._too_large()
                share.grow(len(parts) - taken)
                taken = len(parts)
                await asyncio.to_thread(more)

    def take(self, size: int) -> None:
        """Take room for so many bytes more. Raises UnavailableError where there is none."""
        if self._held + size > self._most:
            raise UnavailableError(
                f"large requests of others hold {self._held} of {self._most} bytes; send it again",
                code=Code.TOO_MANY_BYTES,
                retry_after=RETRY_SECONDS,
            )
        self._held += size

    def give_back(self, size: int) -> None:
        """Give room back."""
        self._held -= size

    @property
    def small(self) -> int:
        """Up to which size a body is free, bytes."""
        return self._small

    def _too_large(self) -> TooLargeError:
        limit = self._limit
        return TooLargeError(f"the request is larger than {limit} bytes; send fewer rows at a time", limit=limit)


class _Share:
    """What one request holds of the room that there is."""

    __slots__ = ("_bodies", "_size", "_taken")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._size = 0
        self._taken = 0

    def grow(self, size: int) -> None:
        self._size += size
        if self._size > self._bodies.small:
            self._bodies.take(self._size - self._taken)
            self._taken = self._size

    def give_back(self) -> None:
        if self._taken:
            self._bodies.give_back(self._taken)
