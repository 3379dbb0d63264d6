"""The pages for people: made on the server, complete without JavaScript, kept fresh by it."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

import jinja2
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ValidationError
from starlette.staticfiles import StaticFiles

from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, RegraftError
from regraft_core.logs import get_logger
from regraft_core.presentation import words
from regraft_core.presentation.distributions import target_of
from regraft_core.presentation.figures import exact, figure, figure_name
from regraft_core.runs import Run, StepState
from regraft_core.serving import Serving
from regraft_core.states import Cause
from regraft_core.versions import VersionShown
from regraft_trigger.access import SIGN_IN, cookie_of, may_read
from regraft_trigger.bodies import Body, RollbackBody, TriggerBody, read_bytes, refusal
from regraft_trigger.fit.shown import FitShown
from regraft_trigger.guard import check_same_site, check_token
from regraft_trigger.logview import LogLine, read_log
from regraft_trigger.predictors import Answer, Column
from regraft_trigger.service import Current, Service
from regraft_trigger.traffic import Traffic

log = get_logger(__name__)

RUNS_PER_PAGE = 20
LONG_WAIT = 2.0
"""Seconds from which it is shown how long a run waited for its turn."""

_HERE = Path(__file__).parent

MAX_FIELDS = 2000
"""Most fields of a form: one for each column of a task, and a few more."""
_STATIC = _HERE / "static"

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Vary": "Accept",
}

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_templates.globals |= {
    "outcome": words.outcome,
    "last_step": words.last_step,
    "subject": words.subject,
    "version_in_words": words.version,
    "seconds_of": words.seconds_of,
    "waited": words.waited,
    "long_wait": LONG_WAIT,
    "is_web_address": words.is_web_address,
    "state_words": words.STATES,
    "shipped": words.SHIPPED,
    "fit_words": words.FIT,
    "warned": words.warned,
    "remedy_words": words.REMEDIES,
    "figure": figure,
    "asset_version": hashlib.sha256(b"".join(p.read_bytes() for p in sorted(_STATIC.iterdir()))).hexdigest()[:8],
}
_templates.filters |= {
    "duration": words.duration,
    "moment": words.moment,
    "ago": words.ago,
    "sentence": words.sentence,
    "figure_name": figure_name,
    "exact": exact,
    "in_words": words.title,
    "short_address": words.short_address,
}

router = APIRouter(include_in_schema=False)


class InService(BaseModel):
    """What the page says of a task: what serves, or why that is not known."""

    task: str
    serving: Serving | None = None
    trouble: str = ""
    is_refused: bool = False
    """Whether no predictor takes what is to serve."""
    traffic: Traffic | None = None
    columns: list[Column] = []
    trial: Trial | None = None
    fit: FitShown | None = None
    changes: list[Cause] = []
    earlier: list[VersionShown] = []
    """Those that can be put back, the last that served first."""


class Trial(BaseModel):
    """A prediction that a person has asked for: what was entered, and the answer or why there is none."""

    task: str
    entered: dict[str, str]
    answer: Answer | None = None
    refusal: str = ""


class Entered(BaseModel):
    """What a person has entered into the form, shown again where it was refused."""

    data_url: str = ""
    task: str = ""
    force: bool = False
    refusal: str = ""


def static_files() -> StaticFiles:
    """Return the app that serves style sheet, script and icon."""
    return StaticFiles(directory=_STATIC)


def prefers_html(request: Request) -> bool:
    """Whether the client would rather have a page than JSON; programs that do not say get JSON."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for part in request.headers.get("accept", "").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind in weights:
            weights[kind] = _weight(parameters)
    return weights["text/html"] > weights["application/json"]


