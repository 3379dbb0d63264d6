from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from regraft_core.runs import Run, RunState
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.feed import BACKLOG, Feed, decode_id
from tests.unit.trigger.examples import run_of
from tests.unit.trigger.serving import Running, Serve
from tests.waiting import PATIENCE, wait_for


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream: their fields, with the run read."""
    fields: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = json.loads(value) if name == "data" else value
        if not line and "event" in fields:
            yield fields
            fields = {}


def listen(service: Running, **headers: str) -> Any:
    return service.client.stream("GET", "/events", headers=headers)


def test_every_change_of_a_run_is_an_event(service: Running) -> None:
    with listen(service) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        wait_for(lambda: len(service.server.feed) == 1)
        run = service.accept()
        events = (event for event in events_of(stream.iter_lines()) if event["data"]["run_id"] == run.run_id)
        first = next(events)
        run.state = RunState.RUNNING
        service.runs.save(run)
        second = next(events)

    assert first["event"] == second["event"] == "run"
    assert first["data"]["run_id"] == second["data"]["run_id"] == run.run_id
    assert (first["data"]["state"], second["data"]["state"]) == ("queued", "running")
    assert datetime.fromisoformat(second["id"]) == run.updated_at
    wait_for(lambda: len(service.server.feed) == 0)


def test_a_client_that_comes_back_hears_what_it_has_missed(service: Running) -> None:
    seen, missed, changed = service.accept(), service.accept(), service.accept()
    changed.state = RunState.RUNNING
    service.runs.save(changed)

    with listen(service, **{"Last-Event-ID": seen.updated_at.isoformat()}) as stream:
        events = events_of(stream.iter_lines())
        caught_up = [next(events)["data"]["run_id"] for _ in range(2)]

    assert caught_up == [missed.run_id, changed.run_id]


def test_many_clients_hear_the_same(service: Running) -> None:
    heard: list[str] = []

    def hear() -> None:
        with listen(service) as stream:
            runs = (event["data"] for event in events_of(stream.iter_lines()))
            heard.append(next(run["run_id"] for run in runs if run["task"] == "heart-disease"))

    threads = [threading.Thread(target=hear) for _ in range(10)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(service.server.feed) == 10)
    assert "regraft_event_clients 10.0" in service.client.get("/metrics").text
    run = service.accept(task="heart-disease")
    for thread in threads:
        thread.join(timeout=PATIENCE)

    assert heard == [run.run_id] * 10


def test_silence_is_filled_with_comments(serve: Serve) -> None:
    service = serve(heartbeat_seconds=0.05)
    with listen(service) as stream:
        lines = stream.iter_lines()
        comments = [next(line for line in lines if line == ": all is well") for _ in range(3)]

    assert len(comments) == 3


def test_streams_end_at_once_when_the_service_stops(serve: Serve) -> None:
    service = serve()
    with listen(service) as stream:
        lines = stream.iter_lines()
        wait_for(lambda: len(service.server.feed) == 1)
        service.server.should_exit = True
        began = datetime.now(UTC)
        assert not list(events_of(lines))
    assert (datetime.now(UTC) - began).total_seconds() < 2


def test_a_client_that_does_not_read_is_sent_away(tmp_path: Path) -> None:
    run = run_of(RunState.RUNNING)

    class Burst(LocalBackend):
        async def changes(self) -> AsyncIterator[Run]:
            for _ in range(BACKLOG + 1):
                yield run
            await asyncio.sleep(60)

    async def listen_slowly() -> list[Run | None]:
        feed = Feed(Burst(RunStore(tmp_path / "r.db"), FileStore(tmp_path)), heartbeat=60, on_change=lambda _: None)
        listener = feed.listen()
        follower = asyncio.create_task(feed.follow())
        heard = [change async for change in listener]
        follower.cancel()
        return heard

    assert asyncio.run(listen_slowly()) == []


@pytest.mark.parametrize("text", [None, "", "7", "yesterday", "2026-03-01T12:00:00"])
def test_an_id_that_is_none_of_ours_is_ignored(text: str | None) -> None:
    assert decode_id(text) is None
