"""The backend that hands runs to Argo Workflows: accepting, finding and listing them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import TemporaryError, UnavailableError
from regraft_core.runs import RunState
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, put_model
from regraft_core.verdict import Verdict
from regraft_trigger.backends.argo import ArgoBackend
from tests.apiserver import ApiServer
from tests.unit.trigger.backends.workflows import (
    LATER,
    NOON,
    WORKFLOWS,
    followed,
    node,
    opened,
    record,
    request,
    says,
    workflow,
)

pytestmark = pytest.mark.anyio


class TestSubmit:
    async def test_the_workflow_exists_when_the_run_is_accepted(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend:
            run = await backend.submit(request())
        assert run.state == RunState.QUEUED
        assert f"{WORKFLOWS}/run-a" in api.objects

    async def test_the_same_id_again_is_the_same_run(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend:
            first = await backend.submit(request())
            again = await backend.submit(request(after=60))
        assert again.accepted_at == first.accepted_at
        assert len(api.items(WORKFLOWS)) == 1

    async def test_an_id_that_has_a_record_only_is_not_run_again(self, api: ApiServer, store: FileStore) -> None:
        record(store, request())
        async with opened(api, store) as backend:
            assert (await backend.submit(request())).state == RunState.PROMOTED
        assert not api.objects

    async def test_acceptance_is_in_strict_order_whatever_the_clock_says(
        self, api: ApiServer, store: FileStore
    ) -> None:
        async with opened(api, store) as backend:
            runs = [await backend.submit(request(f"run-{number}", after=-number)) for number in range(3)]
        assert runs[0].accepted_at < runs[1].accepted_at < runs[2].accepted_at

    @pytest.mark.parametrize("workflow_is_gone", [True, False])
    async def test_acceptance_is_in_strict_order_whatever_the_clock_of_the_process_before_said(
        self, api: ApiServer, store: FileStore, workflow_is_gone: bool
    ) -> None:
        async with opened(api, store) as backend:
            before = await backend.submit(request())
        record(store, before.request())
        if workflow_is_gone:
            api.objects.clear()
        async with opened(api, store) as backend, opened(api, store) as replica:
            runs = await asyncio.gather(*(backend.submit(request(f"run-{x}", after=-3600)) for x in "bc"))
            runs.append(await replica.submit(request("run-d", after=-7200)))
        assert before.accepted_at < min(run.accepted_at for run in runs)
        assert len({run.accepted_at for run in runs}) == 3

    @pytest.mark.parametrize("status", [403, 422, 500, 503])
    async def test_there_is_no_run_where_the_cluster_refuses(
        self, api: ApiServer, store: FileStore, status: int
    ) -> None:
        api.before = lambda method, path: status if method == "POST" else None
        async with opened(api, store) as backend:
            with pytest.raises(UnavailableError, match=str(status)):
                await backend.submit(request())
            assert await backend.get("run-a") is None

    async def test_a_run_is_accepted_although_the_answer_was_lost(self, api: ApiServer, store: FileStore) -> None:
        api.after = lambda method, path: method != "POST"
        async with opened(api, store) as backend:
            assert (await backend.submit(request())).run_id == "run-a"

    async def test_a_store_that_does_not_answer_holds_nothing_up(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, _BrokenStore(store.root)) as backend:
            assert (await backend.submit(request())).run_id == "run-a"


class _BrokenStore(FileStore):
    def get(self, key: str) -> bytes | None:
        raise TemporaryError("the store is away", code=Code.STORE_UNREACHABLE)

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        raise TemporaryError("the store is away", code=Code.STORE_UNREACHABLE)


class TestGet:
    async def test_an_unknown_run_is_none(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend:
            assert await backend.get("run-a") is None

    async def test_a_run_that_goes_on_has_its_verdict_already(self, api: ApiServer, store: FileStore) -> None:
        nodes = [node("download", **says("continue")), node("validate", **says("continue"))]
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Running", nodes))
        put_model(store, layout.verdict("run-a"), Verdict(task="passwords", accepted=True))
        async with opened(api, store) as backend:
            run = await backend.get("run-a")
        assert run is not None
        assert (run.state, run.verdict and run.verdict.accepted) == (RunState.RUNNING, True)

    async def test_a_run_that_has_ended_is_its_record(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Succeeded", finishedAt=LATER))
        record(store, request())
        async with opened(api, store) as backend:
            run = await backend.get("run-a")
        assert run is not None
        assert run.version == "7"

    async def test_without_the_store_the_workflow_tells_what_it_can(self, api: ApiServer, store: FileStore) -> None:
        nodes = [node("deploy", **says("promoted"))]
        api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Succeeded", nodes, finishedAt=LATER))
        async with opened(api, _BrokenStore(store.root)) as backend:
            run = await backend.get("run-a")
        assert run is not None
        assert run.state == RunState.PROMOTED

    async def test_when_nobody_can_tell_that_is_an_error(self, api: ApiServer, store: FileStore) -> None:
        api.before = lambda method, path: 500
        async with opened(api, store) as backend:
            with pytest.raises(UnavailableError):
                await backend.get("run-a")


class TestRecent:
    async def test_workflows_and_records_are_one_list_newest_first(self, api: ApiServer, store: FileStore) -> None:
        for number in range(4):
            record(store, request(f"run-{number}", after=number))
        for number in (3, 4):
            wanted = request(f"run-{number}", after=number)
            api.put(f"{WORKFLOWS}/run-{number}", workflow(wanted, "Running" if number == 4 else "Succeeded"))
        async with opened(api, store) as backend:
            everything = await backend.recent(task=None, limit=10, before=None)
            page = await backend.recent(task=None, limit=2, before="run-3")
            nothing = await backend.recent(task=None, limit=2, before="run-unknown")
        assert [run.run_id for run in everything] == ["run-4", "run-3", "run-2", "run-1", "run-0"]
        assert [run.run_id for run in page] == ["run-2", "run-1"]
        assert nothing == []

    async def test_a_task_has_its_own_runs(self, api: ApiServer, store: FileStore) -> None:
        for number, task in enumerate(["passwords", "heart-disease"] * 2):
            record(store, request(f"run-{number}", after=number, task=task))
        api.put(f"{WORKFLOWS}/run-9", workflow(request("run-9", after=9)))
        async with opened(api, store) as backend:
            runs = await backend.recent(task="heart-disease", limit=10, before=None)
        assert [run.run_id for run in runs] == ["run-3", "run-1"]

    async def test_without_the_store_the_workflows_are_listed(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request()))
        async with opened(api, _BrokenStore(store.root)) as backend:
            assert len(await backend.recent(task=None, limit=10, before=None)) == 1

    async def test_many_workflows_are_asked_for_page_by_page(
        self, api: ApiServer, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("regraft_trigger.backends.listing.PAGE", 2)
        for number in range(5):
            api.put(f"{WORKFLOWS}/run-{number}", workflow(request(f"run-{number}", after=number)))
        async with opened(api, store) as backend:
            runs = await backend.recent(task=None, limit=10, before=None)
        assert [run.run_id for run in runs] == [f"run-{number}" for number in range(4, -1, -1)]
        assert [method for method, path in api.requests if path == WORKFLOWS] == ["GET"] * 3

    async def test_who_asks_while_they_are_read_waits_for_that(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/run-a", workflow(request()))
        async with opened(api, store) as backend:
            lists = await asyncio.gather(*(backend.recent(task=None, limit=10, before=None) for _ in range(5)))
            await backend.recent(task=None, limit=10, before=None)
        assert [[run.run_id for run in runs] for runs in lists] == [["run-a"]] * 5
        assert [method for method, path in api.requests if path == WORKFLOWS] == ["GET"] * 2

    async def test_a_workflow_that_is_no_run_is_left_out(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/x", {"metadata": {"name": "x"}, "spec": {"arguments": {"parameters": []}}})
        async with opened(api, store) as backend:
            assert await backend.recent(task=None, limit=10, before=None) == []


class TestQueue:
    async def test_is_full_at_some_point_for_that_task(self, api: ApiServer, store: FileStore) -> None:
        backend = ArgoBackend(api.cluster, "regraft", store, most_waiting=1)
        async with followed(backend):
            await backend.submit(request())
            with pytest.raises(UnavailableError) as caught:
                await backend.submit(request("run-b"))
            await backend.submit(request("run-c", task="heart-disease"))
        await backend.close()
        assert caught.value.code == "queue_full"
        assert len(api.objects) == 2


class TestReady:
    async def test_is_ready_when_a_workflow_could_be_created(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend:
            await backend.check_ready()
        assert not api.objects

    async def test_is_not_ready_when_the_api_server_refuses(self, api: ApiServer, store: FileStore) -> None:
        api.before = lambda method, path: 403
        async with opened(api, store) as backend:
            with pytest.raises(UnavailableError, match="no run can be accepted"):
                await backend.check_ready()

    async def test_is_not_ready_when_the_api_server_is_away(self, store: FileStore) -> None:
        with ApiServer().running() as gone:
            cluster = gone.cluster
        backend = ArgoBackend(cluster, "regraft", store)
        with pytest.raises(UnavailableError, match="cannot be reached"):
            await backend.check_ready()
        await backend.close()


async def test_reports_and_what_serves_come_from_the_store(api: ApiServer, store: FileStore) -> None:
    store.put(layout.report("run-a"), b"<html>")
    serving = Serving(task="passwords", version="7", run_id="run-a", uri="s3://b/", since=NOON)
    put_model(store, layout.serving("passwords"), serving)
    async with opened(api, store) as backend:
        assert await backend.report("run-a") == b"<html>"
        assert await backend.serving("passwords") == serving
        assert await backend.serving("heart-disease") is None
