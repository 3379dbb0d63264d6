from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from regraft.inference.wire import WHOLE_ANSWER, WholeAnswerProtocol, head_of

HEAD = head_of([(b"content-type", b"text/plain"), (b"regraft-model-version", b"7")])
REQUEST = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers ``/whole`` by the extension where that is possible, all else the ordinary way."""
    body = scope["path"].encode()
    if scope["path"] != "/parts" and scope["extensions"][WHOLE_ANSWER](HEAD, body):
        return
    headers = [(b"content-length", b"%d" % len(body)), (b"way", b"ordinary")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter, uvicorn.Server], Awaitable[None]],
) -> None:
    """Let a client talk to the application."""

    async def run() -> None:
        config = uvicorn.Config(
            application, http=WholeAnswerProtocol, lifespan="off", ws="none", log_config=None, access_log=False
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        server.server_state.default_headers = [(b"date", b"today")]

        def protocol() -> WholeAnswerProtocol:
            return WholeAnswerProtocol(config, server.server_state, {})

        listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        async with listening:
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2])
            await talk(reader, writer, server)
            writer.close()
            await writer.wait_closed()
            while server.server_state.connections:  # noqa: ASYNC110  # uvicorn has no event for it
                await asyncio.sleep(0.001)

    asyncio.run(run())


async def answer(reader: asyncio.StreamReader) -> tuple[list[bytes], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    length = next(int(line.partition(b": ")[2]) for line in head if line.startswith(b"content-length"))
    return head, await reader.readexactly(length)


def test_both_ways_share_a_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: uvicorn.Server) -> None:
        for path in (b"whole", b"parts", b"whole"):
            writer.write(REQUEST % path)
            head, body = await answer(reader)
            assert body == b"/" + path
            assert head[0] == b"HTTP/1.1 200 OK"
            assert (b"way: ordinary" in head) == (path == b"parts")
            assert b"date: today" in head
        assert head[1:3] == [b"content-type: text/plain", b"regraft-model-version: 7"]
        assert server.server_state.total_requests == 3

    serve(talk)


def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: uvicorn.Server) -> None:
        paths = [b"whole/1", b"parts", b"whole/2", b"whole/3"]
        writer.write(b"".join(REQUEST % path for path in paths))
        assert [(await answer(reader))[1] for _ in paths] == [b"/" + path for path in paths]

    serve(talk)


@pytest.mark.parametrize(
    "request_bytes", [b"GET /whole HTTP/1.0\r\n\r\n", b"GET /whole HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"]
)
def test_a_connection_that_ends_is_answered_the_ordinary_way(request_bytes: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: uvicorn.Server) -> None:
        writer.write(request_bytes)
        head, body = await answer(reader)
        assert (body, b"way: ordinary" in head, b"connection: close" in head) == (b"/whole", True, True)
        assert await reader.read() == b""

    serve(talk)


def test_a_server_that_ends_says_so_in_each_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: uvicorn.Server) -> None:
        server.server_state.default_headers = [(b"date", b"today"), (b"connection", b"close")]
        writer.write(REQUEST % b"whole")
        head, _ = await answer(reader)
        assert b"connection: close" in head
        assert await reader.read() == b""

    serve(talk)


def test_nothing_is_written_for_a_client_that_has_gone() -> None:
    class Transport:
        def write(self, data: bytes) -> None:
            raise AssertionError("written")

    class Cycle:
        keep_alive, disconnected, access_log = True, True, False
        transport = Transport()

        class flow:  # noqa: N801
            write_paused = False

    from regraft.inference.wire import _answer  # noqa: PLC0415

    assert _answer(Cycle, b"", b"")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [b"1\r\nx: y", b"\x00", b"\x7f"])
def test_what_is_no_header_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        head_of([(b"regraft-model-version", value)])
