"""The application: a thin ASGI layer of ours, and KServe's FastAPI application behind it.

    request -> Front -> /predict, /health, /schema, ...   answered here: JSON in, one vectorised call, JSON out
                     -> /v1/..., /v2/...                  passed on to KServe's own endpoints
            -> PredictionShortCut                         small good requests to /predict do not even come here

The front answers what has to be fast, and sees to what every answer owes: the version that answered in the headers, a
bounded body, problem details for every error, a count in the metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ServerNotReady
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.v1_endpoints import register_v1_endpoints
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from starlette.exceptions import HTTPException

from regraft_core.errors import (
    PROBLEM_JSON,
    BadRequestError,
    NotFoundError,
    RegraftError,
    TooLargeError,
    UnavailableError,
)
from regraft_core.logs import get_logger
from regraft_inference import metrics
from regraft_inference.bodies import CodingNotReadError, GoneError, Message, Receive, Scope, read_body
from regraft_inference.bundle import MLFLOW_VERSION
from regraft_inference.fast.short_cut import PredictionShortCut
from regraft_inference.formats import parse_json
from regraft_inference.model import (
    ANSWERING,
    SHA256_HEADER,
    TASK_NAME,
    VERSION_HEADER,
    StrictDataPlane,
    TaskModel,
    TaskRepository,
    Version,
)
from regraft_inference.openapi import openapi
from regraft_inference.settings import PredictorSettings

log = get_logger(__name__)

type Send = Callable[[Message], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON_TYPE = b"application/json"
METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BINARY_HEADER = b"inference-header-content-length"
"""Header of the V2 protocol's binary extension: how long the JSON at the beginning of the body is."""

LOAD_PATH = re.compile(rf"/v2/repository/models/({TASK_NAME.pattern})/load")

LINGER_SECONDS = 1.0
LINGER_BYTES = 64 << 20
"""How long and how much is dropped of a body over the limit before the connection is closed."""

GONE = 499
"""Status that is counted where the client has gone before it could be answered, as nginx does."""

NO_VERSION: Headers = [(VERSION_HEADER, b"none"), (SHA256_HEADER, b"none")]
"""What an answer says where no version serves."""


