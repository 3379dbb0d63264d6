"""Workflows as Argo has them, and a backend that follows those of an API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from regraft_core import layout
from regraft_core.runs import Run, RunRequest, RunState
from regraft_core.stores.objects import FileStore, put_model
from regraft_trigger.backends.argo import ArgoBackend
from regraft_trigger.backends.workflows import run_workflow
from tests.apiserver import ApiServer

WORKFLOWS = "/apis/argoproj.io/v1alpha1/namespaces/regraft/workflows"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = "2026-01-01T12:00:09Z"


def request(name: str = "run-a", *, after: float = 0, **fields: Any) -> RunRequest:
    return RunRequest(
        run_id=name,
        task=fields.pop("task", "passwords"),
        data_url="http://data/x.csv",
        accepted_at=NOON + timedelta(seconds=after),
        **fields,
    )


def node(step: str, phase: str = "Succeeded", **more: Any) -> dict[str, Any]:
    return {
        "id": f"run-a-{sum(map(ord, step))}",
        "displayName": step,
        "templateName": step,
        "type": "Pod",
        "phase": phase,
        "startedAt": "2026-01-01T12:00:01Z",
        "finishedAt": LATER if phase != "Running" else None,
        **more,
    }


def says(outcome: str) -> dict[str, Any]:
    return {"outputs": {"parameters": [{"name": "outcome", "value": outcome}]}}


def workflow(
    wanted: RunRequest, phase: str = "", nodes: list[dict[str, Any]] | None = None, **status: Any
) -> dict[str, Any]:
    found: dict[str, Any] = run_workflow(wanted).to_dict()
    found["status"] = {"phase": phase, "nodes": {item["id"]: item for item in nodes or []}, **status}
    return found


@asynccontextmanager
async def opened(api: ApiServer, store: FileStore) -> AsyncIterator[ArgoBackend]:
    backend = ArgoBackend(api.cluster, "regraft", store)
    try:
        yield backend
    finally:
        await backend.close()


def record(store: FileStore, wanted: RunRequest, state: RunState = RunState.PROMOTED) -> Run:
    run = Run.accept(wanted).model_copy(update={"state": state, "version": "7"})
    put_model(store, layout.record(run.run_id), run)
    store.put(layout.history(run.accepted_at, run.task, run.run_id), b"")
    return run


@asynccontextmanager
async def followed(backend: ArgoBackend) -> AsyncIterator[asyncio.Queue[Run]]:
    """Follow the changes of runs; the queue gets them."""
    queue: asyncio.Queue[Run] = asyncio.Queue()

    async def follow() -> None:
        async for run in backend.changes():
            queue.put_nowait(run)

    task = asyncio.create_task(follow())
    while backend._followed is None:  # noqa: ASYNC110  (the backend has no event for this, and needs none)
        await asyncio.sleep(0.01)
    yield queue
    task.cancel()
    await asyncio.wait([task])


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (files have no events)
            await asyncio.sleep(0.02)
