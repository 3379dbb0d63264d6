"""The trigger service as an ASGI application."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from regraft_trigger import api, leaving, page
from regraft_trigger.access import Access
from regraft_trigger.backends.backend import Backend, PredictorPod
from regraft_trigger.examples import Examples
from regraft_trigger.feed import Feed
from regraft_trigger.fit.collector import Collector, Keeps, Pods
from regraft_trigger.fit.gauges import FitGauges
from regraft_trigger.metrics import Metrics, RequestTimer
from regraft_trigger.predictors import Predictors
from regraft_trigger.problems import install_handlers
from regraft_trigger.service import Service
from regraft_trigger.settings import TriggerSettings
from regraft_trigger.uploads import Uploads

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def create_app(settings: TriggerSettings, backend: Backend) -> FastAPI:
    """Return the service on a backend, which it closes when it stops."""
    metrics = Metrics(settings.tasks)
    feed = Feed(backend, settings.heartbeat_seconds, metrics.observe)
    examples = Examples(backend.objects, backend.serving)
    predictors = Predictors(settings.predictor_url, settings.tasks, backend.pods, examples.row)
    uploads = Uploads(max_bytes=settings.max_dataset_bytes, at_once=settings.max_uploads)
    collector = Collector(
        backend.objects,
        settings.tasks,
        _pods(settings, backend),
        backend.serving,
        FitGauges(metrics.registry),
        keeps=_keeps(backend),
    )
    service = Service(settings, backend, metrics, feed, predictors, uploads, collector)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    # The documentation pages of FastAPI load scripts from elsewhere; /openapi.json is there for tools.
    app = FastAPI(
        title="Regraft trigger service",
        version="1",
        description="Takes the addresses of datasets, runs the pipeline, tells what became of it.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(api.make_router(settings))
    app.include_router(leaving.make_router())
    app.include_router(page.router)
    app.mount("/static", page.static_files(), name="static")
    app.add_middleware(Access, settings=settings, show_sign_in=page.sign_in_page)
    install_handlers(app, page.problem_page)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(RequestTimer, metrics=metrics)
    app.add_middleware(PathPrefix, root_path=settings.root_path)
    return app


def _pods(settings: TriggerSettings, backend: Backend) -> Pods:
    """Return how to find the predictors that count: where the settings say, or else by the backend."""
    named = [PredictorPod(url.rstrip("/")) for url in settings.fit_urls]

    async def pods() -> Sequence[PredictorPod]:
        return named or await backend.pods(settings.fit_port)

    return pods


def _keeps(backend: Backend) -> Keeps:
    """Return how to find out whether a task's file says that any rows are kept."""

    async def keeps(task: str) -> bool:
        known = await backend.task_state(task)
        return known is None or known.keeps

    return keeps


class PathPrefix:
    """ASGI middleware that knows the prefix under which a proxy shows the service, so that addresses come out right.

    The prefix comes from the settings or, for proxies that strip it, from ``X-Forwarded-Prefix``. It only goes into
    the addresses of the answer to the very client that sent it.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self.root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its prefix in ``root_path``."""
        if scope["type"] == "http" and (prefix := self.root_path or _forwarded_prefix(scope)):
            path = scope["path"]
            if path != prefix and not path.startswith(f"{prefix}/"):
                path = prefix + path
            scope = {**scope, "root_path": prefix, "path": path}
        await self.app(scope, receive, send)


def _forwarded_prefix(scope: Scope) -> str:
    prefix = dict(scope["headers"]).get(b"x-forwarded-prefix", b"").decode("latin-1").rstrip("/")
    return prefix if _PREFIX.fullmatch(prefix) else ""
