"""The least that an RSGI application can do with a request: read it and answer always the same."""

from __future__ import annotations

from typing import Any

ANSWER = b'{"Times":[0.0]}'
HEADERS = [("content-type", "application/json")]


async def app(_scope: Any, protocol: Any) -> None:
    """Answer one request."""
    await protocol()
    protocol.response_bytes(200, HEADERS, ANSWER)
