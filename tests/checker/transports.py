"""Servers that were made to do harm: what they answer never ends, or lies, or comes too slowly."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, repeat

CSV = b"Password,Times\n" + b"".join(b"word%d,%d\n" % (number, number % 2) for number in range(500))
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20


@dataclass(frozen=True)
class Transport:
    """A way to answer: what is sent, piece by piece, and the codes that a run on it may end with."""

    name: str
    pieces: Callable[[], Iterable[bytes]]
    codes: frozenset[str]


def silence() -> Iterator[bytes]:
    """Nothing, for as long as somebody listens."""
    while True:
        time.sleep(0.2)
        yield b""


def dripping() -> Iterator[bytes]:
    """A line a moment, never silent for long."""
    yield OK + b"Content-Length: 1000000\r\n\r\nPassword,Times\n"
    for number in count():
        time.sleep(0.2)
        yield b"word%d,1\n" % number


def dripping_head() -> Iterator[bytes]:
    """Headers without an end, one a moment."""
    yield OK
    for number in count():
        time.sleep(0.2)
        yield b"X-%d: 1\r\n" % number


def endless_head() -> Iterator[bytes]:
    """Headers without an end, as fast as they are taken."""
    yield OK
    yield from (b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in count())


def endless_chunks() -> Iterator[bytes]:
    """Rows without an end."""
    yield CHUNKED
    yield from repeat(b"10000\r\n" + b"a,1\n" * 16_384 + b"\r\n")


def bomb() -> Iterator[bytes]:
    """Zeros without an end, which weigh a thousandth when they are packed."""
    packer = zlib.compressobj(9, wbits=31)
    first, more = (packer.compress(bytes(MIB)) + packer.flush(zlib.Z_SYNC_FLUSH) for _ in range(2))
    yield OK + b"Content-Encoding: gzip\r\n\r\n" + first
    yield from repeat(more)


def interim() -> Iterator[bytes]:
    """Answers that only say that another one comes."""
    yield from repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def of(*pieces: bytes) -> Callable[[], Iterable[bytes]]:
    """Return what sends these and hangs up."""
    return lambda: pieces


def codes(*names: str) -> frozenset[str]:
    """Return codes of the sources by the ends of their names."""
    return frozenset(f"source_{name}" for name in names)


TRANSPORTS = (
    Transport("silence", silence, codes("timeout")),
    Transport("dripping", dripping, codes("timeout", "truncated")),
    Transport("dripping_head", dripping_head, codes("timeout", "http_error")),
    Transport("endless_head", endless_head, codes("http_error")),
    Transport("endless_chunks", endless_chunks, codes("too_large")),
    Transport("bomb", bomb, codes("too_large", "timeout")),
    Transport("interim", interim, codes("timeout", "http_error")),
    Transport(
        "loop", of(b"HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"), codes("too_many_redirects")
    ),
    Transport("declared_long", of(OK + b"Content-Length: %d\r\n\r\n" % (len(CSV) + 9), CSV), codes("truncated")),
    Transport(
        "declared_huge", of(OK + b"Content-Length: 9%s\r\n\r\n" % (b"0" * 20), CSV), codes("too_large", "http_error")
    ),
    Transport("declared_negative", of(OK + b"Content-Length: -1\r\n\r\n", CSV), codes("http_error")),
    Transport("declared_twice", of(OK + b"Content-Length: 9\r\nContent-Length: 10\r\n\r\n", CSV), codes("http_error")),
    Transport("cut_chunk", of(CHUNKED + b"fffff\r\n" + CSV), codes("truncated", "http_error")),
    Transport("no_last_chunk", of(CHUNKED + b"%x\r\n%s\r\n" % (len(CSV), CSV)), codes("truncated", "http_error")),
    Transport(
        "cut_gzip",
        of(OK + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + zlib.compress(CSV, wbits=31)[:9]),
        codes("truncated"),
    ),
    Transport("no_http", of(b"220 mail.example.org ESMTP\r\n"), codes("http_error")),
)
"""All of them. None of what they send is a dataset that may be taken."""


@contextmanager
def hostile_server() -> Iterator[str]:
    """Serve each transport at the path of its name; lend the address."""
    pieces = {f"/{transport.name}".encode(): transport.pieces for transport in TRANSPORTS}
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            path = connection.recv(65536).split(b" ", 2)[1]
            for piece in pieces[path]():
                if ended.is_set():
                    return
                connection.sendall(piece)
                _raise_if_gone(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _raise_if_gone(connection: socket.socket) -> None:
    """Raise ConnectionError where the client has hung up: nothing that is sent would tell."""
    connection.setblocking(False)
    try:
        if connection.recv(1, socket.MSG_PEEK) == b"":
            raise ConnectionError
    except BlockingIOError:
        pass
    finally:
        connection.setblocking(True)
