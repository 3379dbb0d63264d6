"""What the service does, whoever asks: a program over JSON or a person with the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Request

from regraft_core.addresses import in_buckets, redacted, s3_parts
from regraft_core.changes import announced
from regraft_core.codes import Code
from regraft_core.errors import (
    BadRequestError,
    ConflictError,
    KeyReusedError,
    NotFoundError,
    RegraftError,
    UnavailableError,
    UnreadableError,
)
from regraft_core.fit.fit import Fit, Window
from regraft_core.logs import get_logger, log_once
from regraft_core.runs import Cause, Run, RunRequest, new_run_id, now, same_request
from regraft_core.serving import Serving
from regraft_core.taskstate import TaskShown, TaskState
from regraft_core.versions import VersionShown, versions_of
from regraft_trigger.backends.backend import Backend
from regraft_trigger.bodies import RollbackBody, TriggerBody
from regraft_trigger.earlier import Earlier
from regraft_trigger.feed import CATCH_UP, Feed
from regraft_trigger.fit.collector import Collector
from regraft_trigger.fit.retrain import Retrainer
from regraft_trigger.metrics import Metrics
from regraft_trigger.predictors import Predictors
from regraft_trigger.settings import TriggerSettings
from regraft_trigger.uploads import Asked, Upload, Uploads

RUNS_AT_ONCE = 200
MOST_RUNS = 1000
"""Runs of a task that are looked through for its versions."""

_SHOWN = {"source", "definition", "kind", "description"}

log = get_logger(__name__)


@dataclass(frozen=True)
class Service:
    """The parts of one running service."""

    settings: TriggerSettings
    backend: Backend
    metrics: Metrics
    feed: Feed
    predictors: Predictors
    uploads: Uploads
    collector: Collector
    background: list[asyncio.Task[None]] = field(default_factory=list)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the changes of runs and the predictors; the backend is closed at the end."""
        predictors = self.predictors.follow(lambda: self.task_names)
        works = (
            ("feed of runs", self._follow()),
            ("look at predictors", predictors),
            ("collector of counts", self.collector.follow(lambda: self.task_names)),
            ("look at unfit tasks", self.retrainer.follow(lambda: self.task_names)),
        )
        self.background.extend(asyncio.create_task(work, name=name) for name, work in works)
        try:
            yield
        finally:
            self.feed.close()
            for task in self.background:
                task.cancel()
            await asyncio.gather(*self.background, return_exceptions=True)
            self.background.clear()
            await self.predictors.close()
            await self.collector.close()
            await self.backend.close()

    async def trigger(self, body: TriggerBody, key: str | None = None) -> Run:
        """Accept a run on a dataset. The same key gives the same run. Raises KeyReusedError."""
        request = RunRequest(
            run_id=new_run_id(key and f"trigger {key}"),
            task=await self.known_task(self.default_task if body.task is None else body.task),
            data_url=redacted(body.data_url),
            force=body.force,
            accepted_at=now(),
        )
        self._check_bucket(body.data_url)
        if request.data_url == body.data_url:
            return await self._accept(request)
        return await self._accept_secretly(request, body.data_url)

    async def trigger_upload(self, upload: Upload, asked: Asked, key: str | None = None) -> Run:
        """Accept a run on a dataset that was sent itself; it is in the store before the run is accepted."""
        request = RunRequest(
            run_id=new_run_id(key and f"trigger {key}"),
            task=await self.known_task(self.default_task if asked.task is None else asked.task),
            data_url=upload.address,
            force=asked.force,
            accepted_at=now(),
        )
        await self.backend.put_dataset(upload.sha256, upload.path)
        return await self._accept(request)

    async def rollback(self, body: RollbackBody, key: str | None = None) -> Run:
        """Accept a run that puts an earlier version back. The same key gives the same run. Raises KeyReusedError."""
        request = RunRequest(
            run_id=new_run_id(key and f"rollback {key}"),
            kind="rollback",
            task=await self.known_task(body.task),
            to_version=body.version,
            accepted_at=now(),
        )
        return await self._accept(request)

    async def run(self, run_id: str) -> Run:
        """Return a run. Raises NotFoundError (``run_unknown``)."""
        found = await self.backend.get(run_id)
        if found is None:
            raise NotFoundError(f"there is no run {run_id!r}", code=Code.RUN_UNKNOWN)
        return found

    async def cancel(self, run_id: str) -> Run:
        """See to it that a run ends. Raises NotFoundError (``run_unknown``), ConflictError (``run_ended``)."""
        run = await self.run(run_id)
        if run.state.ended:
            raise ConflictError(f"{run_id} has ended already: {run.state}", code=Code.RUN_ENDED, state=run.state)
        await self.backend.cancel(run)
        log.info("run is to end", run_id=run_id, task=run.task)
        return run

    async def check_ready(self) -> None:
        """Return when a trigger could be accepted now and all that goes on in the background goes on.

        Raises UnavailableError with what is wrong.
        """
        for task in self.background:
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise UnavailableError(f"the {task.get_name()} has ended: {error!r}", code=Code.BACKGROUND_ENDED)
        if self.feed.trouble:
            raise UnavailableError(
                f"changes of runs cannot be followed: {self.feed.trouble}", code=Code.BACKGROUND_ENDED
            )
        await self.backend.check_ready()

    async def tasks(self) -> list[TaskShown]:
        """Return what can be predicted, each with its state; a task that is broken with its reason."""
        return list(await asyncio.gather(*(self.task(name) for name in self.task_names)))

    async def task(self, name: str) -> TaskShown:
        """Return how a task is."""
        try:
            kept, serving = await asyncio.gather(self.backend.task_state(name), self.backend.serving(name))
        except RegraftError as error:
            return TaskShown(name=name, state="unknown", reason=Cause(code=error.code, message=error.message))
        known = kept or TaskState(name=name)
        about = {"name": name, "version": serving and serving.version, **known.model_dump(include=_SHOWN)}
        reason = known.broken or (self.predictors.trouble(name) if serving else None)
        state = "broken" if reason else "serving" if serving else "starting"
        return TaskShown(state=state, reason=reason, changes=_to_come(serving, known), **about)

    async def fit(self, name: str, window: Window) -> Fit:
        """Return whether what serves still fits its requests. Raises NotFoundError, UnavailableError."""
        await self.known(name)
        return await self.collector.fresh(name, window)

    @property
    def retrainer(self) -> Retrainer:
        """What asks for runs of the newest data."""
        return Retrainer(self.backend.objects, self._newest, self.collector.fit, self.backend.get, self._retrain)

    async def _newest(self, name: str) -> str | None:
        known = await self.backend.task_state(name)
        return None if known is None or known.broken else known.newest

    async def _retrain(self, name: str, address: str, key: str) -> Run:
        return await self.trigger(TriggerBody(data_url=address, task=name), key)

    @cached_property
    def earlier(self) -> Earlier:
        """Knows which versions can be put back."""
        return Earlier(self.versions)

    async def versions(self, name: str) -> list[VersionShown]:
        """Return the versions of a task, as far as its newest runs tell. Raises NotFoundError (``task_unknown``)."""
        await self.known(name)
        runs: list[Run] = []
        while len(runs) < MOST_RUNS:
            before = runs[-1].run_id if runs else None
            page = await self.backend.recent(task=name, limit=RUNS_AT_ONCE, before=before)
            runs += page
            if len(page) < RUNS_AT_ONCE:
                break
        return versions_of(runs)

    async def known(self, name: str) -> None:
        """Return where there is such a task. Raises NotFoundError (``task_unknown``)."""
        if name not in self.task_names and await self.backend.find_task(name) is None:
            raise NotFoundError(self._no_task(name), code=Code.TASK_UNKNOWN)

    async def _serving(self, name: str) -> Serving | None:
        """Return what serves; a note that cannot be read is no reason to say nothing of the task."""
        try:
            return await self.backend.serving(name)
        except UnreadableError as error:
            log_once(log, f"serving/{name}", "what serves cannot be read", task=name, reason=error.message)
            return None

    @property
    def task_names(self) -> list[str]:
        """The tasks that there are now: those of the settings, then those that were found."""
        found = sorted(self.backend.found_tasks())
        return [*self.settings.tasks, *(name for name in found if name not in self.settings.tasks)]

    @property
    def default_task(self) -> str:
        """The task of a trigger that names none."""
        return self.settings.tasks[0]

    async def known_task(self, name: str) -> str:
        """Return the name of a task that there is. Raises BadRequestError (``task_unknown``)."""
        if name not in self.task_names and await self.backend.find_task(name) is None:
            raise BadRequestError(self._no_task(name), code=Code.TASK_UNKNOWN)
        return name

    def _no_task(self, name: str) -> str:
        return f"there is no task {name[:100]!r}; there are: {', '.join(self.task_names)}"

    def _check_bucket(self, address: str) -> None:
        """Raise BadRequestError (``data_url_invalid``) for an s3:// address that the site does not allow."""
        bucket, key = s3_parts(address)
        if bucket and not in_buckets(bucket, key, self.settings.data_buckets):
            message = f"s3://{bucket}/ is none of the buckets that REGRAFT_DATA_BUCKETS lists"
            raise BadRequestError(message, code=Code.DATA_URL_INVALID)

    async def _accept_secretly(self, request: RunRequest, address: str) -> Run:
        """Accept a run whose address carries a secret: the whole of it is kept for the step that downloads alone."""
        is_new = await self.backend.keep_address(request.run_id, address)
        try:
            return await self._accept(request)
        except RegraftError:
            if is_new:
                await self.backend.forget_address(request.run_id)
            raise

    async def _accept(self, request: RunRequest) -> Run:
        run = await self.backend.submit(request)
        if not same_request(run, request):
            raise KeyReusedError(
                f"this Idempotency-Key stands for {run.run_id}, which asked for something else; take another key"
            )
        self.metrics.accepted.labels(run.task, run.kind).inc()
        log.info("run accepted", run_id=run.run_id, kind=run.kind, task=run.task, data_url=run.data_url)
        return run

    async def _follow(self) -> None:
        try:
            for run in await self.backend.recent(task=None, limit=CATCH_UP, before=None):
                self.metrics.know(run)
            for task in self.task_names:
                if serving := await self._serving(task):
                    self.metrics.promoted(task, serving.since.timestamp())
        except Exception as error:
            log.warning("metrics start without what was before", error=str(error))
        await self.feed.follow()


async def _current(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Current = Annotated[Service, Depends(_current)]
"""The service that a request came to, as a parameter of a route."""


def _to_come(serving: Serving | None, known: TaskState) -> list[Cause]:
    """Return what clients of the version in service will notice when the next one serves."""
    if serving is None or serving.contract is None or known.contract is None:
        return []
    return announced(serving.contract, known.contract)
