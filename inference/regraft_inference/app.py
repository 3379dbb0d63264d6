"""The application: Starlette's routes to what we answer ourselves, and KServe's FastAPI application behind them.

    request -> Front -> /predict, /health, /schema, ...   answered here: JSON in, one vectorised call, JSON out
                     -> /v1/..., /v2/...                  passed on to KServe's own endpoints
            -> PredictionShortCut                         small good requests to /predict do not even come here

The front sees to what every answer owes: the version that answered in the headers, a bounded body, problem details for
every error, a count in the metrics.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import Any
from urllib.parse import parse_qs

from starlette.routing import Match, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, ContractError, NotFoundError, RegraftError, UnavailableError
from regraft_core.fit.fit import Window
from regraft_core.fit.history import WINDOWS
from regraft_core.logs import get_logger
from regraft_inference import metrics
from regraft_inference.bodies import Bodies, GoneError
from regraft_inference.cors import Cors
from regraft_inference.exchange import TEXT_TYPE, Exchange, failed, without_body
from regraft_inference.fast.short_cut import PredictionShortCut
from regraft_inference.mlmodel import MLFLOW_VERSION
from regraft_inference.model import ANSWERED, ANSWERING, TaskModel, TaskRepository, Version
from regraft_inference.openapi import openapi
from regraft_inference.protocols import (
    BINARY_TYPE,
    ask,
    ask_elsewhere,
    check_json,
    kserve_application,
    model_metadata,
    plain_scope,
    said_to_be_json,
    server_metadata,
    without_version,
)
from regraft_inference.request_id import request_id
from regraft_inference.routes import Answer, TaskRoute
from regraft_inference.settings import PredictorSettings
from regraft_inference.turns import Turns

log = get_logger(__name__)

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

LARGE_BYTES = 1 << 20
"""Bodies above this size are read one after the other: parsed, one takes up to 25 times its size."""

PREDICTIONS = ("predict", "invocations", "infer")
"""How the routes end that predict."""

GONE = 499
"""Status that is counted where the client has gone before it could be answered, as nginx does."""


class Front:
    """The ASGI application of the predictor."""

    def __init__(self, repository: TaskRepository, settings: PredictorSettings) -> None:
        self._repository = repository
        self._settings = settings
        self._turns = Turns()
        self._slow_turns = Turns()
        self._bodies = Bodies(
            limit=settings.max_request_bytes,
            small=settings.background_bytes,
            most=settings.max_bytes_in_flight,
            turns=self._turns,
        )
        self._kserve = kserve_application(repository)
        self._router = Router(self._routes(), redirect_slashes=False, default=self._elsewhere)
        self._short_cuts = self._all_short_cuts()
        self._app: ASGIApp = self._router
        if settings.cors_origins:
            self._app = Cors(self._router, settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the predictor speaks http, not {scope['type']}")
        await self._app(scope, receive, send)

    def short_cut(self, scope: Scope) -> PredictionShortCut | None:
        """Return what may answer a request before it becomes an ASGI message, None where nothing may."""
        if scope["method"] != "POST" or (found := self._short_cuts.get(scope["path"])) is None:
            return None
        if self._settings.cors_origins and any(name == b"origin" for name, _ in scope["headers"]):
            return None
        return found

    def _routes(self) -> list[TaskRoute]:
        table: list[tuple[str, str, Answer]] = [
            ("/", "GET", self._pass_to_kserve),
            ("/ping", "GET", self._health),
            ("/version", "GET", self._mlflow_version),
            ("/metrics", "GET", self._metrics),
            ("/openapi.json", "GET", self._openapi),
            ("/health", "GET", self._health),
            ("/{task:task}/health", "GET", self._task_health),
            ("/{task:task}/fit", "GET", self._fit),
        ]
        for prefix in ("", "/{task:task}"):
            table += [
                (f"{prefix}/predict", "POST", self._predict),
                (f"{prefix}/invocations", "POST", self._invocations),
                (f"{prefix}/schema", "GET", self._schema),
            ]
        table += [
            ("/v1/models", "GET", self._pass_to_kserve),
            ("/v1/models/{task:task}", "GET", self._state),
            ("/v1/models/{task:task}:predict", "POST", self._infer),
            ("/v2", "GET", self._v2_server),
            ("/v2/health/live", "GET", self._pass_to_kserve),
            ("/v2/health/ready", "GET", self._pass_to_kserve),
            ("/v2/models", "GET", self._pass_to_kserve),
        ]
        for version in ("", "/versions/{version}"):
            table += [
                (f"/v2/models/{{task:task}}{version}", "GET", self._v2_model),
                (f"/v2/models/{{task:task}}{version}/ready", "GET", self._state),
                (f"/v2/models/{{task:task}}{version}/infer", "POST", self._infer),
            ]
        if self._repository.folder is not None:
            table.append(("/v2/repository/models/{task:task}/load", "POST", self._load))
        return [TaskRoute(path, method, answer, self._run) for path, method, answer in table]

    def _all_short_cuts(self) -> dict[str, PredictionShortCut]:
        """Return the short cuts by their paths; with each task that comes into service there are more."""
        found = {f"/{name}/predict": ("/{task}/predict", model) for name, model in self._repository.models.items()}
        found["/predict"] = ("/predict", self._repository.default)
        return {path: PredictionShortCut(route, model) for path, (route, model) in found.items()}

    async def _run(self, route: str, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request be answered, and count it."""
        began = perf_counter()
        if scope["method"] == "HEAD":
            send = without_body(send)
        name = scope.get("path_params", {}).get("task")
        model = self._repository.default if name is None else self._repository.models.get(name)
        if model is None and answer != self._load:
            route, answer = "unknown", self._not_found
        exchange = _exchange(scope, receive, send, model or self._repository.default, route)
        try:
            status = await answer(exchange)
        except RegraftError as error:
            if route.endswith(PREDICTIONS) and exchange.version is not None:
                exchange.version.counter.refused(error)
            status = await exchange.refuse(error)
        except GoneError:
            status = GONE
        except Exception:
            log.exception("request failed", path=scope["path"], task=exchange.model.name)
            status = await exchange.refuse(failed())
        if status == 200 and route.endswith(PREDICTIONS) and exchange.version is not None:
            exchange.version.counter.answered += 1
        metrics.count_request(route, exchange.model.name, status, perf_counter() - began)

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what has no route: lead from a path with a slash too many to the one that is meant."""
        plain = {**scope, "path": _plain(scope["path"])}
        is_meant = plain["path"] != scope["path"] and any(
            route.matches(plain)[0] is not Match.NONE for route in self._router.routes
        )
        await self._run("unknown", self._redirect if is_meant else self._not_found, scope, receive, send)

    async def _redirect(self, exchange: Exchange) -> int:
        """Name the path that is meant; the method and the body stay."""
        query = exchange.scope.get("query_string", b"")
        location = _plain(exchange.scope["path"]).encode() + (b"?" + query if query else b"")
        return await exchange.answer(307, b"", headers=[(b"location", location)])

    async def _not_found(self, exchange: Exchange) -> int:
        path, tasks = exchange.scope["path"][:200], ", ".join(self._repository.models) or "none yet"
        raise NotFoundError(f"there is nothing at {path!r}; the tasks here are: {tasks}", code=Code.PATH_UNKNOWN)

    async def _predict(self, exchange: Exchange) -> int:
        version = exchange.serving()
        answer = partial(version.answer, exchange.request_id)
        async with self._bodies.read(exchange.scope, exchange.receive) as body:
            try:
                if self._is_long(version, body):
                    return await exchange.answer(200, await self._in_background(exchange, answer, body))
                return await exchange.answer(200, await version.answer_together(exchange.request_id, body))
            except ContractError as error:
                raise self._with_the_right_path(exchange, error) from None

    def _with_the_right_path(self, exchange: Exchange, error: ContractError) -> ContractError:
        """Say where a request belongs whose columns are another task's."""
        column = error.details.get("column")
        if error.code != Code.COLUMN_UNKNOWN:
            return error
        for name, model in self._repository.models.items():
            if model is not exchange.model and model.version and column in model.version.bundle.contract.feature_names:
                message = f"{error.message}. {column!r} is a column of {name}: POST it to /{name}/predict"
                return ContractError(message, code=error.code, **error.details)
        return error

    async def _invocations(self, exchange: Exchange) -> int:
        """Answer as MLflow's scoring server does."""
        version = exchange.serving()
        answer = partial(version.answer_as_mlflow, exchange.request_id)
        async with self._bodies.read(exchange.scope, exchange.receive) as body:
            if self._is_long(version, body):
                return await exchange.answer(200, await self._in_background(exchange, answer, body))
            return await exchange.answer(200, answer(body))

    def _is_long(self, version: Version, body: bytes) -> bool:
        """Whether to answer a request would hold up the event loop."""
        return len(body) > self._settings.background_bytes or version.is_slow(body)

    async def _in_background[T](self, exchange: Exchange, work: Callable[[bytes], T], body: bytes) -> T:
        """Work on a body that would hold up the event loop. Nothing is done for a client that has gone meanwhile."""
        turn: contextlib.AbstractAsyncContextManager[None] = contextlib.nullcontext()
        if exchange.serving().is_slow(body):
            turn = self._slow_turns.take()
        elif len(body) > LARGE_BYTES:
            turn = self._turns.take()
        async with _watched(exchange.receive) as gone, turn:
            if gone.done():
                raise GoneError
            return await asyncio.to_thread(work, body)

    async def _mlflow_version(self, exchange: Exchange) -> int:
        return await exchange.answer(200, MLFLOW_VERSION.encode(), TEXT_TYPE)

    async def _health(self, exchange: Exchange) -> int:
        """Answer 200 only where every task has a version that has repeated its golden requests."""
        models = list(self._repository.models.values()) or [exchange.model]
        waiting = [model.unavailable() for model in models if model.version is None]
        if waiting:
            reasons = "; ".join(error.message for error in waiting)
            raise UnavailableError(reasons, code=waiting[0].code, **waiting[0].details)
        return await _answer_health(exchange, [model.version for model in models if model.version])

    async def _task_health(self, exchange: Exchange) -> int:
        return await _answer_health(exchange, [exchange.serving()])

    async def _fit(self, exchange: Exchange) -> int:
        """Say whether the version fits what this process was asked within the last hour or day."""
        asked = parse_qs(exchange.scope.get("query_string", b"").decode("latin-1")).get("window", ["day"])[-1]
        if asked not in WINDOWS:
            raise BadRequestError(f"window is {asked[:50]!r}; it must be hour or day", code=Code.PARAMETER_INVALID)
        window: Window = "hour" if asked == "hour" else "day"
        found = await asyncio.to_thread(exchange.serving().counter.fit, window)
        return await exchange.answer_json(found.model_dump(mode="json"))

    async def _schema(self, exchange: Exchange) -> int:
        bundle = exchange.serving().bundle
        contract, gives = (
            bundle.contract,
            {"probabilities": bundle.gives_probabilities, "reasons": bundle.gives_reasons},
        )
        request, answer = contract.request_schema(**gives), contract.answer_schema(**gives)
        return await exchange.answer_json({"task": contract.task, "request": request, "answer": answer})

    async def _openapi(self, exchange: Exchange) -> int:
        models = self._repository.models.values()
        bundles = {model.name: model.version.bundle for model in models if model.version}
        contracts = {name: bundle.contract for name, bundle in bundles.items()}
        classifiers = {name for name, bundle in bundles.items() if bundle.gives_probabilities}
        reasoning = {name for name, bundle in bundles.items() if bundle.gives_reasons}
        document = openapi(contracts, default=exchange.model.name, probabilities=classifiers, reasons=reasoning)
        return await exchange.answer_json(document)

    async def _metrics(self, exchange: Exchange) -> int:
        return await exchange.answer(200, metrics.exposition(), METRICS_TYPE)

    async def _load(self, exchange: Exchange) -> int:
        """Take a task's new bundle into service, and answer in the name of the version that serves from now on."""
        task = exchange.scope["path_params"]["task"]
        model = await self._repository.load(task)
        self._short_cuts = self._all_short_cuts()
        return await replace(exchange, version=model.version).answer_json({"name": task, "load": True})

    async def _v2_server(self, exchange: Exchange) -> int:
        return await exchange.answer_json(server_metadata())

    async def _v2_model(self, exchange: Exchange) -> int:
        return await exchange.answer_json(model_metadata(exchange.model.name, _named_version(exchange)))

    async def _state(self, exchange: Exchange) -> int:
        _named_version(exchange)
        return await self._pass_to_kserve(exchange)

    async def _infer(self, exchange: Exchange) -> int:
        """Let KServe answer, once the JSON is known to be JSON."""
        version = _named_version(exchange)
        async with self._bodies.read(exchange.scope, exchange.receive) as body:
            asked = replace(exchange, scope=said_to_be_json(exchange.scope))
            if not self._is_long(version, body):
                check_json(asked.scope, body)
                return await self._pass_to_kserve(asked, body)
            return await _pass_back(exchange, await self._in_background(asked, self._asking(asked), body))

    def _asking(self, exchange: Exchange) -> Callable[[bytes], list[Message]]:
        _set_answering(exchange)
        scope = without_version(plain_scope(exchange.scope))

        def check_and_ask(body: bytes) -> list[Message]:
            check_json(scope, body)
            return ask_elsewhere(self._kserve, scope, body)

        return check_and_ask

    async def _pass_to_kserve(self, exchange: Exchange, body: bytes = b"") -> int:
        _set_answering(exchange)
        return await _pass_back(exchange, await ask(self._kserve, without_version(plain_scope(exchange.scope)), body))


