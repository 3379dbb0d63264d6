"""How small requests to ``/predict`` are answered without ASGI, beside the ``Front`` that answers all others.

::

    take:    body -> columns -> the version's batch               (not taken: broken, asks for what is slow, no version)
    _answer: checked and predicted -> answer, written at once     (handed over: failed, or the connection needs care)

What is not taken goes to the front whole, which checks it anew and says what is wrong; so there is one place that knows
about errors. What is handed over with its answer is sent by ASGI messages, so that uvicorn sees to the connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

from regraft_inference import metrics
from regraft_inference.fast.wire import Reply, Scope
from regraft_inference.model import TaskModel, Version
from regraft_inference.request_id import ANSWER_HEADER, request_id

TYPE_AND_LENGTH = b"content-type: application/json\r\ncontent-length: %d\r\n"
REQUEST = b"regraft-request-id: %s\r\n\r\n"


class PredictionShortCut:
    """Answers the requests of one prediction path, each with the version that serves when the request is there."""

    def __init__(self, route: str, model: TaskModel) -> None:
        self._route = route
        self._model = model

    def take(self, body: bytes, reply: Reply) -> bool:
        """Check a request and put it into the batch of the next turn; False where the front has to answer."""
        version = self._model.version
        if version is None:
            return False
        try:
            request = request_id(reply.headers)
            return version.answer_soon(request, body, partial(self._answer, version, reply, request))
        except Exception:
            return False  # the front finds the same, and tells

    def _answer(self, version: Version, reply: Reply, request: bytes, body: bytes | Exception) -> None:
        if isinstance(body, Exception):
            reply.hand_over()  # to the front, which fails in the same way, and tells
        elif reply.send((TYPE_AND_LENGTH % len(body), version.header_lines, REQUEST % request, body)):
            self._count(version, reply)
        else:
            reply.hand_over(partial(self._send, version, reply, request, body))

    async def _send(
        self,
        version: Version,
        reply: Reply,
        request: bytes,
        body: bytes,
        _scope: Scope,
        _receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Send, as an ASGI application, an answer that is there."""
        length = b"%d" % len(body)
        named = [*version.headers, (ANSWER_HEADER, request)]
        headers = [(b"content-type", b"application/json"), (b"content-length", length), *named]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._count(version, reply)

    def _count(self, version: Version, reply: Reply) -> None:
        version.counter.answered += 1
        metrics.count_request(self._route, self._model.name, 200, perf_counter() - reply.began)
