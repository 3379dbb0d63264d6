"""What clients send that are careless, hostile or slow, to a real server with an application that tells what it got."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import pytest
import uvicorn

from regraft_core.http import SPARE_FILES, BoundedProtocol, HttpLimits
from regraft_core.settings import HttpSettings
from tests.waiting import PATIENCE

HEAD = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"

BEGUN, RELEASED = threading.Semaphore(0), threading.Event()
"""Of requests to ``/held``: one more has come whole; they may be answered."""

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with path and body."""
    body, more = b"", scope["path"] != "/early"
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"] == "/held":
        BEGUN.release()
        while not RELEASED.is_set():  # noqa: ASYNC110  (another thread sets it)
            await asyncio.sleep(0.01)
    elif scope["path"] != "/early":
        await asyncio.sleep(0.05)
    text = json.dumps({"path": scope["path"], "body": body.decode()}).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


@contextmanager
def served(limits: HttpLimits) -> Iterator[int]:
    config = uvicorn.Config(
        echo,
        port=0,
        log_config=None,
        lifespan="off",
        ws="none",
        http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, limits=limits)),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served(HttpLimits(head_bytes=4096, request_seconds=0.5, bytes_per_second=1000, connections=20)) as found:
        yield found


def said(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send the parts and return all that comes back until the server closes, or is silent for too long."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        found = b""
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while block := connection.recv(65536):
                found += block
                if b'"body":' in found and b"close" not in found:
                    break
        except (TimeoutError, ConnectionError):
            pass
        return found


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["code"]


UPGRADES = [
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Upgrade: h2c\r\nConnection: keep-alive, upgrade\r\n",
]


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_an_upgrade_that_nobody_makes_is_left_aside_and_the_body_is_read(port: int, upgrade: bytes) -> None:
    request = HEAD + upgrade + b"\r\nhello"
    answer = said(port, request)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"path": "/echo", "body": "hello"}')


def test_an_upgrade_may_come_in_pieces_and_the_connection_goes_on(port: int) -> None:
    request = HEAD + UPGRADES[0] + b"\r\nhello"
    pieces = [request[at : at + 7] for at in range(0, len(request), 7)]
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        for _ in range(3):
            for piece in pieces:
                connection.sendall(piece)
            found = b""
            while b'"body": "hello"}' not in found:
                found += connection.recv(65536)


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n",),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", *([b"a" * 500] * 20)),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: a\r\n" % n for n in range(1000)) + b"\r\n",),
        (CHUNKED + b"5\r\nhello\r\n0\r\nX: ", *([b"a" * 500] * 20)),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", *([b"X: a\r\n" * 100] * 20)),
    ],
    ids=["one write", "without end", "address", "many", "trailer without end", "many trailers"],
)
def test_a_head_over_the_limit_is_431(port: int, parts: tuple[bytes, ...]) -> None:
    assert problem(said(port, *parts)) == (431, "request_head_too_large")


