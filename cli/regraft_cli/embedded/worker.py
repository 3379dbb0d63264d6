"""The embedded worker: takes accepted runs in their order, one at a time, to their end.

``python -m regraft_cli.embedded.worker``. It may be killed at any point: the run it was at is the first it takes up
again.
"""

from __future__ import annotations

import fcntl
import importlib
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import NoReturn

from regraft_core.errors import RegraftError
from regraft_core.logs import configure_logging, get_logger
from regraft_core.runs import STEPS, RunState, new_run_id
from regraft_core.stores.objects import open_store
from regraft_core.stores.queue import RunStore
from regraft_pipeline.bootstrap import prepare
from regraft_pipeline.runner import run_to_end
from regraft_pipeline.settings import WorkerSettings
from regraft_pipeline.tasks import load_tasks

POLL_SECONDS = 0.1
LOCK_SECONDS = 10.0
"""How long a worker waits for the one before it to be gone."""

log = get_logger(__name__)


def main() -> None:
    """Work until a signal ends it."""
    settings = WorkerSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    signal.signal(signal.SIGTERM, _exit)
    with alone(settings.database.with_name("worker.lock")):
        runs = RunStore(settings.database)
        submit_bootstraps(runs, settings)
        for step in STEPS:
            importlib.import_module(f"regraft_pipeline.steps.{step}")
        log.info("worker is ready")
        work(runs, settings)


def work(runs: RunStore, settings: WorkerSettings) -> NoReturn:
    """Take runs to their ends, for ever."""
    while True:
        if not work_once(runs, settings):
            time.sleep(POLL_SECONDS)


def work_once(runs: RunStore, settings: WorkerSettings) -> bool:
    """Take the next run to its end; False where none waits."""
    run = runs.claim()
    if run is None:
        return False
    run_to_end(run, settings, runs.save, attempts=settings.step_attempts)
    return True


def submit_bootstraps(runs: RunStore, settings: WorkerSettings) -> None:
    """Accept a run on its bootstrap dataset for every task that has not had one that ended well."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    for task in load_tasks().values():
        run_id = _bootstrap_run_id(runs, task.name)
        if run_id is not None:
            runs.submit(prepare(task, store, run_id))


def _bootstrap_run_id(runs: RunStore, task: str) -> str | None:
    """Return the id of the next attempt, None where none is needed."""
    for attempt in count():
        run_id = new_run_id(f"bootstrap/{task}/{attempt}")
        run = runs.get(run_id)
        if run is None:
            return run_id
        if not run.state.ended or run.state in (RunState.PROMOTED, RunState.SUPERSEDED):
            return None
    raise AssertionError("unreachable: there is always a next attempt")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock that only one process can have; it is free again when the process is gone, however it went.

    Raises RegraftError (``worker_running``) where another holds it for longer than a few seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise RegraftError(f"another worker holds {path}", code="worker_running") from error
                time.sleep(POLL_SECONDS)
        yield


def _exit(*_: object) -> NoReturn:
    """End at once: the run that is being worked on is taken up again by the next worker."""
    sys.exit(0)


if __name__ == "__main__":
    main()
