"""The record of a run: what its steps have left in the object store, put together."""

from __future__ import annotations

from collections.abc import Mapping

from regraft_core import layout
from regraft_core.runs import Cause, Run, RunRequest, RunState, Step, StepState, now
from regraft_core.stores.objects import ObjectStore, get_model, put_model
from regraft_core.verdict import Verdict
from regraft_pipeline.steps import DeployResult, DownloadResult, RegisterResult, Result, TrainResult, ValidateResult

RESULTS: Mapping[str, type[Result]] = {
    "download": DownloadResult,
    "validate": ValidateResult,
    "train": TrainResult,
    "register": RegisterResult,
    "deploy": DeployResult,
}
"""What each step leaves."""


class Attempt(Step):
    """The last time that a step was tried, as its own container tells it."""

    cause: Cause | None = None


def compose(store: ObjectStore, request: RunRequest, failures: Mapping[str, str]) -> Run:
    """Return the run as it ended.

    ``failures`` are messages by step, for steps whose container was stopped before it could tell anything itself.
    """
    run = Run.accept(request)
    run.state = RunState.FAILED
    for number, name in enumerate(step.name for step in run.steps):
        attempt = get_model(store, layout.attempt(run.run_id, name), Attempt) or Attempt(name=name)
        result = get_model(store, layout.step_result(run.run_id, name), RESULTS[name])
        if result is not None:
            attempt.state = StepState.SUCCEEDED
            take_in(run, store, result)
        elif attempt.state != StepState.PENDING or name in failures:
            message = failures.get(name, "the container of the step was stopped")
            run.cause = attempt.cause or Cause(code="step_stopped", message=f"{name}: {message}")
            attempt.state, attempt.message = StepState.FAILED, run.cause.message
        else:
            attempt.state = StepState.SKIPPED
        run.steps[number] = Step(**attempt.model_dump(include=set(Step.model_fields)))
    if run.state == RunState.FAILED and run.cause is None:
        run.cause = Cause(code="workflow_stopped", message="the workflow was stopped before a step could fail")
    run.updated_at = run.finished_at = now()
    return run


def keep(store: ObjectStore, run: Run) -> None:
    """Write the record of a run that has ended, and its name into the history."""
    put_model(store, layout.record(run.run_id), run)
    store.put(layout.history(run.accepted_at, run.task, run.run_id), b"")


def take_in(run: Run, store: ObjectStore, result: Result) -> None:
    """Add what a finished step found."""
    if result.end is not None:
        run.state, run.cause = result.end, result.cause
    match result:
        case DownloadResult():
            run.data_sha256 = result.data_sha256
        case ValidateResult():
            run.verdict = get_model(store, layout.verdict(run.run_id), Verdict)
        case TrainResult():
            run.metrics = result.metrics
        case RegisterResult():
            run.version = result.version
            run.links["mlflow"] = result.link
        case DeployResult():
            run.version = result.version or run.version
