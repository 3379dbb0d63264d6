"""The backend on Kubernetes: every run is an Argo Workflow; what outlives it is in the object store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from pydantic import Field

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.definition.objects import TaskObject
from regraft_core.errors import NotFoundError, RegraftError, TemporaryError, UnavailableError, UnreadableError
from regraft_core.kube import MERGE_PATCH, Cluster, answer, follow, reaching
from regraft_core.logs import get_logger, log_once
from regraft_core.record import CANCELLED
from regraft_core.runs import Cause, Run, RunRequest, StepState, now
from regraft_core.serving import Serving
from regraft_core.settings import CoreSettings
from regraft_core.stores.objects import ObjectStore, open_store
from regraft_core.taskstate import TaskState
from regraft_core.workflows import API_VERSION, TASK_LABEL
from regraft_trigger.backends.archive import Archive, or_unavailable
from regraft_trigger.backends.backend import PredictorPod
from regraft_trigger.backends.ending import Ending
from regraft_trigger.backends.listing import Listing
from regraft_trigger.backends.moments import Moments
from regraft_trigger.backends.pods import predictor_pods
from regraft_trigger.backends.reconcile import Reconciler
from regraft_trigger.backends.tasks import TaskObjects
from regraft_trigger.backends.workflows import changed, has_begun, readable, run_of, run_workflow

CREATE_SECONDS = 5
"""How long the API server may take to create a Workflow; it gives up by itself then."""

READY_SECONDS = 2
"""How long it may take to say that it would."""

DUPLICATE_SECONDS = 0.3
"""How long a trigger waits to hear of the past: whether a run of its id has ended long ago, which is the newest."""

log = get_logger(__name__)

Json = dict[str, Any]


class ArgoSettings(CoreSettings):
    """What the Argo backend needs to know besides."""

    namespace: str = Field("regraft", description="Namespace of the Workflows")
    argo_public_url: str | None = Field(None, description="Address of Argo's pages in a browser, for links")
    argo_instance_id: str | None = Field(
        None, description="Instance ID of the Argo controller that is to run the Workflows, where it has one"
    )


def make_argo_backend(most_waiting: int) -> ArgoBackend:
    """Return the backend on the cluster that this pod runs in, or that kubectl would speak to."""
    settings = ArgoSettings()
    objects = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    return ArgoBackend(
        Cluster.find(),
        settings.namespace,
        objects,
        argo_public_url=settings.argo_public_url,
        argo_instance_id=settings.argo_instance_id,
        most_waiting=most_waiting,
    )


class ArgoBackend:
    """Runs as Workflows of one namespace.

    While ``changes`` is followed, the Workflows are known here, and no question about runs goes to the API server.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        objects: ObjectStore,
        *,
        argo_public_url: str | None = None,
        argo_instance_id: str | None = None,
        most_waiting: int | None = None,
    ) -> None:
        self._instance_id = argo_instance_id
        self._most_waiting = most_waiting
        self._api = cluster.async_client(timeout=CREATE_SECONDS + 1)
        self._namespace = namespace
        self.objects = objects
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/workflows"
        self._pages = f"{argo_public_url.rstrip('/')}/workflows/{namespace}" if argo_public_url else None
        self._listing = Listing(self._api, self._path)
        self._archive = Archive(objects)
        self._tasks = TaskObjects(self._api, namespace)
        self._reconciler = Reconciler(self._archive, Ending(self._api, self._path, argo_instance_id))
        self._listed = asyncio.Event()
        self._followed: dict[str, Run] | None = None
        self._moments = Moments(self._newest)

    async def pods(self, port: int) -> Sequence[PredictorPod]:
        """Return the predictors' pods that have an address."""
        return await predictor_pods(self._api, self._namespace, port)

    async def submit(self, request: RunRequest) -> Run:
        """Create the run's Workflow; it is in the cluster when this returns."""
        if past := await self._past(request.run_id):
            return past
        self._check_room(request)
        await self._give_task(request)
        moment = await self._moments.after_all(request.accepted_at)
        run = await self._accept(request.model_copy(update={"accepted_at": moment}))
        if self._followed is not None:
            self._followed.setdefault(run.run_id, run)
        return run

    async def keep_address(self, run_id: str, address: str) -> bool:
        """Keep the whole address of a run beside its Workflow, which shows it to everybody."""
        return await or_unavailable(self._archive.keep_address(run_id, address))

    async def forget_address(self, run_id: str) -> None:
        """Let nothing of a kept address remain."""
        await or_unavailable(self._archive.forget_address(run_id))

    async def put_dataset(self, sha256: str, path: Path) -> None:
        """Put a dataset into the store from a file."""
        await or_unavailable(self._archive.put_dataset(sha256, path))

    async def get(self, run_id: str) -> Run | None:
        """Return a run, None where there is none."""
        run = (self._followed or {}).get(run_id) or await self._find(run_id)
        if run is not None:
            return await self._detailed(run)
        return await self._archive.record(run_id) or self._reconciler.waiting(run_id)

    async def cancel(self, run: Run) -> None:
        """End a run: a deploy that has begun ends itself, for it may have to put back; everything else is deleted.

        Deleting is what ends a Workflow in every state: one that waits in Argo's own lock heeds no stop.
        """
        await self._archive.cancel(run.run_id)  # a deploy that begins from now on changes nothing
        workflow = await self._workflow(run.run_id)
        if workflow is not None and run_of(workflow).state.ended:
            return
        if workflow is not None and has_begun(workflow, "deploy"):
            if workflow["spec"].get("suspend"):
                await self._change("PATCH", run.run_id, json={"spec": {"suspend": False}}, headers=MERGE_PATCH)
            return
        if workflow is None and await self._archive.is_left_open(run.run_id, CANCELLED):
            return  # its end is under way
        await self._archive.complete(run, {}, CANCELLED)
        if workflow is not None:
            await self._change("DELETE", run.run_id, json={"propagationPolicy": "Background"})

    async def recent(self, *, task: str | None, limit: int, before: str | None) -> list[Run]:
        """Return runs, newest first: Workflows, and those of which there is nothing but a record."""
        after = ""
        if before is not None:
            last = await self.get(before)
            if last is None:
                return []
            after = _place(last)
        runs = (await self._listing.runs())[0] if self._followed is None else self._followed
        here = {_place(run): run for run in runs.values() if task in (None, run.task)}
        try:
            past = await self._archive.places(task=task, after=after, limit=limit)
        except RegraftError as error:
            log.warning("history cannot be read", error=error.message)
            past = []
        places = sorted({*past, *(place for place in here if place > after)})[:limit]
        past_runs = [await self._archive.of_history(place) for place in places if place not in here]
        found = [await self._detailed(here[place]) for place in places if place in here]
        found += [run for run in past_runs if run is not None]
        return sorted(found, key=_place)

    async def changes(self) -> AsyncIterator[Run]:
        """Follow every change from now on; where the API server cannot be reached this waits, and then catches up."""
        news: asyncio.Queue[Run] = asyncio.Queue()
        followers = {
            asyncio.create_task(self._follow(news.put)),
            asyncio.create_task(self._reconcile(news.put)),
            asyncio.create_task(self._tasks.follow()),
        }
        try:
            while True:
                change = asyncio.create_task(news.get())
                done, _ = await asyncio.wait({change, *followers}, return_when=asyncio.FIRST_COMPLETED)
                for follower in done & followers:
                    follower.result()  # none ends but by an error
                yield await self._detailed(change.result())
        finally:
            self._followed = None
            self._listed.clear()
            for follower in followers:
                follower.cancel()

    async def report(self, run_id: str) -> bytes | None:
        """Return the data report of a run, None where it has none (yet)."""
        return await self._archive.report(run_id)

    async def log(self, run_id: str, step: str) -> bytes | None:
        """Return what a step logged, None where there is nothing (yet)."""
        return await self._archive.log(run_id, step)

    async def serving(self, task: str) -> Serving | None:
        """Return what is in service for a task, None where nothing is."""
        return await self._archive.serving(task)

    async def task_state(self, task: str) -> TaskState | None:
        """Return how a task is: of a ConfigMap as it is now, of any other as somebody saw it last."""
        if (found := self._tasks.known.get(task)) is not None:
            return found.state
        return await self._archive.task_state(task)

    def found_tasks(self) -> list[str]:
        """Return the tasks of the namespace's ConfigMaps."""
        return list(self._tasks.known)

    async def find_task(self, task: str) -> TaskObject | None:
        """Look for the ConfigMap of a task."""
        return await self._tasks.read(task)

    async def check_ready(self) -> None:
        """Return when the API server would create a Workflow: it is asked to, for nothing to be kept of it."""
        request = RunRequest(run_id="ready", task="ready", accepted_at=now())
        try:
            await self._create(request, seconds=READY_SECONDS, dryRun="All")
        except RegraftError as error:
            raise UnavailableError(f"no run can be accepted: {error.message}") from error

    async def close(self) -> None:
        """Let go of connections."""
        self._listing.close()
        await self._api.aclose()
        self._archive.close()

    def _check_room(self, request: RunRequest) -> None:
        """Raise UnavailableError (``queue_full``) where as many runs of the task are open as may be."""
        runs = self._followed or {}
        if self._most_waiting is None or request.run_id in runs or len(runs) < self._most_waiting:
            return
        if sum(run.task == request.task and not run.state.ended for run in runs.values()) >= self._most_waiting:
            raise UnavailableError(
                f"{self._most_waiting} runs of {request.task} wait already", code=Code.QUEUE_FULL, retry_after=30
            )

    async def _give_task(self, request: RunRequest) -> None:
        """Keep the definition that a run is accepted with. Raises TaskFileError where the task's object is wrong."""
        if request.task not in self._tasks.known or (found := await self._tasks.read(request.task)) is None:
            return  # a task that is a package: the steps have it
        await or_unavailable(self._archive.give_task(request.run_id, *found.sound()))

    async def _newest(self) -> list[datetime]:
        """Return when runs were accepted, as the Workflows tell, and the newest of those that are history."""
        runs = (await self._listing.runs())[0] if self._followed is None else self._followed
        past = await self._archive.places(task=None, after="", limit=1, seconds=DUPLICATE_SECONDS)
        return [*(run.accepted_at for run in runs.values()), *map(layout.accepted_of, past)]

    async def _past(self, run_id: str) -> Run | None:
        try:
            return await self._archive.record(run_id, seconds=DUPLICATE_SECONDS)
        except RegraftError as error:
            log.warning("record cannot be looked for", run_id=run_id, error=error.message)
            return None

    async def _accept(self, request: RunRequest) -> Run:
        try:
            return run_of(await self._create(request, seconds=CREATE_SECONDS))
        except RegraftError as error:
            # 409, or an answer that was lost: the Workflow may be there.
            found = await self._find(request.run_id) if isinstance(error, TemporaryError) else None
            if found is None:
                raise UnavailableError(f"the run was not accepted: {error.message}") from error
            return found

    async def _create(self, request: RunRequest, *, seconds: float, **parameters: str) -> Json:
        body = run_workflow(request, instance_id=self._instance_id).to_dict()
        with reaching():
            response = await self._api.post(self._path, json=body, params={"timeout": f"{seconds}s", **parameters})
        return answer(response)

    async def _find(self, run_id: str) -> Run | None:
        """Return the run of a Workflow, None where there is no such Workflow."""
        workflow = await self._workflow(run_id)
        return None if workflow is None else run_of(workflow)

    async def _change(self, method: str, run_id: str, **content: Any) -> None:
        """Change a Workflow, or delete it; one that is gone is left alone."""
        try:
            with reaching():
                answer(await self._api.request(method, f"{self._path}/{run_id}", **content))
        except NotFoundError:
            return
        except RegraftError as error:
            raise UnavailableError(f"the Workflow of {run_id} cannot be ended now: {error.message}") from error

    async def _workflow(self, run_id: str) -> Json | None:
        """Return a Workflow, None where there is none of this name."""
        try:
            with reaching():
                return answer(await self._api.get(f"{self._path}/{run_id}"))
        except NotFoundError:
            return None
        except TemporaryError as error:
            raise UnavailableError(f"workflows cannot be read: {error.message}") from error

    async def _reconcile(self, tell: Callable[[Run], Awaitable[None]]) -> None:
        """Look after the records, as soon as it is known which Workflows there are."""
        await self._listed.wait()
        await self._reconciler.follow(lambda: self._followed or {}, tell)

    async def _follow(self, tell: Callable[[Run], Awaitable[None]]) -> NoReturn:
        async def take_all() -> str:
            runs, version = await self._listing.runs()
            for run in self._begin_anew(runs):
                await tell(run)
            return version

        async def take_in(kind: str, workflow: Json) -> None:
            if changed := self._take_in(kind, workflow):
                await tell(changed)

        await follow(self._api, self._path, selector=TASK_LABEL, take_all=take_all, take_in=take_in)

    def _begin_anew(self, runs: dict[str, Run]) -> list[Run]:
        """Take in the list of all runs, and return those that have changed since the one before."""
        before, self._followed = self._followed, runs
        self._listed.set()
        for run in runs.values():
            self._reconciler.see(run)
            self._moments.saw(run)
        for run in (before or {}).values():
            if run.run_id not in runs and not run.state.ended:
                self._reconciler.miss(run)
        return changed(before, runs)

    def _take_in(self, kind: str, workflow: Json) -> Run | None:
        """Note what a watch says, and return the run where it has changed."""
        followed = self._followed if self._followed is not None else {}
        if (run := readable(workflow)) is None:
            return None
        if kind == "DELETED":
            followed.pop(run.run_id, None)
            if not run.state.ended:
                self._reconciler.miss(run)
            return None
        self._reconciler.see(run)
        self._moments.saw(run)
        is_news = followed.get(run.run_id) != run
        followed[run.run_id] = run
        return run if is_news else None

    async def _detailed(self, run: Run) -> Run:
        """Return the run of a Workflow with what that does not tell, and with the address of its page."""
        run = await self._completed(run)
        if self._pages is None:
            return run
        return run.model_copy(update={"links": run.links | {"workflow": f"{self._pages}/{run.run_id}"}})

    async def _completed(self, run: Run) -> Run:
        """Return the run with what its Workflow does not tell: its verdict, or its record where it has ended."""
        try:
            if run.state.ended:
                record = await self._archive.record(run.run_id, run.finished_at)
                return record or self._reconciler.waiting(run.run_id) or run
            if any(step.name == "validate" and step.state == StepState.SUCCEEDED for step in run.steps):
                return run.model_copy(update={"verdict": await self._archive.verdict(run.run_id)})
        except UnreadableError as error:
            log_once(log, f"details/{run.run_id}", "details are left aside", run_id=run.run_id, reason=error.message)
            return run.model_copy(update={"cause": run.cause or Cause(code=error.code, message=error.message)})
        except RegraftError as error:
            log.warning("details cannot be read", run_id=run.run_id, error=error.message)
        return run


def _place(run: Run) -> str:
    return layout.history(run.accepted_at, run.task, run.run_id)