class MethodError(BadRequestError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"
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

    def serving(self) -> Version:
        """Return the version that answers. Raises UnavailableError with the reason where none serves."""
        if self.version is None:
            raise self.model.unavailable()
        return self.version


type Answer = Callable[[Exchange], Awaitable[int]]
"""Sends the answer and returns its status. May raise RegraftError before that."""


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path."""

    name: str
    method: str | None
    """The one method that is answered; None: any."""
    model: TaskModel
    answer: Answer
    short_cut: PredictionShortCut | None = None
    """What may answer its small requests without ASGI."""


class Front:
    """The ASGI application of the predictor."""

    def __init__(self, repository: TaskRepository, settings: PredictorSettings) -> None:
        self._repository = repository
        self._settings = settings
        self._kserve: App = kserve_application(repository)
        self._routes = self._table()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the predictor speaks http, not {scope['type']}")
        began = perf_counter()
        route = self._routes.get(scope["path"]) or self._elsewhere(scope["path"])
        if scope["method"] == "HEAD" and route.method == "GET":
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        exchange = Exchange(scope, receive, send, route.model, route.model.version)
        try:
            answer = route.answer if route.method in {scope["method"], None} else self._wrong_method
            status = await answer(exchange)
        except RegraftError as error:
            status = await _send_problem(exchange, error)
        except GoneError:
            status = GONE
        except Exception:
            log.exception("request failed", path=scope["path"], task=route.model.name)
            status = await _send_problem(exchange, _failed())
        metrics.count_request(route.name, route.model.name, status, perf_counter() - began)

    def short_cut(self, scope: Scope) -> PredictionShortCut | None:
        """Return what may answer a request before it becomes an ASGI message, None where nothing may."""
        route = self._routes.get(scope["path"])
        return route.short_cut if route is not None and route.method == scope["method"] else None

    def _table(self) -> dict[str, Route]:
        """Return all paths that there are; with each task that comes into service there are more."""
        models = self._repository.models
        default = self._repository.default
        table: dict[str, Route] = {}

        def add(path: str, method: str, answer: Answer, model: TaskModel) -> None:
            name = path.replace(f"/{model.name}", "/{task}")
            short_cut = PredictionShortCut(name, model) if answer == self._predict else None
            table[path] = Route(name, method, model, answer, short_cut)

        for prefix, model in [*((f"/{name}", model) for name, model in models.items()), ("", default)]:
            add(f"{prefix}/predict", "POST", self._predict, model)
            add(f"{prefix}/invocations", "POST", self._invocations, model)
            add(f"{prefix}/schema", "GET", self._schema, model)
            add(f"{prefix}/health", "GET", self._task_health if prefix else self._health, model)
        for name, model in models.items():
            add(f"/v1/models/{name}", "GET", self._metadata, model)
            add(f"/v1/models/{name}:predict", "POST", self._infer, model)
            add(f"/v2/models/{name}", "GET", self._metadata, model)
            add(f"/v2/models/{name}/ready", "GET", self._metadata, model)
            add(f"/v2/models/{name}/infer", "POST", self._infer, model)
        for path in ("/", "/v1/models", "/v2", "/v2/models", "/v2/health/live", "/v2/health/ready"):
            add(path, "GET", self._pass_to_kserve, default)
        add("/ping", "GET", self._health, default)
        add("/version", "GET", self._mlflow_version, default)
        add("/metrics", "GET", self._metrics, default)
        add("/openapi.json", "GET", self._openapi, default)
        return table

    def _elsewhere(self, path: str) -> Route:
        """Return the route of a path that is not in the table: loading a task, which may be new, or nothing."""
        default = self._repository.default
        if self._repository.folder is not None and (load := LOAD_PATH.fullmatch(path)):
            model = self._repository.get_model(load[1]) or default
            return Route("/v2/repository/models/{task}/load", "POST", model, self._load)
        if _plain(path) != path and (route := self._routes.get(_plain(path))) is not None:
            return Route(route.name, None, route.model, self._redirect)
        return Route("unknown", None, default, self._not_found)

    async def _redirect(self, exchange: Exchange) -> int:
        """Lead from a path with a slash too many to the one that is meant; the method and the body stay."""
        query = exchange.scope.get("query_string", b"")
        location = _plain(exchange.scope["path"]).encode() + (b"?" + query if query else b"")
        return await _send(exchange, 307, b"", headers=[(b"location", location)])

    async def _not_found(self, exchange: Exchange) -> int:
        path, tasks = exchange.scope["path"][:200], ", ".join(self._repository.models) or "none yet"
        raise NotFoundError(f"there is nothing at {path!r}; the tasks here are: {tasks}", code="path_unknown")

    async def _wrong_method(self, exchange: Exchange) -> int:
        path = exchange.scope["path"]
        method = self._routes[path].method if path in self._routes else "POST"
        raise MethodError(f"{path} answers {method} only", allow=method)

    async def _predict(self, exchange: Exchange) -> int:
        version = exchange.serving()
        body = await self._body(exchange)
        if len(body) > self._settings.background_bytes:
            return await _send(exchange, 200, await asyncio.to_thread(version.answer, body))
        return await _send(exchange, 200, await version.answer_together(body))

    async def _invocations(self, exchange: Exchange) -> int:
        """Answer as MLflow's scoring server does."""
        version = exchange.serving()
        answer = await asyncio.to_thread(version.answer_as_mlflow, await self._body(exchange))
        return await _send(exchange, 200, answer)

    async def _mlflow_version(self, exchange: Exchange) -> int:
        return await _send(exchange, 200, MLFLOW_VERSION.encode(), b"text/plain; charset=utf-8")

    async def _health(self, exchange: Exchange) -> int:
        """Answer 200 only where every task has a version that has repeated its golden requests."""
        models = list(self._repository.models.values()) or [exchange.model]
        waiting = [model.unavailable() for model in models if model.version is None]
        if waiting:
            reasons = "; ".join(error.message for error in waiting)
            raise UnavailableError(reasons, code=waiting[0].code, **waiting[0].details)
        return await _send_health(exchange, [model.version for model in models if model.version])

    async def _task_health(self, exchange: Exchange) -> int:
        return await _send_health(exchange, [exchange.serving()])

    async def _schema(self, exchange: Exchange) -> int:
        bundle = exchange.serving().bundle
        contract, asked = bundle.contract, bundle.gives_probabilities
        request, answer = contract.request_schema(probabilities=asked), contract.answer_schema(probabilities=asked)
        return await _send_json(exchange, {"task": contract.task, "request": request, "answer": answer})

    async def _openapi(self, exchange: Exchange) -> int:
        models = self._repository.models.values()
        bundles = {model.name: model.version.bundle for model in models if model.version}
        contracts = {name: bundle.contract for name, bundle in bundles.items()}
        classifiers = {name for name, bundle in bundles.items() if bundle.gives_probabilities}
        document = openapi(contracts, default=exchange.model.name, probabilities=classifiers)
        return await _send_json(exchange, document)

    async def _metrics(self, exchange: Exchange) -> int:
        return await _send(exchange, 200, metrics.exposition(), METRICS_TYPE)

    async def _load(self, exchange: Exchange) -> int:
        """Take a task's new bundle into service, and answer in the name of the version that serves from now on."""
        task = LOAD_PATH.fullmatch(exchange.scope["path"])[1]  # type: ignore[index]  # how the route was found
        model = await self._repository.load(task)
        self._routes = self._table()
        return await _send_json(replace(exchange, version=model.version), {"name": task, "load": True})

    async def _metadata(self, exchange: Exchange) -> int:
        exchange.serving()
        return await self._pass_to_kserve(exchange)

    async def _infer(self, exchange: Exchange) -> int:
        """Let KServe answer, once the JSON is known to be JSON: KServe takes NaN, lone surrogates and endless depth."""
        exchange.serving()
        body = await self._body(exchange)
        parse_json(_json_part(exchange.scope, body))
        return await self._pass_to_kserve(replace(exchange, scope=_said_to_be_json(exchange.scope)), body)

    async def _pass_to_kserve(self, exchange: Exchange, body: bytes = b"") -> int:
        status = 0
        request = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            return next(request, None) or await exchange.receive()

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *_version_headers(exchange)]
            await exchange.send(message)

        ANSWERING.set(exchange.version)
        try:
            await self._kserve(exchange.scope, receive, send)
        except Exception:
            if not status:
                raise
            log.exception("request failed behind KServe", path=exchange.scope["path"], task=exchange.model.name)
        return status

    async def _body(self, exchange: Exchange) -> bytes:
        return await read_body(exchange.scope, exchange.receive, self._settings.max_request_bytes)


