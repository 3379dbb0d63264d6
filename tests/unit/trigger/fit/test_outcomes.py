"""A real predictor that keeps rows, a trigger service that collects them, and clients who tell what really happened."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from regraft_core.definition import RequestSettings
from regraft_core.fit.history import DAY
from regraft_core.profile import Levels, Profile
from regraft_core.stores.objects import FileStore
from regraft_core.taskstate import TaskState, write_state
from regraft_inference.fit.keeper import KEPT
from regraft_inference.fit.port import CountsServer, serve_counts
from regraft_inference.model import TaskRepository
from regraft_trigger.fit import collector, evidence
from regraft_trigger.fit.ledger import TaskLedger
from tests.unit.inference.bundles import HEART_ROWS, write_heart_bundle
from tests.unit.inference.serving import serving
from tests.unit.trigger.fit.test_collector import serve_version
from tests.unit.trigger.serving import Running, running

TASK = "heart-disease"
TWO = Levels(levels=(0.0, 1.0), counts=(500, 500, 0), shares=(0.5, 0.5, 0.0))
PROFILE = Profile(
    task=TASK,
    rows=1000,
    data_sha256="0" * 64,
    scale="classes",
    target=TWO,
    inputs={"sex": {"values": TWO}},
    predictions=TWO,
)


@dataclass
class World:
    """What asks and tells."""

    service: Running
    predictor: httpx.Client
    folder: Path

    def ask(self, rows: int, name: str, seed: int = 1) -> list[int]:
        """Ask for some rows in one request of this id, and return the answers."""
        draw = random.Random(seed)
        columns: dict[str, list[Any]] = {
            "age": [draw.randint(30, 80) for _ in range(rows)],
            "sex": [n % 2 for n in range(rows)],
            "oldpeak": [draw.choice([0.5, 1.0, 2.5, 4.0]) for _ in range(rows)],
        }
        answer = self.predictor.post(f"/{TASK}/predict", json=columns, headers={"X-Request-Id": name})
        assert answer.status_code == 200, answer.text
        found: list[int] = answer.json()["condition"]
        return found

    def tell(self, *outcomes: dict[str, Any]) -> httpx.Response:
        return self.service.client.post(f"/tasks/{TASK}/outcomes", json={"outcomes": [*outcomes]})

    def told(self, *outcomes: dict[str, Any]) -> int:
        answer = self.tell(*outcomes)
        assert answer.status_code == 202, answer.text
        found: int = answer.json()["rows"]
        return found

    def fit(self) -> dict[str, Any]:
        found: dict[str, Any] = self.service.client.get(f"/tasks/{TASK}/fit").json()
        return found

    def measured(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.fit()["measured"]
        return found


@contextmanager
def world(folder: Path, version: str, *, keep: float = 1.0, **settings: Any) -> Iterator[World]:
    """Serve a version of this number, which no other test has: counts are a process's."""
    requests = RequestSettings(keep=keep)
    made = write_heart_bundle(
        folder / "models" / TASK, version=version, profile=PROFILE, requests=requests, metrics={"skill": 0.8}
    )
    serve_version(folder, version, TASK)
    repository = TaskRepository(models_dir=made.parent)
    repository.load_all()
    port = serve_counts("127.0.0.1", 0, repository.answers)
    assert isinstance(port, CountsServer)
    urls = [f"http://127.0.0.1:{port.server_port}"]
    try:
        with (
            serving(made.parent) as predict,
            httpx.Client(base_url=f"http://127.0.0.1:{predict}", trust_env=False) as predictor,
            running(folder, fit_urls=urls, **settings) as service,
        ):
            yield World(service, predictor, folder)
    finally:
        port.shutdown()
        port.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(evidence, "READ_SECONDS", 0.0)