def _exchange(scope: Scope, receive: Receive, send: Send, model: TaskModel, route: str) -> Exchange:
    asked = request_id(scope["headers"]) if route.endswith(PREDICTIONS) else b""
    return Exchange(scope, receive, send, model, model.version, asked)


@contextlib.asynccontextmanager
async def _watched(receive: Receive) -> AsyncIterator[asyncio.Future[Message]]:
    """Lend what is done as soon as a client has gone whose request has been read."""
    gone = asyncio.ensure_future(receive())
    try:
        yield gone
    finally:
        gone.cancel()


async def _pass_back(exchange: Exchange, messages: list[Message]) -> int:
    """Send what KServe has answered, in the name of the version that gave it."""
    start, *rest = messages
    headers = [*start["headers"], *exchange.owed_headers]
    if all(name != b"content-type" for name, _ in headers):
        headers.append((b"content-type", BINARY_TYPE))  # of tensors it says nothing
    await exchange.send({**start, "headers": headers})
    for message in rest:
        await exchange.send(message)
    return int(start["status"])


def _set_answering(exchange: Exchange) -> None:
    """Let what is behind KServe's endpoints know who answers which request."""
    ANSWERING.set(exchange.version)
    ANSWERED.set(exchange.request_id)


def _named_version(exchange: Exchange) -> Version:
    """Return the version that answers. Raises NotFoundError where the path names another one."""
    version = exchange.serving()
    wanted = exchange.scope.get("path_params", {}).get("version", version.bundle.version)
    if wanted != version.bundle.version:
        raise NotFoundError(
            f"version {wanted[:40]!r} of {exchange.model.name} does not serve, {version.bundle.version} does",
            code=Code.VERSION_NOT_SERVED,
        )
    return version


def _plain(path: str) -> str:
    """Return a path without slashes that stand twice or at its end."""
    return "/" + "/".join(part for part in path.split("/") if part)


async def _answer_health(exchange: Exchange, versions: list[Version]) -> int:
    return await exchange.answer_json({"status": "ready", "models": [_told(version) for version in versions]})


def _told(version: Version) -> dict[str, Any]:
    info = version.bundle.info
    return {
        "task": info.task,
        "version": version.bundle.version,
        "data_sha256": info.data_sha256,
        "run_id": info.run_id,
        "created_at": info.created_at,
    }
