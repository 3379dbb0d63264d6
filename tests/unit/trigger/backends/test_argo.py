from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import TemporaryError, UnavailableError
from regraft_core.record import is_cancelled
from regraft_core.runs import Cause, Run, RunRequest, RunState, StepState
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_core.verdict import Verdict
from regraft_core.workflows import parameters_of
from regraft_trigger.backends import argo, reconcile
from regraft_trigger.backends.argo import ArgoBackend
from regraft_trigger.backends.workflows import run_of, run_workflow
from tests.apiserver import ApiServer

pytestmark = pytest.mark.anyio

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


class TestWorkflow:
    def test_has_the_name_of_the_run_and_refers_to_the_template(self) -> None:
        made = run_workflow(request(force=True)).to_dict()
        assert made["metadata"]["name"] == "run-a"
        assert made["metadata"]["labels"] == {"regraft.dev/task": "passwords"}
        assert made["metadata"]["annotations"] == {"regraft.dev/order": request().order}
        instance = run_workflow(request(), instance_id="team-a").to_dict()["metadata"]["labels"]
        assert instance["workflows.argoproj.io/controller-instanceid"] == "team-a"
        assert made["spec"]["workflowTemplateRef"] == {"name": "regraft-pipeline"}
        assert {"name": "force", "value": "true"} in made["spec"]["arguments"]["parameters"]

    def test_gives_the_request_back(self) -> None:
        for wanted in (request(force=True), request(kind="rollback", to_version="7")):
            assert run_of(run_workflow(wanted).to_dict()).model_dump(include=set(RunRequest.model_fields)) == (
                wanted.model_dump()
            )

    def test_an_address_cannot_smuggle_in_an_expression(self) -> None:
        smuggled = request().model_copy(update={"data_url": "http://d/{{workflow.name}}?a={{=1+1}}"})
        assert parameters_of(smuggled)["data_url"] == "http://d/%7B%7Bworkflow.name%7D%7D?a=%7B%7B=1+1%7D%7D"


class TestRunOf:
    def test_a_new_workflow_is_a_queued_run(self) -> None:
        run = run_of(workflow(request()))
        assert run.state == RunState.QUEUED
        assert {step.state for step in run.steps} == {StepState.PENDING}

    def test_nodes_are_steps_with_times_pods_and_progress(self) -> None:
        running = node("validate", "Running", progress="40/100")
        run = run_of(workflow(request(), "Running", [node("download", **says("continue")), running]))
        assert run.state == RunState.RUNNING
        download, validate = run.step("download"), run.step("validate")
        assert (download.state, download.finished_at) == (StepState.SUCCEEDED, datetime.fromisoformat(LATER))
        assert download.pod == f"run-a-download-{node('download')['id'].split('-')[-1]}"
        assert (validate.state, validate.progress) == (StepState.RUNNING, 0.4)
        assert run.step("train").state == StepState.PENDING

    def test_the_pod_of_a_step_that_was_tried_again_is_its_last(self) -> None:
        tries = [node(f"download({number})", "Failed") | {"templateName": "download"} for number in range(2)]
        step = node("download", "Running", type="Retry", children=[item["id"] for item in tries])
        run = run_of(workflow(request(), "Running", [*tries, step]))
        assert run.step("download").pod == f"run-a-download-{tries[1]['id'].split('-')[-1]}"

    def test_a_run_ends_as_its_last_step_says(self) -> None:
        nodes = [
            node("download", **says("continue")),
            node("validate", **says("rejected")),
            node("train", "Skipped", type="Skipped"),
        ]
        run = run_of(workflow(request(), "Succeeded", nodes, finishedAt=LATER))
        assert run.state == RunState.REJECTED
        assert run.finished_at == run.updated_at == datetime.fromisoformat(LATER)
        assert [step.state for step in run.steps[2:]] == [StepState.SKIPPED] * 3

    def test_a_failed_workflow_tells_which_step(self) -> None:
        nodes = [node("download", "Failed", message="OOMKilled (exit code 137)")]
        run = run_of(workflow(request(), "Failed", nodes, finishedAt=LATER))
        assert run.state == RunState.FAILED
        assert run.cause == Cause(code="workflow_failed", message="download: OOMKilled (exit code 137)")

    def test_a_workflow_that_could_not_begin_tells_why(self) -> None:
        run = run_of(workflow(request(), "Error", message="workflowtemplate not found", finishedAt=LATER))
        assert run.cause == Cause(code="workflow_failed", message="workflowtemplate not found")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAUSE", 0.02)


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer().running() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


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
        monkeypatch.setattr("regraft_trigger.backends.argo.PAGE", 2)
        for number in range(5):
            api.put(f"{WORKFLOWS}/run-{number}", workflow(request(f"run-{number}", after=number)))
        async with opened(api, store) as backend:
            runs = await backend.recent(task=None, limit=10, before=None)
        assert [run.run_id for run in runs] == [f"run-{number}" for number in range(4, -1, -1)]
        assert [method for method, path in api.requests if path == WORKFLOWS] == ["GET"] * 3

    async def test_a_workflow_that_is_no_run_is_left_out(self, api: ApiServer, store: FileStore) -> None:
        api.put(f"{WORKFLOWS}/x", {"metadata": {"name": "x"}, "spec": {"arguments": {"parameters": []}}})
        async with opened(api, store) as backend:
            assert await backend.recent(task=None, limit=10, before=None) == []


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