def test_measured_skill_is_that_of_what_really_happened_and_a_turned_world_is_unfit(tmp_path: Path) -> None:
    with world(tmp_path, "41") as at:
        truth = at.ask(300, "first")
        assert at.measured() == []
        assert at.told({"id": "first", "condition": truth}) == 300
        (found,) = at.measured()
        assert (found["version"], found["rows"], found["skill"], found["held_out"]) == ("41", 300, 1.0, 0.8)
        assert at.fit()["state"] == "fits" or at.fit()["columns"]
        assert not found["lost"]
        turned = at.ask(300, "second", seed=2)
        assert at.told(*({"id": "second", "row": row, "condition": 1 - one} for row, one in enumerate(turned))) == 300
        fit = at.fit()
        assert fit["state"] == "unfit"
        assert fit["measured"][0]["lost"]
        assert fit["measured"][0]["rows"] == 600
        metrics = at.service.client.get("/metrics").text
    assert f'regraft_fit_skill_lost{{task="{TASK}"}} 1.0' in metrics
    with running(tmp_path) as anew:  # the bucket has it all
        found = anew.client.get(f"/tasks/{TASK}/fit").json()["measured"]
        assert found == fit["measured"]


def test_outcomes_that_are_late_early_doubled_missing_or_changed(tmp_path: Path) -> None:
    with world(tmp_path, "42") as at:
        truth = at.ask(200, "rows")
        assert at.told({"id": "never asked", "condition": 1}, {"id": "rows", "row": 999, "condition": 1}) == 2
        assert at.measured() == []
        first_half: list[dict[str, Any]] = [
            {"id": "rows", "row": row, "condition": one} for row, one in enumerate(truth[:120])
        ]
        at.told(*first_half)
        at.told(*first_half)
        (found,) = at.measured()
        assert (found["rows"], found["skill"]) == (120, 1.0)  # told twice, counted once
        at.told(*({**each, "condition": 1 - each["condition"]} for each in first_half))
        (found,) = at.measured()
        assert (found["rows"], found["skill"]) == (120, -1.0)  # what was told last counts
        at.told(*first_half)
        assert at.measured()[0]["skill"] == 1.0  # even in the same words as before
        early = "early"
        at.told({"id": early, "condition": [0] * 50})
        at.ask(50, early, seed=3)
        assert at.measured()[0]["rows"] == 170


