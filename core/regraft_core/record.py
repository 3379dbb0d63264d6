"""The record of a run: what its steps have left in the object store, put together.

An open run's end is its record, and the first record stands: whoever comes later finds it and leaves it alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.results import (
    Attempt,
    Cancellation,
    DeployResult,
    DownloadResult,
    RegisterResult,
    Result,
    TrainResult,
    ValidateResult,
)
from regraft_core.runs import Cause, Run, RunRequest, RunState, Step, StepState, now
from regraft_core.source import forget_address
from regraft_core.steps import SERVING_STEP, STEPS
from regraft_core.stores.objects import ObjectStore, find_model, put_model
from regraft_core.verdict import Verdict

STOPPED = Cause(code=Code.WORKFLOW_STOPPED, message="the workflow was stopped before a step could fail")
"""Why a run ended of which no step says why."""

CANCELLED = Cause(code=Code.CANCELLED, message="the run was cancelled")


def compose(store: ObjectStore, request: RunRequest, failures: Mapping[str, str], otherwise: Cause = STOPPED) -> Run:
    """Return the run as it ended; what cannot be read of it is left out.

    ``failures`` are messages by step, for steps whose container was stopped before it could tell anything itself;
    ``otherwise`` is the cause where no step says one.
    """
    run = Run.accept(request)
    run.state = RunState.FAILED
    for number, name in enumerate(step.name for step in run.steps):
        attempt = find_model(store, layout.attempt(run.run_id, name), Attempt) or Attempt(name=name)
        result = find_model(store, layout.step_result(run.run_id, name), STEPS[name].result)
        if result is not None:
            attempt.state = state_after(result)
            take_in(run, store, result)
            if run.cause == stopped(name) and name in failures:
                run.cause = stopped(name, failures[name])
        elif attempt.state != StepState.PENDING or name in failures:
            attempt.state, run.cause = StepState.FAILED, attempt.cause or stopped(name, failures.get(name))
        else:
            attempt.state = StepState.SKIPPED
        if attempt.state == StepState.FAILED and run.cause is not None:
            attempt.message = run.cause.message
        run.steps[number] = Step(**attempt.model_dump(include=set(Step.model_fields)))
    if run.state == RunState.FAILED and (asked := cancellation(store, run.run_id)) and asked.because is None:
        run.state, run.cause = RunState.CANCELLED, CANCELLED
    if run.state == RunState.FAILED and run.cause is None:
        run.cause = otherwise
    run.updated_at = run.finished_at = now()
    return run


def keep(store: ObjectStore, run: Run) -> Run:
    """Write the record of a run that has ended, and its name into the history; return the record that stands."""
    record = find_model(store, layout.record(run.run_id), Run)
    if record is None:
        record = run
        put_model(store, layout.record(run.run_id), run)
    store.put(layout.history(run.accepted_at, run.task, run.run_id), b"")
    forget_address(store, run.run_id)
    store.remove(layout.open_run(run.run_id))
    return record


def stopped(step: str, message: str | None = None) -> Cause:
    """Return the cause of a step whose container could not tell any."""
    return Cause(code=Code.STEP_STOPPED, message=f"{step}: {message or 'the container of the step was stopped'}")


def left_open(store: ObjectStore, run_id: str) -> Attempt | None:
    """Return the last attempt of the step that serves, where it has come to no end: it may have to put back."""
    if store.exists(layout.step_result(run_id, SERVING_STEP)):
        return None
    return find_model(store, layout.attempt(run_id, SERVING_STEP), Attempt)


def state_after(result: Result) -> StepState:
    """Return the state of a step that has left a result."""
    return StepState.FAILED if result.end is RunState.FAILED else StepState.SUCCEEDED


def take_in(run: Run, store: ObjectStore, result: Result) -> None:
    """Add what a finished step found."""
    if result.end is not None:
        run.state, run.cause = result.end, result.cause
    match result:
        case DownloadResult():
            run.data_sha256 = result.data_sha256
        case ValidateResult():
            run.verdict = find_model(store, layout.verdict(run.run_id), Verdict)
        case TrainResult():
            run.metrics = result.metrics
        case RegisterResult():
            run.version = result.version
            run.links["mlflow"] = result.link
        case DeployResult():
            run.version = result.version or run.version


def open_runs(store: ObjectStore) -> list[RunRequest]:
    """Return the requests of the runs that had not ended when somebody last looked; one that is damaged is left out."""
    keys = list(store.keys(layout.OPEN))
    return [found for key in keys if (found := find_model(store, key, RunRequest)) is not None]


def cancel(store: ObjectStore, run_id: str, because: Cause | None = None) -> None:
    """Ask for the end of a run, of whoever works on it.

    ``because`` is what the run has failed with, where it is begun once more only to put back what served; what was
    asked for before stands then.
    """
    if because is None or not is_cancelled(store, run_id):
        put_model(store, layout.cancellation(run_id), Cancellation(at=now(), because=because))


def is_cancelled(store: ObjectStore, run_id: str) -> bool:
    """Whether the run is to end."""
    return store.exists(layout.cancellation(run_id))


def cancellation(store: ObjectStore, run_id: str) -> Cancellation | None:
    """Return what was asked for where the run is to end; None where it is not, or where that cannot be read."""
    return find_model(store, layout.cancellation(run_id), Cancellation)
