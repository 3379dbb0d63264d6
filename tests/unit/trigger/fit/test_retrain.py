"""What has been unfit for an hour is trained anew on the newest data: once, and not again before its time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regraft_core.fit.fit import Fit, FitState, PredictionsFit, Window
from regraft_core.fit.history import DAY, HOUR
from regraft_core.runs import Run, RunState, new_run_id
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_core.taskstate import TaskState, write_state
from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.fit.retrain import Retrainer
from tests.unit.trigger.serving import Running

NOW = 1_700_000_000.0
ADDRESS = "https://data.example.org/newest.csv"
TASK = "passwords"


@dataclass
class Place:
    """A real queue and bucket, and a fit that the test says."""

    folder: Path
    state: FitState = FitState.UNFIT
    since: float = NOW
    address: str | None = ADDRESS
    keys: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.runs = RunStore(self.folder / "regraft.db")
        self.objects = FileStore(self.folder / "bucket")
        self.backend = LocalBackend(self.runs, self.objects)

    async def newest(self, _: str) -> str | None:
        return self.address

    async def fit(self, _: str, window: Window) -> Fit:
        return Fit(
            state=self.state,
            since=datetime.fromtimestamp(self.since, UTC),
            window=window,
            rows=1000,
            columns=[],
            predictions=PredictionsFit(psi=None, p=None),
            refused=[],
        )

    async def trigger(self, task: str, address: str, key: str) -> Run:
        self.keys.append(key)
        moment = datetime.fromtimestamp(NOW, UTC)
        request = Run(run_id=new_run_id(key), task=task, data_url=address, accepted_at=moment, updated_at=moment)
        return await self.backend.submit(request.request())

    def look(self, after: float) -> str | None:
        """Return the run that is asked for some seconds after what serves has become unfit, if any."""
        retrainer = Retrainer(self.objects, self.newest, self.fit, self.backend.get, self.trigger)
        run = asyncio.run(retrainer.look(TASK, self.since + after))
        return None if run is None else run.run_id

    def end(self, run_id: str) -> None:
        run = self.runs.get(run_id)
        assert run is not None
        run.state = RunState.REJECTED
        self.runs.save(run)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_run_is_asked_for_after_an_hour_and_the_next_after_its_end_and_a_day(place: Place) -> None:
    assert place.look(HOUR - 1) is None
    first = place.look(HOUR)
    assert first is not None
    run = place.runs.get(first)
    assert run is not None
    assert (run.task, run.data_url) == (TASK, ADDRESS)
    assert place.look(HOUR + 60) is None
    assert place.look(HOUR + DAY) is None  # it has not ended
    place.end(first)
    assert place.look(HOUR + DAY - 1) is None
    second = place.look(HOUR + DAY)
    assert second not in (None, first)


def test_two_replicas_ask_for_one_run(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    other.objects, other.backend = FileStore(tmp_path / "not yet"), place.backend
    assert place.look(HOUR + 5) == other.look(HOUR + 7)
    assert len(place.runs.recent(task=TASK, limit=10, before=None)) == 1


@pytest.mark.parametrize("state", [FitState.FITS, FitState.DRIFTING, FitState.UNKNOWN])
def test_what_is_not_unfit_is_left_alone(place: Place, state: FitState) -> None:
    place.state = state
    assert place.look(DAY) is None


def test_what_no_file_says_is_not_done(place: Place) -> None:
    place.address = None
    assert place.look(DAY) is None
    assert place.keys == []


def test_what_becomes_unfit_again_the_same_day_waits_for_the_next(place: Place) -> None:
    first = place.look(HOUR)
    assert first is not None
    place.end(first)
    place.since = NOW + 6 * HOUR
    assert place.look(2 * HOUR) is None
    assert place.look(DAY) is not None


def test_the_service_knows_the_address_from_the_tasks_file(service: Running) -> None:
    retrainer = service.server.config.app.state.service.retrainer  # type: ignore[union-attr]  # our app
    assert asyncio.run(retrainer.newest(TASK)) is None
    write_state(service.objects, TaskState(name=TASK, newest=ADDRESS))
    assert asyncio.run(retrainer.newest(TASK)) == ADDRESS
