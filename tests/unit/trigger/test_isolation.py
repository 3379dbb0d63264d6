"""Of everything that is kept one is broken: it is named wherever people look, and all else works."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from regraft_cli import main as cli
from regraft_core import layout
from regraft_core.runs import Run, now
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore, put_model
from regraft_core.taskstate import TaskState, write_state
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.taskcheck import check
from regraft_trigger import predictors
from regraft_trigger.backends.argo import ArgoBackend
from tests.apiserver import ApiServer
from tests.unit.inference.bundles import write_passwords_bundle
from tests.unit.inference.serving import serving
from tests.unit.trigger.backends.test_pods import PATH as PODS
from tests.unit.trigger.backends.test_pods import pod
from tests.unit.trigger.backends.workflows import WORKFLOWS, node, request, says, workflow
from tests.unit.trigger.serving import DATA_URL, Running, running
from tests.waiting import wait_for

NOBODY = "http://127.0.0.1:9"
SOUND = "passwords"
SERVED = (SOUND, "heart-disease", "bundled", "noted", "stated")


@dataclass(frozen=True)
class Site:
    """What a service stands on, before it begins."""

    folder: Path

    @property
    def store(self) -> FileStore:
        return FileStore(self.folder / "bucket")

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def task_files(self) -> Path:
        return self.folder / "tasks"

    @property
    def settings(self) -> PipelineSettings:
        return PipelineSettings(store_url=self.store.root.as_uri())


def damage_bundle(site: Site) -> None:
    contract = site.models / "bundled" / "contract.json"
    contract.write_text(contract.read_text().replace("Times", "Tides"))


def damage_note(site: Site) -> None:
    site.store.put(layout.serving("noted"), b'{"task": "no')


def damage_reference(site: Site) -> None:
    site.store.put(layout.reference("heart-disease"), b"{")
    assert check("heart-disease", site.settings) is not None


def damage_definition(site: Site) -> None:
    file = site.task_files / "defined" / "task.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("apiVersion: regraft.dev/v1\nkind: Task\nname: defined\ntarget: [\n")
    assert check("defined", site.settings) is None


def damage_state(site: Site) -> None:
    site.store.put(layout.task_state("stated"), b"\0")


BROKEN: list[tuple[str, Callable[[Site], None], str | None, str]] = [
    # task           what is broken     code                    what is said of it
    ("bundled", damage_bundle, "bundle_damaged", "contract.json"),
    ("noted", damage_note, "object_unreadable", "serving/noted.json"),
    ("heart-disease", damage_reference, "reference_unreadable", "reference/heart-disease.json"),
    ("defined", damage_definition, "task_invalid", "defined/task.yaml"),
    ("stated", damage_state, None, ""),  # nobody needs it: the next look writes it anew
]


def damage_row(service: Running) -> None:
    run_id = service.accept(task="noted").run_id
    with closing(sqlite3.connect(service.runs.path, isolation_level=None)) as db:
        db.execute("UPDATE runs SET run_id = 'run-row', run = '{' WHERE run_id = ?", (run_id,))


def damage_record(api: ApiServer, store: FileStore) -> None:
    run = Run.accept(request("run-record", after=1))
    store.put(layout.record(run.run_id), b"{")
    store.put(layout.history(run.accepted_at, run.task, run.run_id), b"")


def damage_verdict(api: ApiServer, store: FileStore) -> None:
    nodes = [node("download", **says("continue")), node("validate", **says("continue"))]
    api.put(f"{WORKFLOWS}/run-verdict", workflow(request("run-verdict", after=2), "Running", nodes))
    store.put(layout.verdict("run-verdict"), b"[")


RUNS = {"embedded": {"run-row": "record_unreadable"}}
RUNS |= {"cluster": {"run-record": "record_unreadable", "run-verdict": "object_unreadable"}}


@pytest.fixture(scope="module", params=["embedded", "cluster"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def damaged(mode: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service that begins where one of everything is broken, and a predictor that was started again."""
    site = Site(tmp_path_factory.mktemp("site"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGRAFT_TASKS_DIR", str(site.task_files))
        for task in SERVED:
            write_passwords_bundle(site.models / task, task=task)
            note = Serving(task=task, version="1", run_id="run-a", uri="s3://b/", since=now())
            put_model(site.store, layout.serving(task), note)
            write_state(site.store, TaskState(name=task))
        for _, damage, _, _ in BROKEN:
            damage(site)
        tasks = [SOUND, *(task for task, *_ in BROKEN)]
        with ApiServer().running() as api, serving(site.models) as port:
            if mode == "cluster":
                patch.setattr(predictors, "PREDICT_PORT", port)
                for task in SERVED:
                    api.put(f"{PODS}/{task}", pod(task, "127.0.0.1", task=task))
                damage_record(api, site.store)
                damage_verdict(api, site.store)
                backend = ArgoBackend(api.cluster, "regraft", site.store)
                service = running(site.folder, backend, predictor_url=NOBODY, tasks=tasks)
            else:
                service = running(site.folder, predictor_url=f"http://127.0.0.1:{port}", tasks=tasks)
            with service as begun:
                if mode == "embedded":
                    damage_row(begun)
                wait_for(lambda: "bundle_damaged" in begun.client.get("/tasks").text)
                yield begun


def shown(service: Running) -> dict[str, dict[str, str] | None]:
    """Return why tasks are broken, as ``/tasks`` says it; ``/ready`` says the same."""
    listed = {task["name"]: task["reason"] for task in service.client.get("/tasks").json()["tasks"]}
    ready = {task["name"]: task["reason"] for task in service.client.get("/ready").raise_for_status().json()["broken"]}
    assert ready == {name: reason for name, reason in listed.items() if reason}
    return listed


@pytest.mark.parametrize(("task", "damage", "code", "said"), BROKEN, ids=[task for task, *_ in BROKEN])
def test_what_is_broken_is_named(
    damaged: Running, task: str, damage: Callable[[Site], None], code: str | None, said: str
) -> None:
    reason = shown(damaged)[task]
    commanded = json.loads(CliRunner().invoke(cli.app, ["tasks", "--json", "--url", damaged.url]).stdout)
    told = {one["name"]: one.get("reason") for one in commanded}[task]
    if code is None or reason is None:
        assert (code, reason, told) == (None, None, None)
        return
    assert reason["code"] == code
    assert said in reason["message"]
    assert said in told
    assert said in damaged.client.get("/").text


def test_a_run_that_is_damaged_is_named(damaged: Running, mode: str) -> None:
    listed = {
        run["run_id"]: run["cause"] and run["cause"]["code"] for run in damaged.client.get("/runs").json()["runs"]
    }
    for run_id, code in RUNS[mode].items():
        assert listed[run_id] == code
        assert run_id in damaged.client.get("/").text


def test_all_else_works(damaged: Running) -> None:
    assert shown(damaged)[SOUND] is None
    before = len(damaged.client.get("/runs").json()["runs"])
    for task in SERVED:
        assert damaged.client.post("/trigger", json={"data_url": DATA_URL, "task": task}).status_code == 202
    assert damaged.client.get("/tasks/passwords/fit").status_code == 200
    assert len(damaged.client.get("/runs").json()["runs"]) == before + len(SERVED)
