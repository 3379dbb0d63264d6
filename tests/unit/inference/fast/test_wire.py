from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from regraft_inference.fast.wire import Reply, Scope, ShortCutProtocol
from regraft_inference.headers import header_lines
from tests.unit.inference.connections import Connection, serve

POST = b"POST /%b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b"
CHUNKED = b"POST /quick HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"


def post(body: bytes, path: bytes = b"quick") -> bytes:
    return POST % (path, len(body), body)


@dataclass
class Server:
    """An application that sends a request's body back, and a short cut to it; each says that it was the way."""

    app_saw: list[bytes] = field(default_factory=list)
    waiting: list[tuple[Reply, bytes]] = field(default_factory=list)
    """What the short cut has taken and keeps back because it begins with ``wait``."""

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if message["type"] == "http.request":
            assert dict(scope["headers"]).get(b"content-length", b"%d" % len(body)) == b"%d" % len(body)
        self.app_saw.append(b"(gone)" if message["type"] == "http.disconnect" else body)
        await asyncio.sleep(0.01 if body.startswith(b"slow") else 0)
        headers = [(b"content-length", b"%d" % len(body)), (b"way", b"ordinary")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def offer(self, scope: Scope) -> Server | None:
        return self if scope["path"] == "/quick" else None

    def take(self, body: bytes, reply: Reply) -> bool:
        if body.startswith(b"decline"):
            return False
        if body.startswith(b"wait"):
            self.waiting.append((reply, body))
        else:
            asyncio.get_running_loop().call_soon(self.answer, reply, body)
        return True

    def answer(self, reply: Reply, body: bytes) -> None:
        if body.startswith(b"fail") or not reply.send((b"content-length: %d\r\nway: short\r\n\r\n" % len(body), body)):
            reply.hand_over()

    def answer_waiting(self) -> None:
        while self.waiting:
            self.answer(*self.waiting.pop(0))

    async def until_taken(self) -> None:
        while not self.waiting:  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.001)


def way(head: list[bytes]) -> bytes:
    assert head[:2] == [b"HTTP/1.1 200 OK", b"date: today"]
    return next(line for line in head if line.startswith(b"way: ")).removeprefix(b"way: ")


def play(*requests: tuple[bytes, bytes, bytes], size: int | None = None, at_once: bool = False) -> Server:
    """Send requests on one connection, each with the body and the way of the answer that it must get."""
    server = Server()

    async def talk(connection: Connection) -> None:
        if at_once:
            await connection.send(b"".join(data for data, *_ in requests), size=size)
        for data, body, expected in requests:
            head, found = await (connection.answer() if at_once else connection.ask(data, size=size))
            assert (found, way(head)) == (body, expected)
            assert b"connection: close" not in head

    state = serve(server, server.offer, talk)
    assert state.total_requests == len(requests)
    return server


def test_both_ways_share_a_connection() -> None:
    one = (post(b"one"), b"one", b"short")
    server = play(one, (post(b"two", b"other"), b"two", b"ordinary"), one, one)
    assert server.app_saw == [b"two"]


def parsed(protocol: ShortCutProtocol) -> list[bytes]:
    """Note what is parsed from now on."""
    found: list[bytes] = []
    feed = protocol._feed

    def note(data: bytes) -> bool:
        found.append(data)
        return feed(data)

    protocol._feed = note  # type: ignore[method-assign]
    return found


def test_a_head_that_comes_again_is_not_parsed_again() -> None:
    server = Server()
    again = [b"two", b"", b"x" * 500, b"decline this", b"five", b"fail", b"seven", b"eight"]
    ways = [b"short", b"short", b"short", b"ordinary", b"short", b"ordinary", b"short", b"short"]

    async def talk(connection: Connection) -> None:
        await connection.ask(post(b"one"))
        (protocol,) = connection.server.server_state.connections
        found = parsed(cast("ShortCutProtocol", protocol))
        for body, expected in zip(again, ways, strict=True):
            head, answer = await connection.ask(post(body))
            assert (answer, way(head)) == (body, expected)
        # What an application has had its hands on is read anew.
        assert found == [post(b"five"), post(b"seven")]

    state = serve(server, server.offer, talk)
    assert state.total_requests == 1 + len(again)


