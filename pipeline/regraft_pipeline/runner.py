"""Takes one run from where it is to its end, step by step, in this process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.logs import get_logger
from regraft_core.record import CANCELLED, cancel, is_cancelled, keep, state_after, take_in
from regraft_core.runs import Cause, Run, RunRequest, RunState, Step, StepState, now
from regraft_core.steps import STEPS
from regraft_core.stores.objects import ObjectStore, find_model, get_model, open_store
from regraft_pipeline.assembly import run_step
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import Progress, Result

type Save = Callable[[Run], None]
"""Write down a run's present state."""


class Perform(Protocol):
    """Runs a step somewhere, and returns what it leaves. Raises what the step raises, or CancelledError."""

    def __call__(
        self, step: str, request: RunRequest, settings: PipelineSettings, /, *, progress: Progress, workdir: Path
    ) -> Result:
        """Run the step in an empty folder."""
        ...


PROGRESS_SECONDS = 0.5
"""Least time between two progress reports that are written down."""

MOST_STARTS = 10
"""How often a step may be begun, each time ended by a kill."""

FIRST_PAUSE = 1.0
"""Seconds before a step is tried again; doubled each time."""

log = get_logger(__name__)


class CancelledError(Exception):
    """Somebody wants the run to end, and the step has been stopped."""


def run_to_end(
    run: Run,
    settings: PipelineSettings,
    save: Save,
    *,
    attempts: int = 1,
    most_starts: int = MOST_STARTS,
    perform: Perform = run_step,
    scratch: Path | None = None,
) -> None:
    """Run all steps of a run that have not left their result yet, and write its record; one that stands is the end.

    A step whose failure can pass is tried ``attempts`` times; one that was begun ``most_starts`` times, because whoever
    worked on it was killed, is given up. Whatever the steps raise becomes the end of the run; what ``save`` raises is
    raised, and the run can be taken up again. ``scratch`` is where folders of the steps are made, the system's place
    for such by default.
    """
    with (
        structlog.contextvars.bound_contextvars(run_id=run.run_id),
        tempfile.TemporaryDirectory(dir=scratch) as workdir,
    ):
        store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
        if ended := find_model(store, layout.record(run.run_id), Run):
            _become(run, ended)  # killed between its record and the last time it was saved
        else:
            course = _Course(run, settings, store, save, perform, Path(workdir), attempts, most_starts)
            run.state = RunState.RUNNING
            save(run)
            course.go()
            _end(run)
        keep(store, run)
        save(run)
        log.info("run ended", state=run.state, cause=run.cause and run.cause.message, version=run.version)


@dataclass
class _Course:
    """A run on its way through its steps."""

    run: Run
    settings: PipelineSettings
    store: ObjectStore
    save: Save
    perform: Perform
    workdir: Path
    attempts: int
    most_starts: int
    saved_at: float = 0.0

    def go(self) -> None:
        """Take the steps that have left no result yet, until one ends the run."""
        run, then = self.run, None
        for step in run.steps:
            if then not in (None, step.name):
                continue  # an earlier step goes on with a later one
            if is_cancelled(self.store, run.run_id) and not (STEPS[step.name].serves and step.started_at):
                run.state, run.cause = RunState.CANCELLED, CANCELLED
                return  # but one that serves and was interrupted may have to put back, and ends itself
            self._begin(step)
            try:
                result = self._result_of(step)
                take_in(run, self.store, result)
            except CancelledError:
                run.state, run.cause = RunState.CANCELLED, CANCELLED
                return
            except Exception as error:
                if (done := self._end_in_order(step, error)) is None:
                    _fail(run, error)
                    return
                result = done
                take_in(run, self.store, result)
            step.state, step.finished_at = state_after(result), now()
            step.progress, step.message = 1.0, result.message
            if result.end is not None:
                return
            then = result.then

    def _begin(self, step: Step) -> None:
        """Go to the next step. One that was interrupted keeps the time of its first beginning."""
        step.state, step.started_at, step.starts = StepState.RUNNING, step.started_at or now(), step.starts + 1
        self._write()

    def _result_of(self, step: Step) -> Result:
        key = layout.step_result(self.run.run_id, step.name)
        found = get_model(self.store, key, STEPS[step.name].result)
        if found is not None:
            return found
        if step.starts > self.most_starts:
            raise RegraftError(
                f"{step.name} was begun {self.most_starts} times, and each time it was killed before its end",
                code=Code.STEP_GIVEN_UP,
            )
        return self._tried(step)

    def _tried(self, step: Step) -> Result:
        """Perform a step, again where its failure can pass."""
        for attempt in range(1, self.attempts):
            try:
                return self._perform_in(step)
            except TemporaryError as error:
                pause = FIRST_PAUSE * 2 ** (attempt - 1)
                log.warning("step failed, trying again", step=step.name, reason=error.message, seconds=pause)
                self._progress(step, None, f"{error.message}; trying again in {pause:g} s")
                time.sleep(pause)
        return self._perform_in(step)

    def _end_in_order(self, step: Step, error: Exception) -> Result | None:
        """Begin a step that serves once more where it has failed for good, so that it puts back what served.

        Returns how it has ended, None where the run has failed and there is nothing more to do about it.
        """
        if not STEPS[step.name].serves or step.starts > self.most_starts + 1:
            return None
        log.warning("step failed, putting back what served", step=step.name, reason=str(error))
        try:
            cancel(self.store, self.run.run_id, _cause(error))
            return self._tried(step)
        except Exception as second:
            log.warning("what served could not be put back", step=step.name, reason=str(second))
            return None

    def _perform_in(self, step: Step) -> Result:
        """Perform a step in an empty folder of its own."""
        with tempfile.TemporaryDirectory(dir=self.workdir) as workdir:
            return self.perform(
                step.name,
                self.run.request(),
                self.settings,
                progress=lambda share, message: self._progress(step, share, message),
                workdir=Path(workdir),
            )

    def _progress(self, step: Step, share: float | None, message: str) -> None:
        """Keep the step up to date, and write it down as often as people can read it."""
        step.progress, step.message = share, message
        if time.monotonic() - self.saved_at > PROGRESS_SECONDS:
            try:
                self._write()
            except Exception as error:
                log.warning("progress cannot be written down", reason=str(error))  # no failure of the step

    def _write(self) -> None:
        self.save(self.run)
        self.saved_at = time.monotonic()


def _fail(run: Run, error: Exception) -> None:
    known = isinstance(error, RegraftError)
    log.error("run failed", reason=str(error), exc_info=None if known else error)
    run.state, run.cause = RunState.FAILED, _cause(error)
    for step in run.steps:
        if step.state == StepState.RUNNING:
            step.state, step.finished_at, step.message = StepState.FAILED, now(), run.cause.message


def _cause(error: Exception) -> Cause:
    if isinstance(error, RegraftError):
        return Cause(code=error.code, message=error.message)
    return Cause(code=Code.INTERNAL_ERROR, message=f"{type(error).__name__}: {error}")


def _become(run: Run, ended: Run) -> None:
    for name in Run.model_fields:
        setattr(run, name, getattr(ended, name))


def _end(run: Run) -> None:
    for step in run.steps:
        if step.state == StepState.RUNNING:  # cancelled in it
            step.finished_at = now()
        if step.state in (StepState.PENDING, StepState.RUNNING):
            step.state = StepState.SKIPPED
    run.updated_at = run.finished_at = now()
