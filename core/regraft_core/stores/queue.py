"""The embedded mode's durable queue and history of runs: one SQLite file that two processes share.

The trigger service writes acceptances, the worker everything after. An accepted run is on disk before anybody is told
of it (``synchronous=FULL``), and every change gets the next number of one counter, so that readers can follow.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from regraft_core.runs import Run, RunRequest, RunState, now

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

    def submit(self, request: RunRequest) -> Run:
        """Accept a run and return it once it is on disk; a run of the same id is returned as it is.

        ``accepted_at`` is moved to just after that of the run accepted before it where clocks would say otherwise.
        """
        with self._writing() as db:
            row = db.execute("SELECT run FROM runs WHERE run_id = ?", (request.run_id,)).fetchone()
            if row:
                return Run.model_validate_json(row[0])
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
        run.updated_at = now()
        with self._writing() as db:
            db.execute(
                "UPDATE runs SET state = ?, run = ?, change = (SELECT max(change) + 1 FROM runs) WHERE run_id = ?",
                (run.state, run.model_dump_json(), run.run_id),
            )

    def get(self, run_id: str) -> Run | None:
        """Return a run, None where there is none."""
        with self._connect() as db:
            row = db.execute("SELECT run FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return Run.model_validate_json(row[0]) if row else None

    def recent(self, *, task: str | None = None, limit: int = 50, before: str | None = None) -> list[Run]:
        """Return runs, newest first; ``before`` is the id of the run after which to go on."""
        with self._connect() as db:
            rows = db.execute(
                "SELECT run FROM runs WHERE (:task IS NULL OR task = :task) AND "
                "(:before IS NULL OR seq < (SELECT seq FROM runs WHERE run_id = :before)) "
                "ORDER BY seq DESC LIMIT :limit",
                {"task": task, "before": before, "limit": limit},
            ).fetchall()
        return [Run.model_validate_json(row[0]) for row in rows]

    def next_to_run(self) -> Run | None:
        """Return the run to work on: one that was interrupted, else the one accepted first of those that wait."""
        with self._connect() as db:
            row = db.execute(
                "SELECT run FROM runs WHERE state IN (:running, :queued) ORDER BY state = :running DESC, seq LIMIT 1",
                {"running": RunState.RUNNING, "queued": RunState.QUEUED},
            ).fetchone()
        return Run.model_validate_json(row[0]) if row else None

    def last_change(self) -> int:
        """Return the number of the newest change."""
        with self._connect() as db:
            number: int = db.execute("SELECT coalesce(max(change), 0) FROM runs").fetchone()[0]
        return number

    def changes(self, since: int) -> list[tuple[int, Run]]:
        """Return the runs that changed after the given change, oldest change first, each as it is now."""
        with self._connect() as db:
            rows = db.execute("SELECT change, run FROM runs WHERE change > ? ORDER BY change", (since,)).fetchall()
        return [(change, Run.model_validate_json(run)) for change, run in rows]

    def count(self) -> dict[RunState, int]:
        """Return how many runs are in each state."""
        with self._connect() as db:
            rows = db.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall()
        return {RunState(state): number for state, number in rows}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
