"""Errors as answers: RFC 9457 problem details with a stable code, whatever went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regraft_core.codes import Code
from regraft_core.errors import (
    PROBLEM_JSON,
    BadRequestError,
    NotFoundError,
    RegraftError,
    UnauthorizedError,
)
from regraft_core.logs import get_logger
from regraft_trigger.metrics import Metrics, route_of

log = get_logger(__name__)

RETRY_AFTER = 5
"""Seconds after which to try again where the error itself does not say."""


class ForbiddenError(RegraftError):
    """A web page of another origin asked for something to be done."""

    code = Code.CROSS_SITE_REQUEST
    status = 403
    title = "Requests from other sites' pages are not accepted"


class MethodNotAllowedError(RegraftError):
    """There is something at this address, but not for this method."""

    code = Code.METHOD_NOT_ALLOWED
    status = 405
    title = "This method is not allowed here"

    def __init__(self, message: str, headers: Mapping[str, str] | None) -> None:
        super().__init__(message)
        self.allow = (headers or {}).get("Allow", "").replace("GET", "GET, HEAD")  # which every GET answers


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:regraft:problem:task_unknown"])
    title: str
    status: int
    detail: str = Field(description="What is wrong, for people")
    code: str = Field(description="What is wrong, for programs; stable")


class ProblemResponse(JSONResponse):
    """An error as problem details, with the headers that its status asks for."""

    media_type = PROBLEM_JSON

    def __init__(self, error: RegraftError) -> None:
        headers = {"Cache-Control": "no-store"}
        if isinstance(error, UnauthorizedError):
            headers["WWW-Authenticate"] = 'Bearer realm="regraft"'
        if error.status == 503:
            headers["Retry-After"] = str(getattr(error, "retry_after", RETRY_AFTER))
        if isinstance(error, MethodNotAllowedError):
            headers["Allow"] = error.allow
        super().__init__(error.problem(), status_code=error.status, headers=headers)


_DESCRIPTIONS = {
    400: "The request is not valid",
    401: "A bearer token is configured and the request carries none, or a wrong one",
    403: "Sent by a web page of another site",
    404: "There is no such thing",
    413: "The body is too large",
    409: "Not as things stand, such as the end of a run that has ended",
    422: "The Idempotency-Key was sent before with another body",
    503: "Not possible now; Retry-After says when to try again",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of OpenAPI for problems of these statuses, and for all others."""
    content = {PROBLEM_JSON: {"schema": Problem.model_json_schema()}}
    descriptions = {status: _DESCRIPTIONS[status] for status in statuses} | {"default": "Any other problem"}
    return {status: {"description": text, "content": content} for status, text in descriptions.items()}


ShowPage = Callable[[Request, RegraftError], Response | None]
"""Makes a page of an error, or None where the client would rather have problem details."""


def install_handlers(app: FastAPI, show_page: ShowPage) -> None:
    """Answer every error of the app with problem details, or with a page where a person asked for one."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = _answer(request.scope, error)
        return show_page(request, as_regraft_error(error)) or problem

    for kind in (RegraftError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)
    app.add_middleware(BugCatcher)


class BugCatcher:
    """ASGI middleware that answers what nobody expected with a problem too.

    A handler for ``Exception`` would not do: after it the error is raised again, and the server cuts the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer what is raised, unless an answer has begun."""
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        except ClientDisconnect:
            return  # nobody is there to be told
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await _answer(scope, error)(scope, receive, send)


def _answer(scope: Scope, error: Exception) -> ProblemResponse:
    known = as_regraft_error(error)
    if known.status == 500:
        log.error("request failed", method=scope["method"], path=scope["path"], exc_info=error)
    metrics: Metrics = scope["app"].state.service.metrics
    metrics.problems.labels(route_of(scope), known.code).inc()
    return ProblemResponse(known)


def as_regraft_error(error: Exception) -> RegraftError:
    """Return what a client may know of any error."""
    if isinstance(error, RegraftError) and error.status != 500:
        return error
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        name = str(first["loc"][-1])
        message = f"the parameter {name!r} is not valid: {first['msg']}"
        return BadRequestError(message, code=Code.PARAMETER_INVALID, parameter=name)
    if isinstance(error, HTTPException) and error.status_code == 404:
        return NotFoundError("there is nothing at this address", code=Code.ROUTE_UNKNOWN)
    if isinstance(error, HTTPException) and error.status_code == 405:
        return MethodNotAllowedError("what is at this address does not take this method", headers=error.headers)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return BadRequestError(error.detail)
    return RegraftError("an unexpected error happened; the log of the trigger service has it")
