"""Takes one run from where it is to its end, step by step, in this process."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from regraft_core import layout
from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.logs import get_logger
from regraft_core.record import CANCELLED, is_cancelled, keep, take_in
from regraft_core.results import RESULTS
from regraft_core.runs import Cause, Run, RunState, Step, StepState, now
from regraft_core.stores.objects import get_model
from regraft_pipeline.assembly import make_context
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steplog import kept_log
from regraft_pipeline.steps import Context, Result

type Save = Callable[[Run], None]
"""Write down a run's present state."""

PROGRESS_SECONDS = 0.5
"""Least time between two progress reports that are written down."""

FIRST_PAUSE = 1.0
"""Seconds before a step is tried again; doubled each time."""

log = get_logger(__name__)


def run_to_end(run: Run, settings: PipelineSettings, save: Save, *, attempts: int = 1) -> None:
    """Run all steps of a run that have not left their result yet, and write its record.

    Whatever the steps raise becomes the end of the run; what ``save`` raises is raised.
    """
    with structlog.contextvars.bound_contextvars(run_id=run.run_id), tempfile.TemporaryDirectory() as workdir:
        run.state = RunState.RUNNING
        save(run)
        progress = _Progress(run, save)
        request = run.request()
        context: Context | None = None
        try:
            context = make_context(request, settings, progress=progress, workdir=Path(workdir))
            _run_steps(run, context, progress, attempts)
        except Exception as error:
            _fail(run, error)
        _end(run)
        if context is not None:
            keep(context.store, run)
        save(run)
        log.info("run ended", state=run.state, cause=run.cause and run.cause.message, version=run.version)


def _run_steps(run: Run, context: Context, progress: _Progress, attempts: int) -> None:
    then: str | None = None
    for step in run.steps:
        if then not in (None, step.name):
            continue  # an earlier step goes on with a later one
        if is_cancelled(context.store, run.run_id) and not (step.name == "deploy" and step.started_at):
            run.state, run.cause = RunState.CANCELLED, CANCELLED
            return  # but a deploy that was interrupted may have to put back, and ends itself
        progress.begin(step)
        key = layout.step_result(run.run_id, step.name)
        result = get_model(context.store, key, RESULTS[step.name])
        if result is None:
            with kept_log(context.store, run.run_id, step.name):
                result = _try_step(step, context, attempts)
        take_in(run, context.store, result)
        progress.finish(result)
        then = result.then
        if result.end is not None:
            return


def _try_step(step: Step, context: Context, attempts: int) -> Result:
    module = importlib.import_module(f"regraft_pipeline.steps.{step.name}")
    for attempt in range(1, attempts + 1):
        try:
            result: Result = module.run(context)
        except TemporaryError as error:
            if attempt == attempts:
                raise
            pause = FIRST_PAUSE * 2 ** (attempt - 1)
            log.warning("step failed, trying again", step=step.name, reason=error.message, seconds=pause)
            context.progress(None, f"{error.message}; trying again in {pause:g} s")
            time.sleep(pause)
        else:
            return result
    raise AssertionError("unreachable: the last attempt returns or raises")


class _Progress:
    """Keeps the run's present step up to date, and writes it down as often as people can read it."""

    def __init__(self, run: Run, save: Save) -> None:
        self._run = run
        self._save = save
        self._step = run.steps[0]
        self._saved_at = 0.0

    def __call__(self, share: float | None, message: str) -> None:
        self._step.progress, self._step.message = share, message
        if time.monotonic() - self._saved_at > PROGRESS_SECONDS:
            self._write()

    def begin(self, step: Step) -> None:
        """Go to the next step. One that was interrupted keeps the time of its first beginning."""
        self._step = step
        step.state, step.started_at = StepState.RUNNING, step.started_at or now()
        self._write()

    def finish(self, result: Result) -> None:
        """The step has left its result; the next one, or the end, is written down right after."""
        self._step.state, self._step.finished_at = StepState.SUCCEEDED, now()
        self._step.progress, self._step.message = 1.0, result.message

    def _write(self) -> None:
        self._save(self._run)
        self._saved_at = time.monotonic()


def _fail(run: Run, error: Exception) -> None:
    known = isinstance(error, RegraftError)
    log.error("run failed", reason=str(error), exc_info=None if known else error)
    code = error.code if isinstance(error, RegraftError) else "internal_error"
    message = error.message if isinstance(error, RegraftError) else f"{type(error).__name__}: {error}"
    run.state, run.cause = RunState.FAILED, Cause(code=code, message=message)
    for step in run.steps:
        if step.state == StepState.RUNNING:
            step.state, step.finished_at, step.message = StepState.FAILED, now(), message


def _end(run: Run) -> None:
    for step in run.steps:
        if step.state == StepState.PENDING:
            step.state = StepState.SKIPPED
    run.updated_at = run.finished_at = now()