def kserve_application(repository: TaskRepository) -> FastAPI:
    """Return KServe's endpoints in an application of their own, with errors as problem details.

    KServe's ``RESTServer`` would add them to an application that is global to its module, with a log line for each
    request and with error handlers that make 500 of what is the client's fault.
    """
    app = FastAPI(title="KServe", openapi_url=None, docs_url=None, redoc_url=None)
    dataplane = StrictDataPlane(model_registry=repository)
    app.add_api_route("/", dataplane.live, methods=["GET"])
    extension = ModelRepositoryExtension(model_registry=repository)
    register_v1_endpoints(app, dataplane, extension)
    register_v2_endpoints(app, dataplane, extension)
    for kind in (RegraftError, RequestValidationError, HTTPException, InvalidInput, ServerNotReady, Exception):
        app.add_exception_handler(kind, _problem_response)
    return app


async def _problem_response(request: Request, error: Exception) -> Response:
    """Answer an error that was raised behind KServe's endpoints."""
    known = error if isinstance(error, RegraftError) else _translated(error)
    problem = known.problem()
    if request.url.path.startswith("/v2/"):
        problem["error"] = known.message
    return Response(orjson.dumps(problem), known.status, media_type=PROBLEM_JSON)


def _translated(error: Exception) -> RegraftError:
    if isinstance(error, ServerNotReady):
        return UnavailableError("not every task has a version that serves; /health says why", code="not_ready")
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return BadRequestError(f"{where}: {first['msg']}", code="not_decodable")
    if isinstance(error, HTTPException | InvalidInput):
        return BadRequestError(str(error), code="not_decodable")
    return _failed()


