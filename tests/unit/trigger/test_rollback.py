"""A rollback to a version that cannot be there is refused at once; of any other its run finds out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from regraft_core.errors import UnavailableError
from regraft_core.runs import Run, RunState, StepState
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_trigger import service as services
from regraft_trigger.backends.local import LocalBackend
from tests.unit.trigger.serving import Running, running


class Away(LocalBackend):
    """A backend that cannot tell of runs."""

    away = False

    async def recent(self, *, task: str | None, limit: int, before: str | None) -> list[Run]:
        if self.away:
            raise UnavailableError("the records are away")
        return await super().recent(task=task, limit=limit, before=before)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    backend = Away(RunStore(tmp_path / "regraft.db"), FileStore(tmp_path / "bucket"))
    with running(tmp_path, backend) as found:
        yield found


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Away, "away", False)


def made(service: Running, version: str) -> None:
    run = service.accept()
    register = run.step("register")
    register.state, run.state, run.version = StepState.SUCCEEDED, RunState.PROMOTED, version
    run.finished_at = run.accepted_at
    service.runs.save(run)


def back_to(service: Running, version: str, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return service.client.post("/rollback", json={"task": "passwords", "version": version}, headers=headers)


def test_a_version_above_all_that_there_are_is_refused_with_those(service: Running) -> None:
    for number in ("1", "2", "10"):
        made(service, number)
    answer = back_to(service, "11")
    assert (answer.status_code, answer.json()["code"]) == (404, "version_unknown")
    assert answer.json()["detail"] == "there is no version 11 of passwords; the newest are: 10, 2, 1"
    assert all(run.kind != "rollback" for run in service.runs.recent(limit=10))
    assert back_to(service, "9").status_code == 202  # may have been pruned from the records: the registry knows


def test_where_nothing_can_be_known_the_run_finds_out(service: Running) -> None:
    assert back_to(service, "9").status_code == 202  # no run has made a version
    (run,) = service.runs.recent(limit=10)
    ended = {"state": RunState.PROMOTED, "version": "1", "finished_at": run.accepted_at}
    service.runs.save(run.model_copy(update=ended))
    assert back_to(service, "8").status_code == 202  # version 1 was put back, and by whom others were made is not known


def test_a_run_that_is_still_to_end_may_make_the_version(service: Running) -> None:
    made(service, "1")
    service.accept()
    assert back_to(service, "2").status_code == 202


def test_a_rollback_is_taken_though_the_records_are_away(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    made(service, "1")
    monkeypatch.setattr(Away, "away", True)
    assert back_to(service, "2", key="once").status_code == 202
    monkeypatch.setattr(Away, "away", False)
    run = service.runs.recent(limit=1)[0]
    service.runs.save(run.model_copy(update={"state": RunState.FAILED, "finished_at": run.accepted_at}))
    assert back_to(service, "2", key="once").status_code == 202  # the same key, the same run
    assert back_to(service, "2").status_code == 404
    monkeypatch.setattr(services, "CHECK_SECONDS", 0.0)
    assert back_to(service, "2").status_code == 202
