"""Starlette's routes as we use them: a path with the name of a task in it, one method, and what answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from regraft_inference.exchange import Exchange, MethodError
from regraft_inference.model import TASK_NAME

type Answer = Callable[[Exchange], Awaitable[int]]
"""Sends the answer and returns its status. May raise RegraftError before that."""


class TaskConvertor(Convertor[str]):
    """The name of a task in a path, ``{task:task}``."""

    regex = TASK_NAME.pattern

    def convert(self, value: str) -> str:
        """Take the name as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Write the name as it is."""
        return value


register_url_convertor("task", TaskConvertor())


class TaskRoute(Route):
    """A path, the one method that it answers (and HEAD where that is GET), and what answers it."""

    def __init__(self, path: str, method: str, answer: Answer, run: Callable[..., Awaitable[None]]) -> None:
        super().__init__(path, endpoint=answer, methods=[method])
        self.method = method
        self.answer = answer
        self._run = run

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to this path, whatever its method."""
        allowed = scope["method"] in (self.methods or ())
        await self._run(self.path_format, self.answer if allowed else self._refuse_method, scope, receive, send)

    async def _refuse_method(self, exchange: Exchange) -> int:
        raise MethodError(
            f"{exchange.scope['path']} answers {self.method} only", allow=", ".join(sorted(self.methods or ()))
        )