class TestChanges:
    async def test_every_change_of_a_run_is_told_once(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend, followed(backend) as changes:
            await backend.submit(request())
            assert await backend.recent(task=None, limit=10, before=None)
            running = workflow(request(), "Running", [node("download", "Running")])
            for _ in range(2):
                api.put(f"{WORKFLOWS}/run-a", running, kind="MODIFIED")
            told = await asyncio.wait_for(changes.get(), 5)
            if told.state == RunState.QUEUED:  # the watch may be quicker than the answer to submit
                told = await asyncio.wait_for(changes.get(), 5)
            assert told.state == RunState.RUNNING
            record(store, request())
            done = workflow(request(), "Succeeded", finishedAt=LATER)
            api.put(f"{WORKFLOWS}/run-a", done, kind="MODIFIED")
            ended = await asyncio.wait_for(changes.get(), 5)
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
            assert (await asyncio.wait_for(changes.get(), 5)).run_id == "run-b"
            run = await backend.get("run-a")
            assert run is not None
            assert run.version == "7"

    async def test_a_watch_that_has_expired_is_made_good_by_a_list(self, api: ApiServer, store: FileStore) -> None:
        async with opened(api, store) as backend, followed(backend) as changes:
            api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Running"))
            api.events.put({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}})
            assert (await asyncio.wait_for(changes.get(), 5)).run_id == "run-a"

    async def test_an_api_server_that_goes_away_is_waited_for(
        self, api: ApiServer, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(argo, "PAUSE", 0.02)
        async with opened(api, store) as backend, followed(backend) as changes:
            failures = [503, 503]
            api.before = lambda method, path: failures.pop() if failures else None
            api.events.put(None)
            api.put(f"{WORKFLOWS}/run-a", workflow(request(), "Running"), kind="ADDED")
            assert (await asyncio.wait_for(changes.get(), 5)).run_id == "run-a"
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
            told = await asyncio.wait_for(changes.get(), 5)
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
            told = await asyncio.wait_for(changes.get(), 5)
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
            told = await asyncio.wait_for(changes.get(), 5)
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
            await asyncio.sleep(0.5)
            task.cancel()
            await asyncio.wait([task])
        assert api.requests.count(("GET", WORKFLOWS)) == 1


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


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (files have no events)
            await asyncio.sleep(0.02)


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
