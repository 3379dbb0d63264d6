"""Tasks that are ConfigMaps: seen, shown, kept for their runs, and gone when they are deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from regraft_core import layout
from regraft_core.definition import TaskFileError, read_definition
from regraft_core.definition.objects import config_map
from regraft_core.profile import Profile
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_trigger.backends.argo import ArgoBackend
from tests.apiserver import ApiServer
from tests.unit.core.definition.test_objects import PROFILE, TEXT
from tests.unit.trigger.backends.workflows import WORKFLOWS, followed, opened, request
from tests.unit.trigger.serving import running
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.anyio

CONFIG_MAP = "/api/v1/namespaces/regraft/configmaps/regraft-task-seals"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "bucket")


def seals(text: str = TEXT, reference: Profile = PROFILE) -> dict[str, Any]:
    made = config_map(read_definition(TEXT), TEXT, reference)
    made["data"]["task.yaml"] = text
    return made


async def named(backend: ArgoBackend, names: list[str]) -> bool:
    return backend.found_tasks() == names


async def broken(backend: ArgoBackend) -> bool:
    state = await backend.task_state("seals")
    return state is not None and state.broken is not None


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110  (nobody tells that something was heard)
            await asyncio.sleep(0.01)


async def test_tasks_come_change_and_go_while_they_are_followed(api: ApiServer, store: FileStore) -> None:
    async with opened(api, store) as backend, followed(backend):
        assert backend.found_tasks() == []
        api.put(CONFIG_MAP, seals(), kind="ADDED")
        await until(lambda: named(backend, ["seals"]))
        assert not await broken(backend)
        api.put(CONFIG_MAP, seals(TEXT.replace("target: y", "target: z")), kind="MODIFIED")
        await until(lambda: broken(backend))
        api.put(CONFIG_MAP, seals(), kind="DELETED")
        await until(lambda: named(backend, []))


async def test_a_run_keeps_the_definition_that_it_was_accepted_with(api: ApiServer, store: FileStore) -> None:
    api.put(CONFIG_MAP, seals())
    async with opened(api, store) as backend:
        assert await backend.find_task("seals") is not None
        await backend.submit(request(task="seals"))
        api.put(CONFIG_MAP, seals(TEXT.replace("type: number", "type: integer")))
        await backend.submit(request(task="seals"))  # the same run
        await backend.submit(request("run-b", after=1, task="seals"))
    kept = [read_definition(store.get(layout.definition(run)) or b"") for run in ("run-a", "run-b")]
    assert [one.columns[0].type for one in kept] == ["number", "integer"]


async def test_the_reference_is_the_files_until_a_person_blesses_and_again_when_it_changes(
    api: ApiServer, store: FileStore
) -> None:
    async def reference_after(run: str, profile: Profile) -> str:
        api.put(CONFIG_MAP, seals(reference=profile))
        await backend.find_task("seals")
        await backend.submit(request(run, task="seals"))
        found = get_model(store, layout.reference("seals"), Profile)
        assert found is not None
        return found.data_sha256[0]

    async with opened(api, store) as backend:
        assert await reference_after("run-a", PROFILE) == "a"
        put_model(store, layout.reference("seals"), PROFILE.model_copy(update={"data_sha256": "b" * 64}))
        assert await reference_after("run-b", PROFILE.model_copy(update={"skill": 0.1})) == "b"
        assert await reference_after("run-c", PROFILE.model_copy(update={"data_sha256": "c" * 64})) == "c"


async def test_no_run_of_a_broken_task_is_accepted_and_all_others_are(api: ApiServer, store: FileStore) -> None:
    api.put(CONFIG_MAP, seals(TEXT.replace("target: y", "target: z")))
    async with opened(api, store) as backend:
        assert await backend.find_task("seals") is not None
        with pytest.raises(TaskFileError, match=r"line 4.*target 'z'"):
            await backend.submit(request(task="seals"))
        await backend.submit(request("run-b"))
    assert [item["metadata"]["name"] for item in api.items(WORKFLOWS)] == ["run-b"]


async def test_a_task_that_is_no_object_costs_no_question(api: ApiServer, store: FileStore) -> None:
    async with opened(api, store) as backend:
        await backend.submit(request())
    assert all("configmaps" not in path for _, path in api.requests)


@pytest.mark.parametrize("name", ["../../secrets/x", "a/b", "", "A", "a?x=1"])
async def test_what_is_no_name_is_asked_of_nobody(api: ApiServer, store: FileStore, name: str) -> None:
    async with opened(api, store) as backend:
        assert await backend.find_task(name) is None
    assert api.requests == []


async def test_an_api_server_that_refuses_keeps_nobody_from_anything(api: ApiServer, store: FileStore) -> None:
    api.before = lambda method, path: 403 if "configmaps" in path else None
    async with opened(api, store) as backend, followed(backend):
        assert backend.found_tasks() == []
        await backend.submit(request())


def test_the_service_shows_takes_and_forgets_them(api: ApiServer, tmp_path: Path, store: FileStore) -> None:
    backend = ArgoBackend(api.cluster, "regraft", store)
    with running(tmp_path, backend) as service:
        body = {"data_url": "https://data.example.org/x.csv", "task": "seals"}
        assert service.client.post("/trigger", json=body).json()["code"] == "task_unknown"
        api.put(CONFIG_MAP, seals(), kind="ADDED")
        assert service.client.post("/trigger", json=body).status_code == 202

        def shown() -> dict[str, Any]:
            return {task["name"]: task for task in service.client.get("/tasks").json()["tasks"]}

        wait_for(lambda: "seals" in shown())
        assert shown()["seals"]["state"] == "starting"
        assert "seals" in service.client.get("/", headers={"Accept": "text/html"}).text
        api.put(CONFIG_MAP, seals(TEXT.replace("kind: Task", "kid: Task")), kind="MODIFIED")
        wait_for(lambda: shown()["seals"]["state"] == "broken")
        assert "line 2" in shown()["seals"]["reason"]["message"]
        assert shown()["passwords"]["state"] == "starting"
        refused = service.client.post("/trigger", json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "task_invalid")
        api.put(CONFIG_MAP, seals(), kind="DELETED")
        wait_for(lambda: "seals" not in shown())
