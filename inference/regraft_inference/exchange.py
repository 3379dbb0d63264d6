"""A request on its way to its answer, and what every answer owes: the version that gave it, and errors as problems."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.types import Message, Receive, Scope, Send

from regraft_core.codes import Code
from regraft_core.errors import PROBLEM_JSON, BadRequestError, RegraftError, TooLargeError, UnavailableError
from regraft_inference.bodies import CodingNotReadError
from regraft_inference.model import SHA256_HEADER, VERSION_HEADER, TaskModel, Version
from regraft_inference.request_id import ANSWER_HEADER

type Headers = list[tuple[bytes, bytes]]

JSON_TYPE = b"application/json"
TEXT_TYPE = b"text/plain; charset=utf-8"

LINGER_SECONDS = 1.0
LINGER_BYTES = 64 << 20
"""How long and how much is dropped of a body over the limit before the connection is closed."""

NO_VERSION: Headers = [(VERSION_HEADER, b"none"), (SHA256_HEADER, b"none")]
"""What an answer says where no version serves."""

KSERVE_PATHS = ("/v1/", "/v2/", "/v2")
"""Paths of KServe's protocols, whose clients look for ``error`` in an answer that is none."""


class MethodError(BadRequestError):
    """The path exists, but not for this method."""

    code = Code.METHOD_NOT_ALLOWED
    status = 405
    title = "Method not allowed"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, the way to its answer, and the version that gives it: one from beginning to end."""

    scope: Scope
    receive: Receive
    send: Send
    model: TaskModel
    version: Version | None
    request_id: bytes = b""
    """Of a request for predictions; of others there is none."""

    def serving(self) -> Version:
        """Return the version that answers. Raises UnavailableError with the reason where none serves."""
        if self.version is None:
            raise self.model.unavailable()
        return self.version

    @property
    def owed_headers(self) -> Headers:
        """Headers that every answer owes: they name the version, and the request where that asks for predictions."""
        named = self.version.headers if self.version else NO_VERSION
        return [*named, (ANSWER_HEADER, self.request_id)] if self.request_id else named

    async def answer(
        self, status: int, body: bytes, content_type: bytes = JSON_TYPE, headers: Headers | None = None
    ) -> int:
        """Send an answer, and return its status."""
        length = (b"content-length", b"%d" % len(body))
        lines = [(b"content-type", content_type), length, *self.owed_headers, *(headers or ())]
        await self.send({"type": "http.response.start", "status": status, "headers": lines})
        await self.send({"type": "http.response.body", "body": body})
        return status

    async def answer_json(self, value: Mapping[str, Any]) -> int:
        """Send a good answer of JSON."""
        return await self.answer(200, orjson.dumps(value))

    async def refuse(self, error: RegraftError) -> int:
        """Send an error."""
        body = orjson.dumps(problem_of(error, self.scope["path"]))
        headers: Headers = []
        if isinstance(error, CodingNotReadError):
            headers.append((b"accept-encoding", b"gzip, deflate"))
        if isinstance(error, UnavailableError):
            headers.append((b"retry-after", str(error.retry_after).encode()))
        if isinstance(error, MethodError):
            headers.append((b"allow", error.details["allow"].encode()))
        if not isinstance(error, TooLargeError):
            return await self.answer(error.status, body, PROBLEM_JSON.encode(), headers)
        headers.append((b"connection", b"close"))
        return await replace(self, send=_lingering(self)).answer(error.status, body, PROBLEM_JSON.encode(), headers)


def problem_of(error: RegraftError, path: str) -> dict[str, Any]:
    """Return an error's problem details, with what clients of KServe's protocols read beside them."""
    problem = error.problem()
    return {**problem, "error": error.message} if path.startswith(KSERVE_PATHS) else problem


def failed() -> RegraftError:
    """Return the error of a bug."""
    return RegraftError("the predictor has failed; its log says why")


def without_body(send: Send) -> Send:
    """Return a way to send answers to HEAD: the headers are those of GET."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_head


def _lingering(exchange: Exchange) -> Send:
    """Return a way to send that, after the body, drops for a moment what the client is still sending.

    The connection ends with this answer. Closed at once, with unread data, it would be reset, and the answer be lost.
    """

    async def send(message: Any) -> None:
        if message["type"] != "http.response.body":
            return await exchange.send(message)
        await exchange.send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                dropped = 0
                while dropped < LINGER_BYTES and (part := await exchange.receive()).get("more_body"):
                    dropped += len(part["body"])
        await exchange.send({"type": "http.response.body", "body": b""})
        return None

    return send
