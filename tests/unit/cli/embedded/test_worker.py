from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from regraft_cli.embedded import worker
from regraft_cli.embedded.worker import Lanes, alone, finish, patient, prepare, scratch_folder, sweep
from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.record import cancel
from regraft_core.results import DownloadResult, Result
from regraft_core.runs import Cause, Run, RunRequest, RunState, now
from regraft_core.stores.objects import FileStore, get_model
from regraft_core.stores.queue import RunStore
from regraft_core.taskstate import read_state, write_state
from regraft_pipeline.runner import Perform
from regraft_pipeline.settings import PipelineSettings, WorkerSettings
from regraft_pipeline.steps import Progress
from tests.seals import TASK, seals
from tests.waiting import wait_for

ENDED = DownloadResult(data_sha256="ab", bytes=1, final_url="http://d", end=RunState.REJECTED)


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings(
        store_url=(tmp_path / "bucket").as_uri(),
        database=tmp_path / "runs.db",
        mlflow_tracking_uri="http://127.0.0.1:9",
        step_attempts=1,
    )


@pytest.fixture
def runs(settings: WorkerSettings) -> RunStore:
    return RunStore(settings.database)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "bucket")


@pytest.fixture
def sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tasks looked at in this process, which has all libraries loaded."""
    monkeypatch.setattr(worker, "apart", lambda what, function, *arguments, seconds: function(*arguments))


def assert_true(value: bool) -> None:
    assert value


def submit(runs: RunStore, run_id: str, task: str = "passwords") -> Run:
    return runs.submit(RunRequest(run_id=run_id, task=task, data_url="http://data/x.csv", accepted_at=now()))


def end_all(runs: RunStore, state: RunState) -> None:
    while run := runs.claim():
        run.state = state
        runs.save(run)


def doing(act: Callable[[str, RunRequest, Path], Result]) -> Perform:
    """Return what performs steps by a function of the test."""

    def perform(
        step: str, request: RunRequest, settings: PipelineSettings, /, *, progress: Progress, workdir: Path
    ) -> Result:
        return act(step, request, workdir)

    return perform


@pytest.mark.usefixtures("sound")
class TestPrepare:
    def test_a_task_gets_one_bootstrap_run_however_often_the_worker_starts(
        self, runs: RunStore, settings: WorkerSettings
    ) -> None:
        for _ in range(2):
            prepare("passwords", runs, settings)
        assert [(run.task, run.kind) for run in runs.recent()] == [("passwords", "bootstrap")]
        end_all(runs, RunState.PROMOTED)
        prepare("passwords", runs, settings)
        assert len(runs.recent()) == 1

    def test_a_bootstrap_that_failed_is_tried_again_by_the_next_worker(
        self, runs: RunStore, settings: WorkerSettings
    ) -> None:
        prepare("passwords", runs, settings)
        end_all(runs, RunState.FAILED)
        prepare("passwords", runs, settings)
        assert [run.state for run in runs.recent()] == ["queued", "failed"]

    def test_a_file_that_comes_while_the_worker_works_is_a_task_at_once(
        self, runs: RunStore, settings: WorkerSettings, sound: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REGRAFT_TASKS_DIR", str(tmp_path / "tasks"))
        watching = settings.model_copy(update={"watch_tasks": True, "tasks_dir": tmp_path / "tasks", "tasks": []})
        lanes = Lanes(runs, watching)
        lanes.look()
        home = tmp_path / "tasks" / "broken"
        home.mkdir(parents=True)
        (home / "task.yaml").write_text("name: [")
        lanes.look()  # not again within a second
        lanes.join()
        store = FileStore(tmp_path / "bucket")
        assert read_state(store, "broken") is None
        lanes._look_after = 0
        lanes.look()
        lanes.join()
        assert (state := read_state(store, "broken"))
        assert state.broken is not None
        assert "task.yaml" in state.broken.message
        lanes._look_after = 0
        lanes.look()
        assert not any(thread.is_alive() for thread in lanes._threads.values())

    def test_a_file_that_is_mended_while_the_worker_works_is_looked_at_again_and_bootstrapped(
        self,
        runs: RunStore,
        settings: WorkerSettings,
        store: FileStore,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REGRAFT_TASKS_DIR", str(tmp_path / "tasks"))
        file = tmp_path / "tasks" / "seals" / "task.yaml"
        file.parent.mkdir(parents=True)
        lanes = Lanes(runs, settings.model_copy(update={"watch_tasks": True, "tasks_dir": tmp_path / "tasks"}))

        def broken() -> str | None:
            lanes._look_after = 0
            lanes.look()
            lanes.join()
            state = read_state(store, "seals")
            assert state is not None
            return state.broken.message if state.broken else None

        file.write_text(TASK.replace("target:", "targets:"))
        assert "did you mean 'target'" in (broken() or "")
        file.write_text(TASK)
        assert "reference" in (broken() or "")
        assert runs.recent() == []
        seals(1).to_csv(file.with_name("reference.csv"), index=False)
        assert broken() is None
        assert [(run.task, run.kind) for run in runs.recent()] == [("seals", "bootstrap")]
        state = read_state(store, "seals")
        assert state is not None
        write_state(store, state.model_copy(update={"broken": Cause(code="task_unknown", message="it was gone")}))
        assert broken() == "it was gone"  # nothing has changed
        away = file.parent.rename(tmp_path / "away")
        assert broken() == "it was gone"
        away.rename(file.parent)
        assert broken() is None
        assert len(runs.recent()) == 1

    def test_a_file_that_changes_while_its_task_is_busy_is_looked_at_when_that_is_done(
        self, runs: RunStore, settings: WorkerSettings, store: FileStore, tmp_path: Path
    ) -> None:
        (tmp_path / "tasks" / "seals").mkdir(parents=True)
        free = threading.Event()
        lanes = Lanes(runs, settings.model_copy(update={"watch_tasks": True, "tasks_dir": tmp_path / "tasks"}))
        lanes._start("seals", lambda: assert_true(free.wait(20)))
        (tmp_path / "tasks" / "seals" / "task.yaml").write_text("name: [")
        lanes.look()
        assert read_state(store, "seals") is None
        free.set()
        lanes.join()
        lanes._look_after = 0
        lanes.look()
        lanes.join()
        assert read_state(store, "seals") is not None

    def test_a_task_that_cannot_be_loaded_is_written_down_as_broken(
        self, runs: RunStore, settings: WorkerSettings, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("regraft_pipeline.assembly.load_task", lambda name: __import__("no_such_library"))
        prepare("passwords", runs, settings)
        state = read_state(store, "passwords")
        assert state is not None
        assert state.broken is not None
        assert (state.broken.code, "no_such_library" in state.broken.message) == ("task_broken", True)
        assert runs.recent() == []
        monkeypatch.undo()

    def test_a_task_that_kills_who_loads_it_is_broken_too(
        self, runs: RunStore, settings: WorkerSettings, store: FileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def killed(*_: object, **__: object) -> None:
            raise RegraftError("the process was killed (signal 11)", code=Code.STEP_KILLED)

        monkeypatch.setattr(worker, "apart", killed)
        prepare("passwords", runs, settings)
        state = read_state(store, "passwords")
        assert state is not None
        assert state.broken is not None
        assert "signal 11" in state.broken.message


class TestLanes:
    def test_a_slow_task_does_not_hold_up_another_and_a_task_keeps_its_order(
        self, runs: RunStore, settings: WorkerSettings
    ) -> None:
        release, seen = threading.Event(), []

        def act(step: str, request: RunRequest, workdir: Path) -> Result:
            seen.append(request.run_id)
            if request.task == "slow":
                assert release.wait(10)
            return ENDED

        for run_id, task in (("run-a", "slow"), ("run-b", "slow"), ("run-c", "quick")):
            submit(runs, run_id, task)
        lanes = Lanes(runs, settings, doing(act))
        assert [lanes.take(), lanes.take()] == [True, True]
        wait_for(lambda: ended(runs, "run-c"))
        assert lanes.take() is False
        release.set()
        lanes.join()
        assert lanes.take() is True
        lanes.join()
        assert sorted(seen[:2]) == ["run-a", "run-c"]
        assert seen[2] == "run-b"

    def test_a_lane_that_breaks_off_is_taken_up_again(
        self, runs: RunStore, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "PAUSE", 0.01)
        submit(runs, "run-a")
        lanes = Lanes(runs, settings, doing(lambda *_: ENDED))
        with monkeypatch.context() as broken:
            broken.setattr("regraft_pipeline.runner.keep", lambda *_: 1 / 0)
            assert lanes.take()
            lanes.join()
        assert not ended(runs, "run-a")
        assert lanes.take()
        lanes.join()
        assert ended(runs, "run-a")


class TestFinish:
    def test_a_run_that_fails_is_the_end_of_that_run_only(self, runs: RunStore, settings: WorkerSettings) -> None:
        run = submit(runs, "run-a")

        def act(step: str, request: RunRequest, workdir: Path) -> Result:
            raise ValueError("surprise")

        finish(run, runs, settings, doing(act))
        assert (run.state, run.cause and run.cause.code) == (RunState.FAILED, "internal_error")

    def test_a_database_that_is_locked_is_waited_for_and_fails_no_run(
        self, runs: RunStore, settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(worker, "PAUSE", 0.05)
        connect = sqlite3.connect
        monkeypatch.setattr(
            "regraft_core.stores.queue.sqlite3.connect", lambda path, **more: connect(path, **more | {"timeout": 0.05})
        )
        run = submit(runs, "run-a")
        lock = connect(settings.database, isolation_level=None, check_same_thread=False)

        def act(step: str, request: RunRequest, workdir: Path) -> Result:
            lock.execute("BEGIN EXCLUSIVE")
            threading.Timer(0.5, lambda: lock.execute("ROLLBACK")).start()
            return ENDED

        finish(run, runs, settings, doing(act))
        lock.close()
        found = runs.get("run-a")
        assert found is not None
        assert found.state == RunState.REJECTED

    def test_a_run_that_is_to_end_does(self, runs: RunStore, settings: WorkerSettings, store: FileStore) -> None:
        run = submit(runs, "run-a")
        cancel(store, "run-a")
        finish(run, runs, settings, doing(lambda *_: ENDED))
        record = get_model(store, layout.record("run-a"), Run)
        assert record is not None
        assert (run.state, record.state) == (RunState.CANCELLED, RunState.CANCELLED)

    def test_a_run_that_has_killed_its_worker_too_often_is_given_up(
        self, runs: RunStore, settings: WorkerSettings
    ) -> None:
        run = submit(runs, "run-a")

        def killed(step: str, request: RunRequest, workdir: Path) -> Result:
            raise KeyboardInterrupt  # what no handler of the steps catches stands for SIGKILL

        for _ in range(10):
            with pytest.raises(KeyboardInterrupt):
                finish(run, runs, settings, doing(killed))
            run = runs.claim() or run
        finish(run, runs, settings, doing(killed))
        assert (run.state, run.cause and run.cause.code) == (RunState.FAILED, "step_given_up")

    def test_a_broken_task_is_known_by_the_end_of_its_run(
        self, runs: RunStore, settings: WorkerSettings, store: FileStore
    ) -> None:
        def act(step: str, request: RunRequest, workdir: Path) -> Result:
            raise RegraftError("the task weather cannot be loaded: no module", code=Code.TASK_BROKEN)

        finish(submit(runs, "run-a", "weather"), runs, settings, doing(act))
        state = read_state(store, "weather")
        assert state is not None
        assert state.broken is not None
        assert state.broken.code == "task_broken"


def test_what_a_kill_has_left_goes_at_the_next_start(settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    (scratch_folder(settings) / "left").mkdir()
    sweep(settings)
    assert list(scratch_folder(settings).iterdir()) == []


def test_saving_is_given_up_only_where_waiting_does_not_help() -> None:
    def save(run: Run) -> None:
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"):
        patient(save)(Run.unreadable("run-a", "passwords", now(), "test"))


def test_only_one_worker_can_have_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOCK_SECONDS", 0.2)
    path = tmp_path / "worker.lock"
    with alone(path):
        with pytest.raises(RegraftError) as caught, alone(path):
            pass
        assert caught.value.code == "worker_running"
    with alone(path):
        pass


def test_a_step_ends_with_the_worker_that_is_killed(tmp_path: Path) -> None:
    """Its process would otherwise go on beside the one that the next worker starts."""
    program = f"""
import sys, time
from pathlib import Path
from regraft_cli.embedded import processes
sys.path.insert(0, {str(Path(__file__).parents[4])!r})
from tests.unit.cli.embedded.hostile import tell_and_sleep
if __name__ == "__main__":
    processes.apart("sleep", tell_and_sleep, {str(tmp_path / "pid")!r}, seconds=60)
"""
    (tmp_path / "program.py").write_text(program)
    parent = subprocess.Popen([sys.executable, "-P", str(tmp_path / "program.py")])
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    pid = int((tmp_path / "pid").read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not lives(pid))


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def ended(runs: RunStore, run_id: str) -> bool:
    run = runs.get(run_id)
    return run is not None and run.state.ended