def _weight(parameters: list[str]) -> float:
    try:
        return next((float(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
    except ValueError:
        return 0.0


@router.get("/", name="dashboard")
async def dashboard(
    request: Request,
    service: Current,
    task: Annotated[str | None, Query(max_length=63)] = None,
    before: Annotated[str | None, Query(max_length=63)] = None,
) -> HTMLResponse:
    """Show what serves and the newest runs."""
    if task is not None:
        await service.known_task(task)
    return await _dashboard(request, service, Entered(), task=task, before=before)


async def _same_site(request: Request) -> None:
    check_same_site(request)


@router.post(SIGN_IN, dependencies=[Depends(_same_site)], name="page_sign_in")
async def page_sign_in(request: Request, service: Current) -> Response:
    """Take the token for reading, once; a cookie stands for it from then on."""
    fields = await _fields(request, service)
    if not may_read(service.settings, fields.get("token", "").strip()):
        return _render(request, service, "sign_in.html", status=401, refusal="this is not the token")
    answer = RedirectResponse(request.url_for("dashboard").path, status_code=303)
    path, is_secure = request.scope.get("root_path", ""), request.url.scheme == "https"
    answer.set_cookie(**cookie_of(service.settings, path=path, is_secure=is_secure))
    return answer


def sign_in_page(request: Request) -> HTMLResponse | None:
    """Ask for the token, None where the client would rather have problem details."""
    if request.method != "GET" or not prefers_html(request):
        return None
    service: Service = request.app.state.service
    return _render(request, service, "sign_in.html", status=401, refusal="")


@router.post("/page/trigger", dependencies=[Depends(_same_site)], name="page_trigger")
async def page_trigger(request: Request, service: Current) -> Response:
    """Take the form that asks for a run on a dataset."""
    fields = await _fields(request, service)
    entered = Entered(data_url=fields.get("data_url", ""), task=fields.get("task", ""), force="force" in fields)
    try:
        check_token(service.settings.trigger_token, fields.get("token", ""))
        body = _body(TriggerBody, data_url=entered.data_url.strip(), task=entered.task or None, force=entered.force)
        run = await service.trigger(body)
    except RegraftError as error:
        return await _refused(request, service, entered, error)
    return _to_run(request, run)


@router.post("/page/rollback", dependencies=[Depends(_same_site)], name="page_rollback")
async def page_rollback(request: Request, service: Current) -> Response:
    """Take the form that asks for an earlier version."""
    fields = await _fields(request, service)
    try:
        check_token(service.settings.trigger_token, fields.get("token", ""))
        body = _body(RollbackBody, task=fields.get("task", ""), version=fields.get("version", "").strip() or None)
        run = await service.rollback(body)
    except RegraftError as error:
        return await _refused(request, service, Entered(), error)
    return _to_run(request, run)


@router.post("/page/predict", dependencies=[Depends(_same_site)], name="page_predict")
async def page_predict(request: Request, service: Current) -> Response:
    """Take the form that asks for a prediction."""
    fields = await _fields(request, service)
    task = await service.known_task(fields.get("task", ""))
    prefix = "column-"
    entered = {name.removeprefix(prefix): value for name, value in fields.items() if name.startswith(prefix)}
    trial, status = Trial(task=task, entered=entered), 200
    try:
        trial.answer = await service.predictors.predict(task, entered)
    except RegraftError as error:
        trial.refusal, status = error.message, error.status
    return await _dashboard(request, service, Entered(), trial=trial, status=status)


async def run_page(request: Request, service: Service, run: Run) -> HTMLResponse:
    """Show one run with its verdict and the logs of its steps."""
    target = target_of(run.verdict) if run.verdict else None
    return _render(request, service, "run.html", run=run, target=target, logs=await _logs(service, run))


def problem_page(request: Request, error: RegraftError) -> HTMLResponse | None:
    """Show an error as a page, None where the client would rather have it as JSON."""
    if request.method != "GET" or not prefers_html(request):
        return None
    service: Service = request.app.state.service
    return _render(request, service, "problem.html", status=error.status, error=error)


async def _logs(service: Service, run: Run) -> dict[str, list[LogLine]]:
    """Return the logs of the steps that have begun; one that cannot be read is left out."""

    async def read(step: str) -> list[LogLine]:
        try:
            return read_log(await service.backend.log(run.run_id, step) or b"")
        except RegraftError as error:
            return [LogLine(level="warning", text=f"the log cannot be read now: {error.message}")]

    begun = [step.name for step in run.steps if step.state in (StepState.SUCCEEDED, StepState.FAILED)]
    return dict(zip(begun, await asyncio.gather(*(read(name) for name in begun)), strict=True))


async def _refused(request: Request, service: Service, entered: Entered, error: RegraftError) -> HTMLResponse:
    if error.status >= 500 and error.status != 503:
        raise error
    entered.refusal = error.message
    return await _dashboard(request, service, entered, status=error.status)


async def _dashboard(
    request: Request,
    service: Service,
    entered: Entered,
    *,
    task: str | None = None,
    before: str | None = None,
    trial: Trial | None = None,
    status: int = 200,
) -> HTMLResponse:
    trouble = ""
    try:
        runs = await service.backend.recent(task=task, limit=RUNS_PER_PAGE + 1, before=before)
    except RegraftError as error:
        runs, trouble = [], error.message
    in_service = await asyncio.gather(*(_in_service(service, name, trial) for name in service.task_names))
    return _render(
        request,
        service,
        "dashboard.html",
        status=status,
        entered=entered,
        in_service=in_service,
        runs=runs[:RUNS_PER_PAGE],
        older=runs[RUNS_PER_PAGE - 1].run_id if len(runs) > RUNS_PER_PAGE else None,
        trouble=trouble,
        task=task,
        before=before,
    )


async def _in_service(service: Service, task: str, trial: Trial | None) -> InService:
    shown = InService(
        task=task,
        traffic=service.predictors.traffic(task),
        columns=service.predictors.columns(task),
        trial=trial if trial and trial.task == task else None,
    )
    try:
        shown.serving = await service.backend.serving(task)
        shown.fit = await _fit(service, shown.serving)
        if shown.serving is not None:
            shown.earlier = await service.earlier.than(shown.serving)
    except RegraftError as error:
        shown.trouble = error.message
    state = await service.task(task)
    shown.changes = state.changes
    if state.state == "broken" and state.reason:
        shown.trouble = f"this task is broken: {state.reason.message}"
        shown.is_refused = state.reason == service.predictors.trouble(task)
    return shown


async def _fit(service: Service, serving: Serving | None) -> FitShown | None:
    """Return whether what serves fits what it is asked, None where that cannot be read now."""
    if serving is None:
        return None
    try:
        return await service.collector.shown(serving.task, serving.version)
    except (RegraftError, OSError) as error:
        log.debug("fit cannot be shown", task=serving.task, error=str(error))
        return None


def _render(request: Request, service: Service, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    def path_to(route: str, /, **parts: str) -> str:
        # Paths, not whole addresses: a proxy may speak https where this service only hears http.
        return request.url_for(route, **parts).path

    html = _templates.get_template(name).render(
        path_to=path_to,
        request_base=f"{request.url.scheme}://{request.url.netloc}",
        settings=service.settings,
        tasks=service.task_names,
        **values,
    )
    return HTMLResponse(html, status_code=status, headers=PAGE_HEADERS)


def _to_run(request: Request, run: Run) -> RedirectResponse:
    return RedirectResponse(request.url_for("run", run_id=run.run_id).path, status_code=303)


async def _fields(request: Request, service: Service) -> dict[str, str]:
    data = await read_bytes(request, service.settings.max_body_bytes)
    try:
        return dict(parse_qsl(data.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise BadRequestError("the form cannot be read", code=Code.FORM_UNREADABLE) from error


def _body[B: Body](kind: type[B], **values: Any) -> B:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise refusal(error, kind) from error
