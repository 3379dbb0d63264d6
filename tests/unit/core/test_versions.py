"""Versions as runs tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from regraft_core.runs import Run, RunRequest, RunState, StepState
from regraft_core.versions import versions_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ended(minute: int, state: RunState, version: str | None, **fields: Any) -> Run:
    at = NOON + timedelta(minutes=minute)
    run = Run.accept(RunRequest(run_id=f"run-{minute}", task="seals", accepted_at=at, kind=fields.get("kind", "train")))
    if fields.pop("made", run.kind != "rollback"):
        run.step("register").state = StepState.SUCCEEDED
    return run.model_copy(update={"state": state, "version": version, "finished_at": at, **fields})


def test_a_version_tells_what_it_was_trained_on_and_when_it_served() -> None:
    runs = [
        ended(5, RunState.UNCHANGED, "1", made=False),
        ended(4, RunState.PROMOTED, "1", kind="rollback"),
        ended(3, RunState.ROLLED_BACK, "3"),
        ended(2, RunState.REJECTED, None, made=False),
        ended(1, RunState.PROMOTED, "2", data_sha256="b" * 64),
        ended(0, RunState.PROMOTED, "1", kind="bootstrap", data_sha256="a" * 64, metrics={"recall": 0.9}),
    ]
    three, two, one = versions_of(runs)
    assert [shown.version for shown in (three, two, one)] == ["3", "2", "1"]
    assert (three.served, three.serving) == ([], False)
    assert [(spell.since.minute, spell.until and spell.until.minute) for spell in two.served] == [(1, 4)]
    assert [(spell.since.minute, spell.until and spell.until.minute) for spell in one.served] == [(4, None), (0, 1)]
    assert [spell.kind for spell in one.served] == ["rollback", "bootstrap"]
    assert (one.serving, two.serving) == (True, False)
    assert (one.run_id, one.data_sha256, one.metrics) == ("run-0", "a" * 64, {"recall": 0.9})


def test_a_version_whose_run_is_gone_is_known_by_what_put_it_back() -> None:
    (shown,) = versions_of([ended(1, RunState.PROMOTED, "7", kind="rollback")])
    assert (shown.version, shown.run_id, shown.serving) == ("7", None, True)


def test_without_runs_there_are_none() -> None:
    assert versions_of([]) == []
