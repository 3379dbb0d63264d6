"""What becomes of Workflows is followed: changes, the end that somebody asks for, records where there are none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from regraft_core import kube, layout
from regraft_core.errors import UnavailableError
from regraft_core.record import cancellation, is_cancelled
from regraft_core.results import Attempt
from regraft_core.runs import Cause, Run, RunState, StepState
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_trigger.backends.workflows import run_of, run_workflow
from tests.apiserver import ApiServer
from tests.unit.trigger.backends.workflows import (
    LATER,
    WORKFLOWS,
    followed,
    node,
    opened,
    record,
    request,
    says,
    until,
    workflow,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.anyio


class TestChanges:
    async def test_every_change_of_a_run_is_told_once(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend, followed(backend) as changes:
            await backend.submit(request())
            assert await backend.recent(task=None, limit=10, before=None)
            running = workflow(request(), "Running", [node("download", "Running")])
            for _ in range(2):
                api.put(f"{WORKFLOWS}/run-a", running, kind="MODIFIED")
            told = await asyncio.wait_for(changes.get(), PATIENCE)
            if told.state == RunState.QUEUED:  # the watch may be quicker than the answer to submit
                told = await asyncio.wait_for(changes.get(), PATIENCE)
            assert told.state == RunState.RUNNING
            record(store, request())
            done = workflow(request(), "Succeeded", finishedAt=LATER)
            api.put(f"{WORKFLOWS}/run-a", done, kind="MODIFIED")
            ended = await asyncio.wait_for(changes.get(), PATIENCE)
            assert (ended.state, ended.version) == (RunState.PROMOTED, "7")

    async def test_questions_are_answered_from_memory_meanwhile(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Running"))
        async with opened(api, store) as backend, followed(backend):
            api.requests.clear()
            assert await backend.get("run-a") is not None
            assert await backend.recent(task=None, limit=10, before=None)
            assert not [path for method, path in api.requests if path.endswith("run-a")]

    async def test_a_workflow_that_is_deleted_is_a_record_from_then_on(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Succeeded", finishedAt=LATER))
        record(store, request())
        async with opened(api, store) as backend, followed(backend) as changes:
            api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Succeeded"), kind="DELETED")
            api.put(f"{WORKFLOWS}/run-b", workflow(request("run-b")), kind="ADDED")
            assert (await asyncio.wait_for(changes.get(), PATIENCE)).run_id == "run-b"
            run = await backend.get("run-a")
            assert run is not None
            assert run.version == "7"

    async def test_a_watch_that_has_expired_is_made_good_by_a_list(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend, followed(backend) as changes:
            api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Running"))
            api.events.put({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}})
            assert (await asyncio.wait_for(changes.get(), PATIENCE)).run_id == "run-a"

    async def test_an_api_server_that_goes_away_is_waited_for(
        self, api: ApiServer, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kube, "PAUSE_SECONDS", 0.02)
        async with opened(api, store) as backend, followed(backend) as changes:
            failures = [503, 503]
            api.before = lambda method, path: failures.pop() if failures else None
            api.events.put(None)
            api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Running"), kind="ADDED")
            assert (await asyncio.wait_for(changes.get(), PATIENCE)).run_id == "run-a"
            assert not failures


LOCK = {"type": "Pod", "message": "Waiting for regraft/Mutex/regraft-deploy-passwords lock. Lock status: 0/1"}


class TestCancel:
    @pytest.mark.parametrize(
        ("phase", "nodes", "spec"),
        [
            ("", [], {}),
            ("Running", [node("download", **says("continue")), node("validate", "Running")], {}),
            ("Running", [node("register", **says("continue")), node("deploy", "Pending", **LOCK)], {}),
            ("Running", [node("train", "Pending")], {"suspend": True}),
        ],
        ids=["queued", "runs", "waits for the lock", "suspended"],
    )
    async def test_a_run_is_ended_wherever_it_stands(
        self, api: ApiServer, store: FileStore, phase: str, nodes: list[dict[str, Any]], spec: dict[str, Any]
    ) -> None:
        item = workflow(request(), phase, nodes)
        item["spec"] |= spec
        api.put(f"{WORKFLOWS}/run-a", item)
        async with opened(api, store) as backend, followed(backend) as changes:
            run = await backend.get("run-a")
            assert run is not None
            await backend.cancel(run)
            assert f"{WORKFLOWS}/run-a" not in api.objects
            told = await asyncio.wait_for(changes.get(), PATIENCE)
            assert (told.run_id, told.state) == ("run-a", RunState.CANCELLED)
            shown = await backend.get("run-a")
            listed = await backend.recent(task=None, limit=5, before=None)
        assert shown is not None
        assert (shown.state, shown.cause and shown.cause.code) == (RunState.CANCELLED, "cancelled")
        assert [run.state for run in listed] == [RunState.CANCELLED]

    @pytest.mark.parametrize("suspended", [False, True])
    async def test_a_deploy_that_has_begun_ends_itself(self, api: ApiServer, store: FileStore, suspended: bool) -> None:
        item = workflow(request(), "Running", [node("deploy", "Running")])
        item["spec"]["suspend"] = suspended
        api.put(f"{WORKFLOWS}/run-a", item)
        async with opened(api, store) as backend:
            await backend.cancel(run_of(item))
        assert is_cancelled(store, "run-a")
        assert api.objects[f"{WORKFLOWS}/run-a"]["spec"]["suspend"] is False
        assert not store.exists(layout.record("run-a"))

    async def test_a_run_that_has_just_ended_stays_as_it_ended(self, api: ApiServer, store: FileStore) -> None:
        seen = run_of(workflow(request(), "Running"))
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Succeeded", finishedAt=LATER))
        record(store, request())
        async with opened(api, store) as backend:
            await backend.cancel(seen)
            run = await backend.get("run-a")
        assert run is not None
        assert run.state == RunState.PROMOTED

    async def test_where_the_cluster_refuses_that_is_said(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request()))
        api.before = lambda method, path: 403 if method == "DELETE" else None
        async with opened(api, store) as backend:
            with pytest.raises(UnavailableError, match="403"):
                await backend.cancel(run_of(workflow(request())))


class TestRecords:
    """Every accepted run ends, with its record."""

    async def test_a_workflow_that_is_deleted_before_its_end_gets_one(self, api: ApiServer, store: FileStore) -> None:
        going = workflow(request(), "Running", [node("download", **says("continue"))])
        api.put(f"{WORKFLOWS}/run-a", going)
        async with opened(api, store) as backend, followed(backend) as changes:
            api.put(f"{WORKFLOWS}/run-a", going, kind="DELETED")
            told = await asyncio.wait_for(changes.get(), PATIENCE)
        assert (told.state, told.cause and told.cause.code) == (RunState.FAILED, "workflow_gone")
        assert get_model(store, layout.record("run-a"), Run) == told
        assert list(store.keys(layout.HISTORY)) == [layout.history(told.accepted_at, "passwords", "run-a")]

    async def test_one_that_was_deleted_while_nobody_looked_gets_one_at_the_start(
        self, api: ApiServer, store: FileStore
    ) -> None:
        going = workflow(request(), "Running")
        api.put(f"{WORKFLOWS}/run-a", going)
        async with opened(api, store) as backend, followed(backend):
            await until(lambda: store.exists(layout.open_run("run-a")))
        del api.objects[f"{WORKFLOWS}/run-a"]
        async with opened(api, store) as backend, followed(backend) as changes:
            told = await asyncio.wait_for(changes.get(), PATIENCE)
        assert (told.run_id, told.cause and told.cause.code) == ("run-a", "workflow_gone")
        assert list(store.keys(layout.OPEN)) == []

    @pytest.mark.parametrize("phase", ["Failed", "Error", "Succeeded"])
    async def test_one_that_ended_without_gets_one(self, api: ApiServer, store: FileStore, phase: str) -> None:
        ended = workflow(request(), phase, [node("download", "Failed", message="OOMKilled")], finishedAt=LATER)
        api.put(f"{WORKFLOWS}/run-a", ended)
        async with opened(api, store) as backend, followed(backend):
            await until(lambda: store.exists(layout.record("run-a")))
        found = get_model(store, layout.record("run-a"), Run)
        assert found is not None
        assert (found.state, found.cause) == (
            RunState.FAILED,
            Cause(code="step_stopped", message="download: OOMKilled"),
        )

    @pytest.mark.parametrize("kind", ["DELETED", "MODIFIED"])
    async def test_a_deploy_that_was_left_open_is_ended_by_a_workflow_of_its_own(
        self, api: ApiServer, store: FileStore, kind: str
    ) -> None:
        going, end = workflow(request(), "Running", [node("deploy", "Running")]), f"{WORKFLOWS}/run-a-end"
        api.put(f"{WORKFLOWS}/run-a", going)
        put_model(store, layout.attempt("run-a", "deploy"), Attempt(name="deploy", state=StepState.RUNNING))
        async with opened(api, store) as backend, followed(backend) as changes:
            gone = workflow(request(), "Failed", [node("deploy", "Failed")], finishedAt=LATER)
            api.put(f"{WORKFLOWS}/run-a", going if kind == "DELETED" else gone, kind=kind)
            await until(lambda: end in api.objects)
            assert not store.exists(layout.record("run-a"))
            seen = await backend.get("run-a")
            assert seen is not None
            assert seen.state == RunState.RUNNING
            made = api.objects[end]
            assert made["spec"]["entrypoint"] == "put-back"
            assert made["spec"]["arguments"] == run_workflow(request()).to_dict()["spec"]["arguments"]
            assert "regraft.dev/task" not in made["metadata"].get("labels", {})
            asked = cancellation(store, "run-a")
            assert asked is not None
            assert asked.because is not None
            if kind == "DELETED":
                await backend.cancel(run_of(going))  # which is under way
            assert not store.exists(layout.record("run-a"))
            api.put(end, made | {"status": {"phase": "Succeeded"}})
            await until(lambda: store.exists(layout.record("run-a")))
            while (await asyncio.wait_for(changes.get(), PATIENCE)).step("deploy").state != StepState.FAILED:
                pass
        assert api.requests.count(("POST", WORKFLOWS)) == 1

    async def test_where_the_cluster_refuses_it_the_record_is_written_all_the_same(
        self, api: ApiServer, store: FileStore
    ) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Failed", finishedAt=LATER))
        put_model(store, layout.attempt("run-a", "deploy"), Attempt(name="deploy", state=StepState.RUNNING))
        api.before = lambda method, path: 403 if method == "POST" else None
        async with opened(api, store) as backend, followed(backend):
            await until(lambda: store.exists(layout.record("run-a")))

    async def test_one_that_has_its_record_is_left_alone(self, api: ApiServer, store: FileStore) -> None:
        kept = record(store, request())
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Succeeded", finishedAt=LATER))
        api.put(f"{WORKFLOWS}/run-b", workflow(request("run-b"), "Failed", finishedAt=LATER))
        async with opened(api, store) as backend, followed(backend):
            await until(lambda: store.exists(layout.record("run-b")))
        assert get_model(store, layout.record("run-a"), Run) == kept

    async def test_a_record_that_cannot_be_read_costs_that_run_only_and_is_shown(
        self, api: ApiServer, store: FileStore
    ) -> None:
        for letter in "ab":
            record(store, request(f"run-{letter}"))
        store.put(layout.record("run-b"), (store.get(layout.record("run-b")) or b"").replace(b"promoted", b"grafted"))
        async with opened(api, store) as backend:
            runs = await backend.recent(task=None, limit=5, before=None)
        assert {run.run_id: run.cause and run.cause.code for run in runs} == {
            "run-a": None,
            "run-b": "record_unreadable",
        }

    @pytest.mark.parametrize("status", [404, 410])
    async def test_a_list_that_is_refused_is_not_asked_for_without_a_pause(
        self, api: ApiServer, store: FileStore, status: int
    ) -> None:
        api.before = lambda method, path: status
        async with opened(api, store) as backend:
            task = asyncio.ensure_future(anext(aiter(backend.changes())))
            async with asyncio.timeout(PATIENCE):
                while ("GET", WORKFLOWS) not in api.requests:  # noqa: ASYNC110  (another thread notes it)
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            task.cancel()
            await asyncio.wait([task])
        assert api.requests.count(("GET", WORKFLOWS)) == 1
