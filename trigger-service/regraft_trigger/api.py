"""The interface for programs: JSON, server-sent events, metrics."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, NotFoundError
from regraft_core.fit.fit import Fit, Window
from regraft_core.runs import Run
from regraft_core.taskstate import TaskShown
from regraft_core.versions import VersionShown
from regraft_trigger.bodies import RollbackBody, TriggerBody, body_schema, read_body
from regraft_trigger.feed import decode_id, encode
from regraft_trigger.fit.outcomes import OutcomesBody
from regraft_trigger.guard import bearer_token, check_same_site, check_token
from regraft_trigger.page import prefers_html, run_page
from regraft_trigger.problems import documented
from regraft_trigger.service import Current, Service
from regraft_trigger.settings import TriggerSettings
from regraft_trigger.uploads import TYPES, Asked, asked, is_upload, workspace

REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"
)
"""A report shows what strangers wrote into a dataset: it may look good, and do nothing."""

RETRY_MILLISECONDS = 2000
_RUN_ID = re.compile("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_EXAMPLE_KEY = "2f1d7c5e-nightly"


class Accepted(BaseModel):
    """A run was accepted; it is durable."""

    run_id: str = Field(examples=["run-ov3mzyqk4tfa"])
    status_url: str = Field(description="Where to see what becomes of it")


class Runs(BaseModel):
    """A page of runs, newest first."""

    runs: list[Run]
    next: str | None = Field(description="Address of the next, older page; none: this is the last")


class Status(BaseModel):
    """The service is well."""

    status: str


class Ready(Status):
    """The service can accept a run now."""

    broken: list[TaskShown] = Field(description="Tasks that are broken or of which no state is known; all others work")


class Tasks(BaseModel):
    """What can be predicted."""

    tasks: list[TaskShown]


class OutcomesTaken(BaseModel):
    """What really happened is kept."""

    rows: int = Field(description="Of how many rows")


class Versions(BaseModel):
    """The versions of a task, newest first, as far as its newest 1000 runs tell of them."""

    versions: list[VersionShown]


async def _may_post(request: Request, service: Current) -> None:
    check_same_site(request)
    check_token(service.settings.trigger_token, bearer_token(request))


async def _may_see_rows(request: Request, service: Current) -> None:
    """Rows of requests are more than numbers of them: who may trigger may see them."""
    check_token(service.settings.trigger_token, bearer_token(request))


async def _key(
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern="^[!-~]+$",
            description="Any name of the request: sent again, the answer is the run of the first time",
            examples=[_EXAMPLE_KEY],
        ),
    ] = None,
) -> str | None:
    return idempotency_key


async def _run_id(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise NotFoundError(f"{run_id[:100]!r} is not the id of a run", code=Code.RUN_UNKNOWN)
    return run_id


Key = Annotated[str | None, Depends(_key)]
RunId = Annotated[str, Depends(_run_id)]


def make_router(settings: TriggerSettings) -> APIRouter:
    """Return the routes; they name a security scheme only where a token is configured."""
    router = APIRouter()
    guards = [Depends(_may_post)]
    if settings.trigger_token:
        guards.append(Depends(HTTPBearer(auto_error=False, description="REGRAFT_TRIGGER_TOKEN of the service")))
    refusals = documented(400, 401, 403, 413, 422, 503)

    for path, endpoint, body in (("/trigger", trigger, TriggerBody), ("/rollback", rollback, RollbackBody)):
        router.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            status_code=202,
            response_model=Accepted,
            responses=refusals,
            dependencies=guards,
            openapi_extra={"requestBody": body_schema(body, settings.tasks, TYPES if body is TriggerBody else ())},
        )
    router.add_api_route("/runs", runs, response_model=Runs, responses=documented(400, 503))
    router.add_api_route("/runs/{run_id}", run, response_model=Run, responses=documented(404, 503), name="run")
    router.add_api_route(
        "/runs/{run_id}/report", report, response_class=HTMLResponse, responses=documented(404, 503), name="report"
    )
    router.add_api_route(
        "/runs/{run_id}/cancel",
        cancel,
        methods=["POST"],
        status_code=202,
        response_model=Accepted,
        responses=documented(401, 403, 404, 409, 503),
        dependencies=guards,
    )
    router.add_api_route("/events", events, response_class=EventStream, responses=documented())
    router.add_api_route("/tasks", tasks, response_model=Tasks, responses=documented())
    router.add_api_route("/tasks/{task}/fit", fit, response_model=Fit, responses=documented(400, 404, 503))
    router.add_api_route(
        "/tasks/{task}/outcomes",
        outcomes,
        methods=["POST"],
        status_code=202,
        response_model=OutcomesTaken,
        responses=documented(400, 401, 403, 404, 413, 503),
        dependencies=guards,
        openapi_extra={"requestBody": body_schema(OutcomesBody)},
    )
    router.add_api_route(
        "/tasks/{task}/collected",
        collected,
        response_class=CsvText,
        responses=documented(400, 401, 404, 503),
        dependencies=[Depends(_may_see_rows), *guards[1:]],
    )
    router.add_api_route("/tasks/{task}/versions", versions, response_model=Versions, responses=documented(404, 503))
    router.add_api_route("/health", health, response_model=Status, responses=documented())
    router.add_api_route("/ready", ready, response_model=Ready, responses=documented(503))
    router.add_api_route("/metrics", metrics, response_class=MetricsText, responses=documented())
    return router


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class CsvText(Response):
    """A dataset."""

    media_type = "text/csv"


class MetricsText(Response):
    """Prometheus' text format."""

    media_type = CONTENT_TYPE_LATEST


