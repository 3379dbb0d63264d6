"""The embedded worker: takes accepted runs to their ends, those of a task in their order, one at a time.

``python -m regraft_cli.embedded.worker``. It may be killed at any point: the runs it was at are the first that it takes
up again. Each task has a lane of its own, so that no task waits for another's dataset.
"""

from __future__ import annotations

import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import NoReturn

from regraft_cli.embedded.processes import apart, perform, preload
from regraft_core.codes import Code
from regraft_core.definition import WatchedFolder
from regraft_core.definition.files import Stamp, stamp_of
from regraft_core.errors import RegraftError
from regraft_core.logs import configure_logging, get_logger
from regraft_core.runs import Cause, Run, RunState, new_run_id
from regraft_core.stores.lock import locked
from regraft_core.stores.objects import open_store
from regraft_core.stores.queue import RunStore
from regraft_core.taskstate import TaskState, learn_from, read_state, write_state
from regraft_pipeline.bootstrap import request_for
from regraft_pipeline.runner import Perform, run_to_end
from regraft_pipeline.settings import WorkerSettings
from regraft_pipeline.taskcheck import check

POLL_SECONDS = 0.1
LOOK_SECONDS = 1.0
PAUSE = 1.0
"""Seconds before a lane that broke off is taken again, or a database that cannot be used is tried again."""

CHECK_SECONDS = 120.0
"""How long a task may take to be loaded."""

LONGEST_FOLDER = 60
"""Characters of a folder in which a socket can still have a name: the system allows it about a hundred."""

LOCK_SECONDS = 10.0
"""How long a worker waits for the one before it to be gone."""

log = get_logger(__name__)


def main() -> None:
    """Work until a signal ends it."""
    settings = WorkerSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    signal.signal(signal.SIGTERM, _exit)
    with alone(settings.database.with_name("worker.lock")):
        sweep(settings)
        preload()
        lanes = Lanes(RunStore(settings.database), settings)
        lanes.begin(settings.tasks)
        log.info("worker is ready")
        while True:
            lanes.look()
            if not lanes.take():
                time.sleep(POLL_SECONDS)


class Lanes:
    """Who works: a thread for each task that has something to do."""

    def __init__(self, runs: RunStore, settings: WorkerSettings, perform: Perform = perform) -> None:
        self._runs = runs
        self._settings = settings
        self._perform = perform
        self._threads: dict[str, threading.Thread] = {}
        self._folder = WatchedFolder(settings.tasks_dir) if settings.watch_tasks else None
        self._seen: dict[str, tuple[Stamp | None, ...]] = {}
        self._look_after = 0.0

    def look(self) -> None:
        """Begin with tasks whose files have come or changed since the last look; while one is busy that waits."""
        if self._folder is None or time.monotonic() < self._look_after:
            return
        self._look_after = time.monotonic() + LOOK_SECONDS
        there = self._stamps()
        self._seen = {task: stamp for task, stamp in self._seen.items() if task in there}  # what is gone may come back
        changed = [task for task, stamp in there.items() if stamp != self._seen.get(task)]
        self.begin([task for task in changed if not self._is_busy(task)])

    def begin(self, tasks: list[str]) -> None:
        """Look at every task, and have those bootstrapped that need it; each for itself."""
        there = self._stamps()
        self._seen |= {task: there[task] for task in tasks if task in there}
        for task in tasks:
            self._start(task, lambda task=task: prepare(task, self._runs, self._settings))  # type: ignore[misc]

    def take(self) -> bool:
        """Begin the next run of a task that is not busy; False where there is none."""
        busy = [task for task in self._threads if self._is_busy(task)]
        try:
            run = self._runs.claim(busy)
        except sqlite3.Error as error:
            log.warning("queue cannot be read", reason=str(error))
            time.sleep(PAUSE)
            return False
        if run is None:
            return False
        self._start(run.task, lambda: finish(run, self._runs, self._settings, self._perform))
        return True

    def join(self) -> None:
        """Wait until all lanes are free."""
        for thread in list(self._threads.values()):
            thread.join()

    def _stamps(self) -> dict[str, tuple[Stamp | None, ...]]:
        """Return what tells the states of each task's file and folder apart: a missing reference may come later."""
        files = [] if self._folder is None else self._folder.files()
        return {file.name: (stamp_of(file.path), stamp_of(file.path.parent)) for file in files}

    def _is_busy(self, task: str) -> bool:
        return task in self._threads and self._threads[task].is_alive()

    def _start(self, task: str, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                work()
            except Exception:
                log.exception("lane broke off", task=task)
                time.sleep(PAUSE)

        thread = threading.Thread(target=guarded, name=f"lane-{task}", daemon=True)
        self._threads[task] = thread
        thread.start()


def finish(run: Run, runs: RunStore, settings: WorkerSettings, perform: Perform = perform) -> None:
    """Take a run to its end."""
    run_to_end(
        run,
        settings,
        patient(runs.save),
        attempts=settings.step_attempts,
        perform=perform,
        scratch=scratch_folder(settings),
    )
    learn_from(open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url), run)


