"""Whether the service is ready: its database, and what it does in the background."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.predictors import Predictors
from tests.unit.trigger.serving import DATA_URL, Running, Serve
from tests.waiting import wait_for


def test_a_background_task_that_dies_makes_the_service_unready(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    async def die(*_: object) -> None:
        raise ValueError("surprise")

    monkeypatch.setattr(Predictors, "follow", die)
    service = serve()
    wait_for(lambda: service.client.get("/ready").status_code == 503)
    answer = service.client.get("/ready").json()
    assert answer["code"] == "background_ended"
    assert "look at predictors" in answer["detail"]
    assert "surprise" in answer["detail"]
    assert service.client.get("/health").status_code == 200


def test_changes_that_cannot_be_followed_make_the_service_unready(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(LocalBackend, "changes", lambda _: 1 / 0)
        service = serve()
        wait_for(lambda: service.client.get("/ready").status_code == 503)
        assert "ZeroDivisionError" in service.client.get("/ready").json()["detail"]


def test_a_service_that_can_write_is_ready(service: Running) -> None:
    assert service.client.get("/health").json() == {"status": "alive"}
    assert service.client.get("/ready").json() == {"status": "ready", "broken": []}


def test_a_service_without_its_database_is_not_ready_and_accepts_nothing(serve: Serve) -> None:
    service = serve()
    with closing(sqlite3.connect(service.runs.path)) as db:
        db.execute("ALTER TABLE runs RENAME TO elsewhere")
        ready = service.client.get("/ready")
        trigger = service.client.post("/trigger", json={"data_url": DATA_URL})
        alive = service.client.get("/health")
        page = service.client.get("/")
        db.execute("ALTER TABLE elsewhere RENAME TO runs")

    for answer in (ready, trigger):
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    assert alive.status_code == 200
    assert "The runs cannot be read now" in page.text
    assert service.client.get("/ready").status_code == 200
    assert service.client.get("/runs").json()["runs"] == []