def test_outcomes_with_their_inputs_are_answered_by_what_serves_and_counted_nowhere(tmp_path: Path) -> None:
    with world(tmp_path, "43", keep=0.0) as at:
        before = at.fit()["rows"]
        records = [dict(zip(HEART_ROWS, row, strict=True)) for row in zip(*HEART_ROWS.values(), strict=True)]
        told = [{**record, "condition": int(record["oldpeak"] > 1.75)} for record in records * 30]
        assert at.told(*told) == 120
        assert at.told(*told) == 120
        (found,) = at.measured()
        assert (found["version"], found["rows"], found["skill"]) == ("43", 120, 1.0)
        assert at.fit()["rows"] == before
        wrong = at.tell(told[0], {**told[0], "age": "old"})
        assert (wrong.status_code, wrong.json()["code"], wrong.json()["column"], wrong.json()["row"]) == (
            *(400, "wrong_type", "age", 1),
        )


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ({"id": "a"}, "column_missing"),
        ({"condition": 1}, "column_missing"),
        ({"id": "a", "condition": 2}, "value_not_in_categories"),
        ({"id": "a", "condition": "1"}, "wrong_type"),
        ({"id": "a", "condition": True}, "wrong_type"),
        ({"id": "a", "condition": 0.5}, "value_not_integer"),
        ({"id": "a", "condition": None}, "value_missing"),
        ({"id": "a", "row": 0, "condition": [1]}, "wrong_type"),
        ({"id": "a", "condition": [0, 2]}, "value_not_in_categories"),
        ({"id": 7, "condition": 1}, "wrong_type"),
        ({"id": "", "condition": 1}, "wrong_type"),
        ({"id": "a" * 129, "condition": 1}, "wrong_type"),
        ({"id": "a", "row": -1, "condition": 1}, "wrong_type"),
        ({"id": "a", "row": "0", "condition": 1}, "wrong_type"),
        ({"id": "a", "age": 50, "condition": 1}, "column_unknown"),
        ({"age": 50, "condition": 1}, "column_missing"),
        ({"age": 50, "sex": 1, "oldpeak": 1.0, "shoe": 42, "condition": 1}, "column_unknown"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused_and_nothing_is_kept(
    shared: World, outcome: dict[str, Any], code: str
) -> None:
    answer = shared.tell({"id": "good", "condition": 1}, outcome)
    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert answer.json()["row"] == 1
    assert not list(shared.folder.rglob("outcomes/*/*/*"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("shared"), "44", trigger_token="secret") as at:
        at.service.client.headers["Authorization"] = "Bearer secret"
        yield at


def test_only_who_has_the_token_tells_what_is_true(shared: World) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer other"}):
        answer = shared.service.client.post(
            f"/tasks/{TASK}/outcomes", json={"outcomes": [{"id": "a", "condition": 1}]}, headers=headers
        )
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("task", "body", "status", "code"),
    [
        ("nothing", {"outcomes": [{"id": "a", "x": 1}]}, 404, "task_unknown"),
        (TASK, {}, 400, "field_missing"),
        (TASK, {"outcomes": []}, 400, "field_invalid"),
        (TASK, {"outcomes": [1]}, 400, "field_invalid"),
        (TASK, {"outcomes": [{"id": "a", "condition": 1}], "more": 1}, 400, "field_unknown"),
    ],
)
def test_a_body_that_is_none_is_refused(shared: World, task: str, body: Any, status: int, code: str) -> None:
    answer = shared.service.client.post(f"/tasks/{task}/outcomes", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_outcomes_of_a_task_of_which_no_predictor_has_told_have_to_wait(tmp_path: Path) -> None:
    with running(tmp_path, fit_urls=[]) as service:
        answer = service.client.post("/tasks/passwords/outcomes", json={"outcomes": [{"id": "a", "Times": 1}]})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


def test_the_document_tells_how_outcomes_are_told(shared: World) -> None:
    document = shared.service.client.get("/openapi.json").json()
    told = document["paths"]["/tasks/{task}/outcomes"]["post"]
    assert "outcomes" in told["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"202", "400", "401", "404", "413", "503"} <= told["responses"].keys()


def test_what_was_asked_and_what_happened_is_collected_into_a_dataset(tmp_path: Path) -> None:
    with world(tmp_path, "45", trigger_token="secret") as at:
        path = f"/tasks/{TASK}/collected"
        assert at.service.client.get(path).status_code == 401  # rows are for those who may trigger
        at.service.client.headers["Authorization"] = "Bearer secret"
        at.ask(4, "asked")
        at.fit()
        at.told({"id": "asked", "row": 1, "condition": 0}, {"id": "asked", "row": 3, "condition": 1})
        at.told({"id": "asked", "row": 3, "condition": 0}, {"age": 33, "sex": 1, "oldpeak": 0.5, "condition": 1})
        answer = at.service.client.get(path, params={"since": "1h"})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/csv")
        head, *lines = answer.text.splitlines()
        assert head == "age,sex,oldpeak,condition"
        assert len(lines) == 3
        assert sorted(line.split(",")[1::2] for line in lines) == [["1", "0"], ["1", "0"], ["1", "1"]]
        assert "33,1,0.5,1" in lines
        assert at.service.client.get(path, params={"since": "soon"}).json()["code"] == "parameter_invalid"


def test_where_a_file_wants_no_rows_kept_any_more_none_of_what_serves_are(tmp_path: Path) -> None:
    with world(tmp_path, "47") as at:
        write_state(at.service.objects, TaskState(name=TASK, keeps=False))
        at.ask(10, "secret")
        at.fit()
        assert KEPT.is_empty  # the predictor has let go of them
        assert not [*at.service.objects.keys("requests/")]
        write_state(at.service.objects, TaskState(name=TASK, keeps=True))
        at.ask(10, "open")
        at.fit()
        assert [*at.service.objects.keys("requests/")]


def test_what_is_older_than_the_file_says_is_deleted(tmp_path: Path) -> None:
    with world(tmp_path, "46") as at:
        at.ask(10, "old")
        at.fit()
        at.told({"id": "old", "condition": [1] * 10})
    store = FileStore(tmp_path / "bucket")
    found = TaskLedger(store, TASK)
    found.read(time.time())
    found.prune(time.time() + 29 * DAY)
    assert len(list(store.keys("requests/"))) == len(list(store.keys("outcomes/"))) == 1
    found.prune(time.time() + 31 * DAY)
    assert not [*store.keys("requests/"), *store.keys("outcomes/")]