def patient(save: Callable[[Run], None]) -> Callable[[Run], None]:
    """Return what saves a run, again and again where the database is locked or away."""

    def saving(run: Run) -> None:
        for attempt in count():
            try:
                return save(run)
            except sqlite3.OperationalError as error:
                if attempt == 0:
                    log.warning("run cannot be saved, trying again", run_id=run.run_id, reason=str(error))
                time.sleep(PAUSE)
        return None

    return saving


def prepare(task: str, runs: RunStore, settings: WorkerSettings) -> None:
    """Look at a task, and accept a run on its bootstrap dataset unless it has had one that ended well."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    before = read_state(store, task)
    try:
        found = apart(f"loading {task}", _can_load, task, settings, seconds=CHECK_SECONDS)
    except RegraftError as error:
        state = before or TaskState(name=task)
        why = Cause(code=Code.TASK_BROKEN, message=f"the task {task} cannot be loaded: {error.message}")
        write_state(store, state.model_copy(update={"broken": why}))
        return
    run_id = _bootstrap_run_id(runs, task)
    if found and run_id is not None:
        runs.submit(request_for(task, run_id))


def _can_load(task: str, settings: WorkerSettings) -> bool:
    configure_logging(settings.log_level, human=settings.log_human)
    return check(task, settings) is not None


def _bootstrap_run_id(runs: RunStore, task: str) -> str | None:
    """Return the id of the next attempt, None where none is needed."""
    for attempt in count():
        run_id = new_run_id(f"bootstrap/{task}/{attempt}")
        run = runs.get(run_id)
        if run is None:
            return run_id
        if not run.state.ended or run.state in (RunState.PROMOTED, RunState.SUPERSEDED, RunState.CANCELLED):
            return None
    raise AssertionError("unreachable: there is always a next attempt")


def scratch_folder(settings: WorkerSettings) -> Path:
    """Return the folder beside the database that the folders of the steps are made in."""
    folder = settings.database.absolute().with_name("work")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sweep(settings: WorkerSettings) -> None:
    """Remove what a kill has left, and have all that is temporary made where the next sweep finds it."""
    shutil.rmtree(scratch_folder(settings), ignore_errors=True)
    scratch = str(scratch_folder(settings))
    if len(scratch) < LONGEST_FOLDER:
        tempfile.tempdir = scratch


def alone(path: Path) -> AbstractContextManager[None]:
    """Hold a lock that only one worker can have.

    Raises RegraftError (``worker_running``) where another holds it for longer than a few seconds.
    """
    busy = RegraftError(f"another worker holds {path}", code=Code.WORKER_RUNNING)
    return locked(path, seconds=LOCK_SECONDS, busy=busy)


def _exit(*_: object) -> NoReturn:
    """End at once: the runs that are being worked on are taken up again by the next worker."""
    sys.exit(0)


if __name__ == "__main__":
    main()
