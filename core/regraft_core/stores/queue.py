"""The embedded mode's durable queue and history of runs: one SQLite file that two processes share.

The trigger service writes acceptances, the worker everything after. An accepted run is on disk before anybody is told
of it (``synchronous=FULL``), and every change gets the next number of one counter, so that readers can follow.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from regraft_core.codes import Code
from regraft_core.errors import UnavailableError
from regraft_core.logs import get_logger, log_once
from regraft_core.runs import Run, RunRequest, RunState, now

log = get_logger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    state TEXT NOT NULL,
    accepted_at TEXT NOT NULL,
    change INTEGER NOT NULL,
    run TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS runs_by_change ON runs (change);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (state, seq);
CREATE INDEX IF NOT EXISTS runs_by_acceptance ON runs (accepted_at);
CREATE INDEX IF NOT EXISTS runs_by_task ON runs (task, state, seq);
"""


class RunStore:
    """Runs in SQLite. Every call opens its own connection, so it may be used from any thread or process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._connect() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_SCHEMA)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous=FULL")
            yield db
        finally:
            db.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def submit(self, request: RunRequest, *, most_waiting: int | None = None) -> Run:
        """Accept a run and return it once it is on disk; a run of the same id is returned as it is.

        ``accepted_at`` is moved to just after that of the run accepted before it where clocks would say otherwise.
        Raises UnavailableError (``queue_full``) where so many runs of the task wait already.
        """
        with self._writing() as db:
            if found := _find(db, request.run_id):
                return found
            if most_waiting is not None and _waiting(db, request.task) >= most_waiting:
                raise UnavailableError(
                    f"{most_waiting} runs of {request.task} wait already", code=Code.QUEUE_FULL, retry_after=30
                )
            last = db.execute("SELECT max(accepted_at) FROM runs").fetchone()[0]
            if last and (after := datetime.fromisoformat(last) + timedelta(microseconds=1)) > request.accepted_at:
                request = request.model_copy(update={"accepted_at": after})
            run = Run.accept(request)
            db.execute(
                "INSERT INTO runs (run_id, task, state, accepted_at, change, run) "
                "VALUES (?, ?, ?, ?, (SELECT coalesce(max(change), 0) + 1 FROM runs), ?)",
                (run.run_id, run.task, run.state, _text(run.accepted_at), run.model_dump_json()),
            )
            return run

    def save(self, run: Run) -> None:
        """Write a run's present state."""
        with self._writing() as db:
            _write(db, run)

    def claim(self, busy: Collection[str] = ()) -> Run | None:
        """Return the run to work on, as one that runs: of the tasks that are not busy, the one accepted first.

        One that was interrupted goes first. A run that cannot be read ends here, and holds nobody up.
        """
        marks = ", ".join("?" * len(busy))
        query = (
            f"SELECT run_id, task, accepted_at, run FROM runs WHERE state IN (?, ?) AND task NOT IN ({marks}) "  # noqa: S608  (marks only)
            "ORDER BY state = ? DESC, seq LIMIT 1"
        )
        while True:
            with self._writing() as db:
                row = db.execute(query, (RunState.RUNNING, RunState.QUEUED, *busy, RunState.RUNNING)).fetchone()
                if row is None:
                    return None
                run = _run(row)
                if not run.state.ended:
                    run.state = RunState.RUNNING
                _write(db, run)
                if not run.state.ended:
                    return run

    def cancel(self, run: Run) -> bool:
        """End a run that waits; False where somebody works on it, or it has ended."""
        with self._writing() as db:
            row = db.execute("SELECT state FROM runs WHERE run_id = ?", (run.run_id,)).fetchone()
            if row is None or row[0] != RunState.QUEUED:
                return False
            _write(db, run)
            return True

    def get(self, run_id: str) -> Run | None:
        """Return a run, None where there is none."""
        with self._connect() as db:
            return _find(db, run_id)

    def recent(self, *, task: str | None = None, limit: int = 50, before: str | None = None) -> list[Run]:
        """Return runs, newest first; ``before`` is the id of the run after which to go on."""
        with self._connect() as db:
            rows = db.execute(
                "SELECT run_id, task, accepted_at, run FROM runs WHERE (:task IS NULL OR task = :task) AND "
                "(:before IS NULL OR seq < (SELECT seq FROM runs WHERE run_id = :before)) "
                "ORDER BY seq DESC LIMIT :limit",
                {"task": task, "before": before, "limit": limit},
            ).fetchall()
        return [_run(row) for row in rows]

    def last_change(self) -> int:
        """Return the number of the newest change."""
        with self._connect() as db:
            number: int = db.execute("SELECT coalesce(max(change), 0) FROM runs").fetchone()[0]
        return number

    def changes(self, since: int) -> list[tuple[int, Run]]:
        """Return the runs that changed after the given change, oldest change first, each as it is now."""
        with self._connect() as db:
            rows = db.execute(
                "SELECT change, run_id, task, accepted_at, run FROM runs WHERE change > ? ORDER BY change", (since,)
            ).fetchall()
        return [(change, _run(row)) for change, *row in rows]

    def count(self) -> dict[RunState, int]:
        """Return how many runs are in each state."""
        with self._connect() as db:
            rows = db.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall()
        return {RunState(state): number for state, number in rows}


def _find(db: sqlite3.Connection, run_id: str) -> Run | None:
    row = db.execute("SELECT run_id, task, accepted_at, run FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return _run(row) if row else None


def _waiting(db: sqlite3.Connection, task: str) -> int:
    number: int = db.execute(
        "SELECT count(*) FROM runs WHERE task = ? AND state = ?", (task, RunState.QUEUED)
    ).fetchone()[0]
    return number


def _write(db: sqlite3.Connection, run: Run) -> None:
    run.updated_at = now()
    db.execute(
        "UPDATE runs SET state = ?, run = ?, change = (SELECT max(change) + 1 FROM runs) WHERE run_id = ?",
        (run.state, run.model_dump_json(), run.run_id),
    )


def _run(row: Sequence[str]) -> Run:
    """Return the run of a row; of one that cannot be read, what stands for it."""
    run_id, task, accepted_at, text = row
    try:
        return Run.model_validate_json(text)
    except ValidationError as error:
        log_once(log, f"row/{run_id}", "row of a run cannot be read", run_id=run_id, reason=str(error)[:500])
        return Run.unreadable(run_id, task, datetime.fromisoformat(accepted_at), "its row in the database is damaged")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