async def trigger(
    request: Request, service: Current, key: Key, asked: Annotated[Asked, Depends(asked)]
) -> JSONResponse:
    """Accept a run on a dataset, named or sent. The answer comes when the run is durable, not when it has ended."""
    if is_upload(request.headers):
        await service.known_task(service.default_task if asked.task is None else asked.task)
        with service.uploads.room(), workspace() as folder:
            upload = await service.uploads.receive(request, folder)
            return _accepted(request, await service.trigger_upload(upload, asked, key))
    body = await read_body(request, TriggerBody, service.settings.max_body_bytes)
    return _accepted(request, await service.trigger(asked.beside(body), key))


async def rollback(request: Request, service: Current, key: Key) -> JSONResponse:
    """Accept a run that puts the earlier (or the named) version back in service."""
    body = await read_body(request, RollbackBody, service.settings.max_body_bytes)
    return _accepted(request, await service.rollback(body, key))


async def cancel(request: Request, service: Current, run_id: RunId) -> JSONResponse:
    """See to it that a run ends ``cancelled``, wherever it stands. What serves stays, or is put back."""
    return _accepted(request, await service.cancel(run_id))


async def runs(
    request: Request,
    service: Current,
    task: Annotated[str | None, Query(max_length=63, description="Only runs of this task")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most runs of a page")] = 50,
    before: Annotated[str | None, Query(max_length=63, description="Id of the run after which to go on")] = None,
) -> Runs:
    """List runs, newest first."""
    if task is not None:
        await service.known_task(task)
    if before is not None and not _RUN_ID.fullmatch(before):
        raise BadRequestError("the parameter 'before' must be the id of a run", code=Code.PARAMETER_INVALID)
    found = await service.backend.recent(task=task, limit=limit + 1, before=before)
    shown = found[:limit]
    older = None
    if len(found) > limit:
        query = {"limit": limit, "before": shown[-1].run_id} | ({"task": task} if task else {})
        older = str(request.url_for("runs").include_query_params(**query))
    return Runs(runs=[_linked(request, run) for run in shown], next=older)


async def run(request: Request, service: Current, run_id: RunId) -> Response:
    """Show one run: as JSON, or as a page where the client prefers HTML."""
    found = _linked(request, await service.run(run_id))
    if prefers_html(request):
        return await run_page(request, service, found)
    headers = {"Vary": "Accept", "Cache-Control": "no-cache"}
    return Response(found.model_dump_json(), media_type="application/json", headers=headers)


async def report(service: Current, run_id: RunId) -> HTMLResponse:
    """Show the data report of a run."""
    await service.run(run_id)
    html = await service.backend.report(run_id)
    if html is None:
        raise NotFoundError(f"{run_id} has no report (yet)", code=Code.REPORT_UNKNOWN)
    headers = {"Content-Security-Policy": REPORT_POLICY, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(html, headers=headers)


async def events(
    request: Request,
    service: Current,
    last_event_id: Annotated[
        str | None, Header(description="Id of the last event that was seen: changes since then come first")
    ] = None,
) -> EventStream:
    """Follow every change of a run: ``event: run`` with the run as JSON; in between, comments keep the stream alive."""
    return EventStream(
        _stream(request, service, last_event_id), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


async def _stream(request: Request, service: Service, last_event_id: str | None) -> AsyncIterator[str]:
    yield f"retry: {RETRY_MILLISECONDS}\n: changes of runs follow\n\n"
    async for change in service.feed.listen(decode_id(last_event_id)):
        yield encode(_linked(request, change)) if change else ": all is well\n\n"


async def health() -> Status:
    """Say that the process is alive."""
    return Status(status="alive")


async def ready(service: Current) -> Ready:
    """Say whether a trigger could be accepted now, and which tasks are broken: they keep nobody else from his."""
    await service.check_ready()
    broken = [task for task in await service.tasks() if task.reason is not None]
    return Ready(status="ready", broken=broken)


async def tasks(service: Current) -> Tasks:
    """List what can be predicted: each task with its state, and a broken one with its reason."""
    return Tasks(tasks=await service.tasks())


async def fit(
    service: Current,
    task: str,
    window: Annotated[Window, Query(description="How far back requests are looked at")] = "day",
) -> Fit:
    """Say whether what serves still fits the requests that it gets, all its predictors together."""
    return await service.fit(task, window)


async def outcomes(request: Request, service: Current, task: str) -> OutcomesTaken:
    """Take what really happened, of requests by their ids or of inputs; told again, what was told last counts."""
    await service.known(task)
    body = await read_body(request, OutcomesBody, service.settings.max_outcomes_bytes)
    return OutcomesTaken(rows=await service.collector.tell(task, body.outcomes))


async def collected(
    service: Current,
    task: str,
    since: Annotated[
        str,
        Query(pattern="^[1-9][0-9]{0,3}[mhd]$", description="How long ago outcomes were told at most: 90m, 12h, 7d"),
    ] = "7d",
) -> CsvText:
    """Show a dataset of the rows that were kept and whose outcomes were told, each with what was told last."""
    await service.known(task)
    seconds = int(since[:-1]) * _SECONDS[since[-1]]
    return CsvText(await service.collector.dataset(task, time.time() - seconds))


async def versions(service: Current, task: str) -> Versions:
    """List the versions of a task, newest first: what each was trained on, how good it is, when it served."""
    return Versions(versions=await service.versions(task))


async def metrics(service: Current) -> MetricsText:
    """Show the metrics in Prometheus' text format."""
    service.metrics.event_clients.set(len(service.feed))
    return MetricsText(service.metrics.text())


def _accepted(request: Request, run: Run) -> JSONResponse:
    address = str(request.url_for("run", run_id=run.run_id))
    return JSONResponse(
        Accepted(run_id=run.run_id, status_url=address).model_dump(), status_code=202, headers={"Location": address}
    )


def _linked(request: Request, run: Run) -> Run:
    """Return the run with the address of its report, which only a request can tell."""
    if run.verdict is None:
        return run
    links = {"report": str(request.url_for("report", run_id=run.run_id))} | run.links
    return run.model_copy(update={"links": links})