@pytest.mark.parametrize(
    "data",
    [
        post(b"one").replace(b"length: 3", b"length: 03"),
        post(b"one").replace(b"length: 3", b"length: +3"),
        post(b"one").replace(b"length: 3", b"length:"),
        post(b"one").replace(b"length: 3", b"length: 3\r\ncontent-length: 3"),
        post(b"one").replace(b"quick HTTP/1.1", b"quick HTTP/1.0"),
        post(b"one").replace(b"host: x", b"host: y\r\nhost: x"),
        post(b"one") + b"\r\n",
        post(b"one", b"other"),
        CHUNKED,
        b"\x00",
    ],
)
def test_after_a_head_that_is_known_all_others_are_read_as_without_it(data: bytes) -> None:
    def told(*before: bytes) -> bytes:
        found: list[bytes] = []
        server = Server()

        async def talk(connection: Connection) -> None:
            for each in before:
                await connection.ask(each)
            await connection.send(data)
            connection.writer.write_eof()
            found.append(await connection.reader.read())

        serve(server, server.offer, talk)
        return found[0]

    assert told(post(b"two"), post(b"two")) == told()


def test_a_known_head_is_of_its_connection_and_bounds_hold_for_it() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.ask(post(b"one"))
        head, _ = await connection.ask(post(b"x" * 1001))
        assert way(head) == b"ordinary"
        connection.server.server_state.default_headers = [(b"date", b"today"), (b"connection", b"close")]
        head, body = await connection.ask(post(b"three"))
        assert (body, b"connection: close" in head) == (b"three", True)
        assert await connection.closed()

    serve(server, server.offer, talk)


@pytest.mark.parametrize("size", [None, 1, 7, 64])
def test_pipelined_requests_are_answered_in_their_order(size: int | None) -> None:
    play(
        (post(b"one"), b"one", b"short"),
        (post(b"two"), b"two", b"short"),
        (post(b"slow three", b"other"), b"slow three", b"ordinary"),
        (post(b"four"), b"four", b"short"),
        (post(b"decline five"), b"decline five", b"ordinary"),
        (post(b"fail six"), b"fail six", b"ordinary"),
        (CHUNKED, b"one", b"ordinary"),
        (post(b"seven"), b"seven", b"short"),
        at_once=True,
        size=size,
    )


@pytest.mark.parametrize("before", [[], [post(b"zero")]], ids=["first", "known"])
def test_what_is_behind_a_request_that_waits_waits_too(before: list[bytes]) -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        for each in before:
            await connection.ask(each)
        if before:
            await connection.send(post(b"wait"))
            await server.until_taken()
            await connection.send(post(b"two") + post(b"three", b"other"))
            await asyncio.sleep(0.01)
            server.answer_waiting()
            assert [(await connection.answer())[1] for _ in range(3)] == [b"wait", b"two", b"three"]
            server.app_saw.clear()
        await connection.send(post(b"wait") + post(b"two") + post(b"three", b"other"))
        await server.until_taken()
        await asyncio.sleep(0.01)
        assert server.app_saw == []
        server.answer_waiting()
        assert [(await connection.answer())[1] for _ in range(3)] == [b"wait", b"two", b"three"]

    serve(server, server.offer, talk)


@pytest.mark.parametrize("size", [1, 5])
def test_a_request_may_come_byte_by_byte(size: int) -> None:
    play((post(b"one"), b"one", b"short"), (post(b"decline"), b"decline", b"ordinary"), size=size)


