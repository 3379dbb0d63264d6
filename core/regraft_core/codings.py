"""Content codings (RFC 9110, section 8.4): what a body is packed in on its way, taken as curl and browsers take it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

PACKINGS = ("gzip", "x-gzip", "deflate")
"""Codings that are read; a list of them is undone from its end."""

UNREADABLE = frozenset({"br", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "xz", "bzip2", "lzma"})
"""Codings that really pack and that nobody here asks for. Every other word packs nothing: ``utf-8``, ``none``."""

MOST_PACKINGS = 3
CHUNK_BYTES = 1 << 16
_PIECE_BYTES = 1 << 12
"""What follows the end of a member is copied: small pieces keep a million tiny members from costing a square."""


class CodingError(ValueError):
    """The body is not what its coding says."""


class CutShortError(CodingError):
    """The body ends before its coding does."""


class Unpacker(Protocol):
    """Takes a packed body in pieces and gives it unpacked, in pieces of bounded size."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece. Raises CodingError."""
        ...

    def finish(self) -> None:
        """The body has ended. Raises CutShortError where the coding has not."""
        ...


def packings(header: str) -> list[str]:
    """Return what a ``Content-Encoding`` says that a body is packed in, innermost first.

    Raises CodingError for what cannot be undone here.
    """
    words = [word.strip().lower() for word in header.split(",")]
    if strange := [word for word in words if word in UNREADABLE]:
        raise CodingError(f"it is packed as {strange[0]!r}, which is not read here; send it as it is, or with gzip")
    found = [word for word in words if word in PACKINGS]
    if len(found) > MOST_PACKINGS:
        raise CodingError(f"it is packed {len(found)} times, more than {MOST_PACKINGS}")
    return found


def unpacker(header: str) -> Unpacker:
    """Return what undoes a ``Content-Encoding``. Raises CodingError for what cannot be undone here."""
    stages: list[Unpacker] = [Deflate() if word == "deflate" else Gzip() for word in reversed(packings(header))]
    return _Chain(stages)


def unpacked(chunks: Iterable[bytes], header: str) -> Iterator[bytes]:
    """Yield a body without its codings; unpacked pieces have at most ``CHUNK_BYTES``. Raises CodingError."""
    stages = unpacker(header)
    for chunk in chunks:
        yield from stages.feed(chunk)
    stages.finish()


class _Chain:
    """Codings one in another."""

    def __init__(self, stages: list[Unpacker]) -> None:
        self._stages = stages

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece through all stages."""
        return self._through(0, data)

    def _through(self, stage: int, data: bytes) -> Iterator[bytes]:
        if stage == len(self._stages):
            yield data
            return
        for piece in self._stages[stage].feed(data):
            yield from self._through(stage + 1, piece)

    def finish(self) -> None:
        """Every stage must have come to its end."""
        for stage in self._stages:
            stage.finish()


class Gzip:
    """All members of a gzip file, one after the other (RFC 1952, section 2.2); zeros may fill it up at its end."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._members = 0
        self._filled_up = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece."""
        for start in range(0, len(data), _PIECE_BYTES):
            yield from self._piece(data[start : start + _PIECE_BYTES])

    def _piece(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._member is None:
                if self._members and piece[:1] != b"\x1f" and not (piece := self._after_the_end(piece)):
                    return
                if self._filled_up:
                    raise CodingError("bytes follow the end of its gzip data")
                self._member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            yield from _output(self._member, piece, "gzip")
            piece = self._member.unused_data
            if self._member.eof:
                self._member, self._members = None, self._members + 1

    def _after_the_end(self, piece: bytes) -> bytes:
        self._filled_up = True
        if rest := piece.lstrip(b"\0"):
            raise CodingError(f"bytes that are no gzip follow the end of its gzip data: {rest[:20]!r}")
        return rest

    def finish(self) -> None:
        """The last member must be whole."""
        if self._member is not None or not self._members:
            raise CutShortError("it stops in the middle of its gzip data")


class Deflate:
    """Deflate in zlib's frame, as RFC 9110 says, or without, as many servers send it."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self._begin = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece."""
        if self._stream is None:
            self._begin += data
            if len(self._begin) < 2:
                return
            data, self._begin = self._begin, b""
            self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS)
        if self._stream.eof:
            raise CodingError("bytes follow the end of its deflate data")
        yield from _output(self._stream, data, "deflate")
        if self._stream.unused_data:
            raise CodingError("bytes follow the end of its deflate data")

    def finish(self) -> None:
        """The stream must have come to its end."""
        if self._stream is None or not self._stream.eof:
            raise CutShortError("it stops in the middle of its deflate data")


def _has_zlib_header(data: bytes) -> bool:
    """Whether a stream begins as zlib's do, and goes on so: a few raw ones begin with two bytes that look alike."""
    if data[0] & 0x0F != 8 or int.from_bytes(data[:2]) % 31:
        return False
    try:
        zlib.decompressobj(wbits=zlib.MAX_WBITS).decompress(data[:_PIECE_BYTES], 1)
    except zlib.error:
        return False
    return True


def _output(stream: zlib._Decompress, data: bytes, name: str) -> Iterator[bytes]:
    """Yield what a piece unpacks to, in chunks, so that a small answer cannot fill the memory."""
    while True:
        try:
            chunk = stream.decompress(data, CHUNK_BYTES)
        except zlib.error as error:
            raise CodingError(f"it is not what it says, {name}: {error}") from error
        if chunk:
            yield chunk
        data = stream.unconsumed_tail
        if stream.eof or (not data and len(chunk) < CHUNK_BYTES):
            return
