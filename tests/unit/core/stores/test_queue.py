import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regraft_core.errors import UnavailableError
from regraft_core.runs import RunRequest, RunState
from regraft_core.stores.queue import RunStore

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "data" / "regraft.db")


def request(run_id: str, task: str = "passwords") -> RunRequest:
    return RunRequest(run_id=run_id, task=task, data_url="http://example.com/a.csv", accepted_at=MOMENT)


def test_an_accepted_run_is_there_for_another_process(store: RunStore) -> None:
    accepted = store.submit(request("run-a"))
    assert RunStore(store.path).get("run-a") == accepted
    assert store.get("run-b") is None


def test_the_same_id_again_is_the_run_that_exists(store: RunStore) -> None:
    first = store.submit(request("run-a"))
    assert store.submit(request("run-a", task="heart-disease")) == first
    assert len(store.recent()) == 1


def test_acceptance_moves_forward_even_when_the_clock_does_not(store: RunStore) -> None:
    runs = [store.submit(request(f"run-{letter}")) for letter in "zyx"]
    assert [run.order for run in runs] == sorted(run.order for run in runs)
    assert len({run.accepted_at for run in runs}) == 3


def test_runs_are_listed_newest_first_by_task_and_in_pages(store: RunStore) -> None:
    for letter in "abcd":
        store.submit(request(f"run-{letter}", task="passwords" if letter in "abd" else "heart-disease"))
    assert [run.run_id for run in store.recent()] == ["run-d", "run-c", "run-b", "run-a"]
    assert [run.run_id for run in store.recent(task="passwords", limit=2)] == ["run-d", "run-b"]
    assert [run.run_id for run in store.recent(task="passwords", before="run-b")] == ["run-a"]


def test_an_interrupted_run_goes_on_before_the_next_one_starts(store: RunStore) -> None:
    first, second = (store.submit(request(f"run-{letter}")) for letter in "ab")
    second.state = RunState.RUNNING
    store.save(second)
    found = store.claim()
    assert found is not None
    assert (found.run_id, found.state) == ("run-b", RunState.RUNNING)
    second.state = RunState.FAILED
    store.save(second)
    found = store.claim()
    assert found is not None
    assert found.run_id == "run-a"
    first.state = RunState.FAILED
    store.save(first)
    assert store.claim() is None


def test_a_task_that_is_busy_does_not_hold_up_another(store: RunStore) -> None:
    for letter, task in zip("abc", ("slow", "slow", "quick"), strict=True):
        store.submit(request(f"run-{letter}", task=task))
    assert [run and run.run_id for run in (store.claim(), store.claim(["slow"]))] == ["run-a", "run-c"]
    assert store.claim(["slow", "quick"]) is None


def test_a_row_that_is_damaged_costs_that_run_only_and_is_shown(store: RunStore) -> None:
    start = store.last_change()
    for letter in "abc":
        store.submit(request(f"run-{letter}"))
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE runs SET run = 'no JSON' WHERE run_id = 'run-a'")
        db.execute("""UPDATE runs SET run = json_set(run, '$.state', 'grafted') WHERE run_id = 'run-b'""")
    for listed in (store.recent(), [run for _, run in reversed(store.changes(start))]):
        assert [run.run_id for run in listed] == ["run-c", "run-b", "run-a"]
        assert [run.cause and run.cause.code for run in listed] == [None, "record_unreadable", "record_unreadable"]
    found = store.claim()
    assert found is not None
    assert found.run_id == "run-c"
    assert store.count() == {RunState.FAILED: 2, RunState.RUNNING: 1}
    assert store.submit(request("run-a")).state == RunState.FAILED


def test_a_queue_is_full_at_some_point_for_that_task(store: RunStore) -> None:
    for letter in "ab":
        store.submit(request(f"run-{letter}"), most_waiting=2)
    with pytest.raises(UnavailableError) as caught:
        store.submit(request("run-c"), most_waiting=2)
    assert (caught.value.code, caught.value.retry_after) == ("queue_full", 30)
    assert store.get("run-c") is None
    store.submit(request("run-a"), most_waiting=2)
    store.submit(request("run-d", task="heart-disease"), most_waiting=2)


def test_a_run_that_waits_is_cancelled_and_one_that_is_worked_on_is_not(store: RunStore) -> None:
    for letter in "ab":
        store.submit(request(f"run-{letter}"))
    first, second = store.claim(), store.get("run-b")
    assert first is not None
    assert second is not None
    first.state = second.state = RunState.CANCELLED
    assert [store.cancel(first), store.cancel(second), store.cancel(second)] == [False, True, False]
    assert [run.state for run in store.recent()] == [RunState.CANCELLED, RunState.RUNNING]


def test_readers_follow_changes_by_their_number(store: RunStore) -> None:
    start = store.last_change()
    run = store.submit(request("run-a"))
    other = store.submit(request("run-b"))
    run.state = RunState.RUNNING
    store.save(run)
    changes = store.changes(start)
    assert [(seen.run_id, seen.state) for _, seen in changes] == [("run-b", other.state), ("run-a", RunState.RUNNING)]
    assert store.changes(store.last_change()) == []


def test_runs_are_counted_by_state(store: RunStore) -> None:
    run = store.submit(request("run-a"))
    store.submit(request("run-b"))
    run.state = RunState.PROMOTED
    store.save(run)
    assert store.count() == {RunState.PROMOTED: 1, RunState.QUEUED: 1}


def test_many_at_once_lose_nothing(store: RunStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda number: store.submit(request(f"run-{number % 20}")), range(60)))
    assert len({run.order for run in runs}) == 20
    assert len(store.recent(limit=100)) == 20
    assert store.last_change() == 20


def test_a_failed_write_changes_nothing(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft_core.stores.queue.Run.accept", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.submit(request("run-a"))
    assert store.get("run-a") is None
