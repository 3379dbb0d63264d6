from __future__ import annotations

from pathlib import Path

import pytest

from regraft_cli.embedded import worker
from regraft_cli.embedded.worker import alone, submit_bootstraps, work_once
from regraft_core import layout
from regraft_core.errors import RegraftError
from regraft_core.runs import Cause, RunRequest, RunState, now
from regraft_core.stores.queue import RunStore
from regraft_pipeline.settings import WorkerSettings
from regraft_pipeline.steps import DownloadResult


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(
        store_url=(tmp_path / "bucket").as_uri(),
        database=tmp_path / "runs.db",
        mlflow_tracking_uri="http://127.0.0.1:9",
    )


def end_all(runs: RunStore, state: RunState) -> None:
    while run := runs.claim():
        run.state = state
        runs.save(run)


def test_every_task_gets_one_bootstrap_run_however_often_the_worker_starts(settings: WorkerSettings) -> None:
    runs = RunStore(settings.database)
    submit_bootstraps(runs, settings)
    submit_bootstraps(runs, settings)
    assert sorted(run.task for run in runs.recent()) == ["heart-disease", "passwords"]
    end_all(runs, RunState.PROMOTED)
    submit_bootstraps(runs, settings)
    assert len(runs.recent()) == 2


def test_a_bootstrap_that_failed_is_tried_again_by_the_next_worker(settings: WorkerSettings) -> None:
    runs = RunStore(settings.database)
    submit_bootstraps(runs, settings)
    end_all(runs, RunState.FAILED)
    submit_bootstraps(runs, settings)
    assert [run.state for run in runs.recent()] == ["queued", "queued", "failed", "failed"]


def test_a_bootstrap_finds_dataset_and_reference_in_the_store(settings: WorkerSettings, tmp_path: Path) -> None:
    runs = RunStore(settings.database)
    submit_bootstraps(runs, settings)
    run = next(run for run in runs.recent() if run.task == "passwords")
    bucket = tmp_path / "bucket"
    downloaded = DownloadResult.model_validate_json((bucket / layout.step_result(run.run_id, "download")).read_bytes())
    assert (bucket / layout.raw_dataset(downloaded.data_sha256)).read_bytes().startswith(b"Password,Times\n")
    assert (bucket / layout.reference("passwords")).exists()


def test_an_empty_queue_leaves_nothing_to_do(settings: WorkerSettings) -> None:
    assert work_once(RunStore(settings.database), settings) is False


def test_only_one_worker_can_have_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOCK_SECONDS", 0.2)
    path = tmp_path / "worker.lock"
    with alone(path):
        with pytest.raises(RegraftError) as caught, alone(path):
            pass
        assert caught.value.code == "worker_running"
    with alone(path):
        pass


def test_a_run_that_fails_does_not_stop_the_worker(settings: WorkerSettings) -> None:
    runs = RunStore(settings.database)
    runs.submit(RunRequest(run_id="run-x", task="weather", data_url="http://data/x.csv", accepted_at=now()))
    assert work_once(runs, settings) is True
    run = runs.get("run-x")
    assert run is not None
    assert run.state == RunState.FAILED
    assert isinstance(run.cause, Cause)
