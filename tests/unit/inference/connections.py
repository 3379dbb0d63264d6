"""Real connections to an application behind the predictor's protocol, without a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn

from regraft_inference.fast.wire import Offer, ShortCutProtocol
from tests.waiting import PATIENCE

DEFAULT_HEADERS = [(b"date", b"today")]


@dataclass
class Connection:
    """One connection to the server, and the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: uvicorn.Server

    async def send(self, data: bytes, *, size: int | None = None) -> None:
        """Send at once, or in pieces that the server reads one after the other."""
        for first in range(0, len(data), size or len(data)):
            self.writer.write(data[first : first + (size or len(data))])
            await self.writer.drain()
            if size:
                await asyncio.sleep(0)

    async def answer(self) -> tuple[list[bytes], bytes]:
        """Return the lines of the head and the body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
        length = next(int(line.partition(b": ")[2]) for line in head if line.startswith(b"content-length"))
        return head, await self.reader.readexactly(length)

    async def ask(self, data: bytes, *, size: int | None = None) -> tuple[list[bytes], bytes]:
        """Send a request and return its answer."""
        await self.send(data, size=size)
        return await self.answer()

    async def closed(self) -> bool:
        """Whether the server sends no more and closes."""
        return await self.reader.read() == b""


type Talk = Callable[[Connection], Awaitable[None]]


def serve(app: Any, offer: Offer, talk: Talk, *, most_bytes: int = 1000) -> uvicorn.server.ServerState:
    """Let a client talk to an application, and return the server's state when all connections have ended."""

    async def run() -> uvicorn.server.ServerState:
        config = uvicorn.Config(app, interface="asgi3", lifespan="off", ws="none", log_config=None, access_log=False)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        server.servers = []
        server.server_state.default_headers = DEFAULT_HEADERS

        def protocol() -> ShortCutProtocol:
            return ShortCutProtocol(config, server.server_state, {}, offer=offer, most_bytes=most_bytes)

        listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        async with listening, asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2])
            await talk(Connection(reader, writer, server))
            writer.close()
            while server.server_state.connections or server.server_state.tasks:  # noqa: ASYNC110  # there is no event for it
                await asyncio.sleep(0.001)
        return server.server_state

    return asyncio.run(run())