@pytest.mark.parametrize(
    "data",
    [
        CHUNKED,
        b"POST /quick HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /quick HTTP/1.1\r\nhost: x\r\n\r\n",
        post(b"x" * 1001),
        post(b"x" * 200_000),
        post(b"one").replace(b"\r\n\r\n", b"\r\ncontent-encoding: br\r\n\r\n"),
        post(b"decline"),
        post(b"fail"),
    ],
)
def test_what_is_not_plain_goes_the_ordinary_way(data: bytes) -> None:
    body = b"one" if data == CHUNKED else data.partition(b"\r\n\r\n")[2]
    play((data, body, b"ordinary"), (post(b"one"), b"one", b"short"))


def test_the_body_may_be_awaited_with_100_continue() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.send(b"POST /quick HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        head, body = await connection.ask(b"one")
        assert (way(head), body) == (b"ordinary", b"one")

    serve(server, server.offer, talk)


@pytest.mark.parametrize(
    "head",
    [b"POST /quick HTTP/1.0\r\n", b"POST /quick HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"],
)
def test_a_connection_that_ends_is_answered_the_ordinary_way(head: bytes) -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        lines, body = await connection.ask(head + b"content-length: 3\r\n\r\none")
        assert (body, way(lines), b"connection: close" in lines) == (b"one", b"ordinary", True)
        assert await connection.closed()

    serve(server, server.offer, talk)


def test_a_server_that_ends_says_so_in_each_answer() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        connection.server.server_state.default_headers = [(b"date", b"today"), (b"connection", b"close")]
        head, body = await connection.ask(post(b"one"))
        assert (body, b"connection: close" in head) == (b"one", True)
        assert await connection.closed()

    serve(server, server.offer, talk)


def test_a_request_that_waits_is_answered_before_the_server_ends() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.send(post(b"wait"))
        await server.until_taken()
        ending = asyncio.create_task(connection.server.shutdown())
        await asyncio.sleep(0.02)
        assert not ending.done()
        server.answer_waiting()
        head, body = await connection.answer()
        assert (body, b"connection: close" in head) == (b"wait", True)
        assert await connection.closed()
        await ending

    serve(server, server.offer, talk)


def test_a_request_that_is_still_coming_when_the_server_ends_is_answered() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.send(post(b"one")[:-1])
        await asyncio.sleep(0.02)
        ending = asyncio.create_task(connection.server.shutdown())
        await asyncio.sleep(0.02)
        head, body = await connection.ask(b"e")
        assert (body, b"connection: close" in head) == (b"one", True)
        await ending

    serve(server, server.offer, talk)


def test_the_application_hears_of_a_client_that_has_gone_while_it_sent() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.send(post(b"one")[:-1])
        await asyncio.sleep(0.02)

    serve(server, server.offer, talk)
    assert server.app_saw == [b"(gone)"]


def test_nothing_is_written_for_a_client_that_has_gone() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.send(post(b"wait"))
        await server.until_taken()
        # With a reset: a client that only says that it has said all is still answered.
        reset = struct.pack("ii", 1, 0)
        connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        connection.writer.transport.abort()
        while connection.server.server_state.connections:  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.001)
        server.answer_waiting()

    assert serve(server, server.offer, talk).total_requests == 1
    assert server.app_saw == []


def test_a_client_that_does_not_read_is_waited_for() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.send(post(b"wait"))
        await server.until_taken()
        (protocol,) = connection.server.server_state.connections
        protocol.pause_writing()
        server.answer_waiting()
        await asyncio.sleep(0.01)
        assert server.app_saw == [b"wait"]
        protocol.resume_writing()
        head, body = await connection.answer()
        assert (way(head), body) == (b"ordinary", b"wait")

    serve(server, server.offer, talk)


def test_what_is_no_http_is_refused_behind_an_answer() -> None:
    server = Server()

    async def talk(connection: Connection) -> None:
        await connection.ask(post(b"one"))
        await connection.send(b"\x00\x01\r\n\r\n")
        assert (await connection.reader.read()).startswith(b"HTTP/1.1 400 Bad Request\r\n")

    serve(server, server.offer, talk)


@pytest.mark.parametrize("value", [b"1\r\nx: y", b"\x00", b"\x7f"])
def test_what_is_no_header_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        header_lines([(b"regraft-model-version", value)])