@pytest.mark.parametrize(
    "request_",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_could_be_understood_in_two_ways_is_refused(port: int, request_: bytes) -> None:
    assert problem(said(port, request_)) == (400, "http_invalid")


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
def test_another_version_of_http_is_505(port: int, version: bytes) -> None:
    assert problem(said(port, b"GET / HTTP/%s\r\nHost: a\r\n\r\n" % version)) == (505, "http_invalid")


def said_at_once(port: int, request: bytes) -> bytes:
    """Say all, close the way there, and return what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("count", [1, 3])
def test_a_client_that_has_said_all_still_hears_its_answers(port: int, count: int) -> None:
    answer = said_at_once(port, (HEAD + b"\r\nhello") * count)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b'"body": "hello"}') == count


def test_of_a_client_that_has_said_all_what_is_not_whole_is_left_aside(port: int) -> None:
    assert said_at_once(port, HEAD + b"\r\nhel") == b""
    assert said_at_once(port, HEAD + b"\r\nhello" + HEAD + b"\r\nhel").count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("half", [HEAD, HEAD + b"\r\nhel", b"G"])
def test_half_a_request_is_408_after_its_time(port: int, half: bytes) -> None:
    assert problem(said(port, half)) == (408, "request_timeout")


def test_half_of_a_later_request_on_the_connection_is_408_too(port: int) -> None:
    answer = said(port, HEAD + b"\r\nhello" + HEAD + b"\r\nhel", pause=2.5)
    first, _, second = answer.partition(b'"body": "hello"}')
    assert first.startswith(b"HTTP/1.1 200")
    assert problem(second) == (408, "request_timeout")


def test_a_connection_on_which_nothing_comes_is_closed(port: int) -> None:
    assert said(port) == b""


def test_a_large_body_may_take_as_long_as_its_size_at_the_least_rate(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n"
    answer = said(port, head, *([b"a" * 200] * 10), pause=0.1)
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_dripping_body_is_ended(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n"
    assert problem(said(port, head, *([b"a"] * 12), pause=0.1)) == (408, "request_timeout")


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(5))
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(requests)
        found = b""
        while found.count(b'"path"') < 5:
            found += connection.recv(65536)
    assert [found.index(b'"/%d"' % n) for n in range(5)] == sorted(found.index(b'"/%d"' % n) for n in range(5))


def test_a_good_request_is_answered_before_what_follows_it_ends_the_connection(port: int) -> None:
    answer = said(port, HEAD + b"\r\nhello" + b"nonsense\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"path": "/echo", "body": "hello"}')


def test_a_large_body_with_the_beginning_of_the_next_head_is_no_large_head(port: int) -> None:
    large = HEAD.replace(b"h: 5", b"h: 9000") + b"\r\n" + b"a" * 9000
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(large + HEAD)
        connection.sendall(b"\r\nhello")
        found = b""
        while found.count(b"HTTP/1.1 200") < 2 or not found.endswith(b"}"):
            found += connection.recv(65536)


def test_where_there_are_too_many_connections_the_one_that_waited_longest_makes_room() -> None:
    with served(HttpLimits(connections=3)) as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(3)]
        for connection in held:
            connection.sendall(HEAD)
            time.sleep(0.02)
        try:
            assert said(port, HEAD + b"\r\nhello").startswith(b"HTTP/1.1 200")
            assert problem(held[0].recv(65536)) == (408, "request_timeout")
            held[1].sendall(b"\r\nhello")
            assert held[1].recv(65536).startswith(b"HTTP/1.1 200")
        finally:
            for connection in held:
                connection.close()


def test_where_all_connections_are_being_answered_another_is_refused() -> None:
    with served(HttpLimits(connections=2)) as port:
        held = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(2)]
        try:
            RELEASED.clear()
            for connection in held:
                connection.sendall(HEAD.replace(b"/echo", b"/held") + b"\r\nhello")
            assert all(BEGUN.acquire(timeout=PATIENCE) for _ in held)
            assert problem(said(port)) == (503, "too_many_connections")
            RELEASED.set()
            for connection in held:
                assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        finally:
            RELEASED.set()
            for connection in held:
                connection.close()


def test_there_are_never_more_connections_than_files_may_be_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = HttpLimits.of(HttpSettings(max_connections=10_000_000))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limits.connections == min(10_000_000, allowed - SPARE_FILES)


def test_an_application_that_answers_what_was_refused_is_not_heard(caplog: pytest.LogCaptureFixture) -> None:
    with served(HttpLimits()) as port, socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(CHUNKED.replace(b"POST /", b"POST /early") + b"this is no chunk")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"\r\n\r\n") == 1
    assert [record.message for record in caplog.records if "Exception" in record.message] == []


def test_good_requests_are_answered_before_a_broken_one_behind_them_ends_the_connection() -> None:
    good = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
    for count in (1, 2):
        with (
            served(HttpLimits()) as port,
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
        ):
            connection.sendall(b"".join(good % one for one in range(count)) + CHUNKED + b"this is no chunk")
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert received.count(b"HTTP/1.1 200 ") == received.count(b"HTTP/1.1 ") == count