def _state(version: Version) -> dict[str, Any]:
    info = version.bundle.info
    return {
        "task": info.task,
        "version": version.bundle.version,
        "data_sha256": info.data_sha256,
        "run_id": info.run_id,
        "created_at": info.created_at,
    }


def _json_part(scope: Scope, body: bytes) -> bytes:
    """Return the part of a V1 or V2 body that has to be JSON: all of it, unless the binary extension says how much."""
    for name, value in scope["headers"]:
        if name == BINARY_HEADER:
            if not value.isdigit() or len(value) > len(str(len(body))) or int(value) > len(body):
                raise BadRequestError(
                    f"{BINARY_HEADER.decode()} must be the length of the JSON in a body of {len(body)} bytes",
                    code="not_decodable",
                )
            return body[: int(value)]
    return body


def _plain(path: str) -> str:
    """Return a path without slashes that stand twice or at its end."""
    return "/" + "/".join(part for part in path.split("/") if part)


def _without_body(send: Send) -> Send:
    """Return a way to send answers to HEAD: the headers are those of GET."""

    async def send_head(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_head


def _said_to_be_json(scope: Scope) -> Scope:
    """Return the scope with the content type of JSON, unless the binary extension says how the body is made.

    KServe takes a V2 body of another type, or of none, for binary; clients leave the type out.
    """
    headers = scope["headers"]
    if any(name == BINARY_HEADER for name, _ in headers):
        return scope
    others = [(name, value) for name, value in headers if name != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", JSON_TYPE)]}


def _failed() -> RegraftError:
    return RegraftError("the predictor has failed; its log says why")


def _version_headers(exchange: Exchange) -> Headers:
    return exchange.version.headers if exchange.version else NO_VERSION


async def _send_json(exchange: Exchange, value: Mapping[str, Any]) -> int:
    return await _send(exchange, 200, orjson.dumps(value))


async def _send_health(exchange: Exchange, versions: list[Version]) -> int:
    return await _send_json(exchange, {"status": "ready", "models": [_state(version) for version in versions]})


async def _send_problem(exchange: Exchange, error: RegraftError) -> int:
    problem = error.problem()
    if exchange.scope["path"].startswith("/v2/"):  # the protocol's own field, which its clients read
        problem["error"] = error.message
    body = orjson.dumps(problem)
    headers: Headers = []
    if isinstance(error, CodingNotReadError):
        headers.append((b"accept-encoding", b"gzip, deflate"))
    if isinstance(error, UnavailableError):
        headers.append((b"retry-after", str(error.retry_after).encode()))
    if isinstance(error, MethodError):
        headers.append((b"allow", error.details["allow"].encode()))
    if isinstance(error, TooLargeError):
        headers.append((b"connection", b"close"))
        linger = replace(exchange, send=_lingering(exchange))
        return await _send(linger, error.status, body, PROBLEM_JSON.encode(), headers)
    return await _send(exchange, error.status, body, PROBLEM_JSON.encode(), headers)


def _lingering(exchange: Exchange) -> Send:
    """Return a way to send that, after the body, drops for a moment what the client is still sending.

    The connection ends with this answer. Closed at once, with unread data, it would be reset, and the answer be lost.
    """

    async def send(message: Message) -> None:
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


async def _send(
    exchange: Exchange, status: int, body: bytes, content_type: bytes = JSON_TYPE, headers: Headers | None = None
) -> int:
    start = {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            *_version_headers(exchange),
            *(headers or ()),
        ],
    }
    await exchange.send(start)
    await exchange.send({"type": "http.response.body", "body": body})
    return status
