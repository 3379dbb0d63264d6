from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.record import cancel, cancellation, compose, keep, left_open, stopped
from regraft_core.results import (
    Attempt,
    DeployResult,
    DownloadResult,
    RegisterResult,
    Result,
    TrainResult,
    ValidateResult,
)
from regraft_core.runs import Cause, Run, RunRequest, RunState, StepState
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_core.verdict import Verdict

REQUEST = RunRequest(run_id="run-a", task="passwords", data_url="http://d/x.csv", accepted_at=datetime.now(UTC))
DOWNLOADED = DownloadResult(data_sha256="ab", bytes=3, final_url="http://d/x.csv")
ACCEPTED = ValidateResult(accepted=True)
TRAINED = TrainResult(metrics={"mae": 0.1}, parameters={}, seconds=1)
REGISTERED = RegisterResult(version="7", uri="s3://b/m/", mlflow_run_id="m", link="http://mlflow/m")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def leave(store: FileStore, **results: Result) -> None:
    for step, result in results.items():
        put_model(
            store, layout.attempt("run-a", step), Attempt(name=step, state=StepState.SUCCEEDED, pod=f"pod-{step}")
        )
        put_model(store, layout.step_result("run-a", step), result)


def test_a_promoted_run_has_all_that_its_steps_found(store: FileStore) -> None:
    deployed = DeployResult(end=RunState.PROMOTED, version="7")
    leave(store, download=DOWNLOADED, validate=ACCEPTED, train=TRAINED, register=REGISTERED, deploy=deployed)
    run = compose(store, REQUEST, {})
    assert (run.state, run.version, run.data_sha256, run.metrics) == (RunState.PROMOTED, "7", "ab", {"mae": 0.1})
    assert {step.state for step in run.steps} == {StepState.SUCCEEDED}
    assert run.step("train").pod == "pod-train"
    assert run.finished_at is not None


def test_a_rejected_run_has_its_verdict_and_skipped_steps(store: FileStore) -> None:
    cause = Cause(code="target_drift", message="800 of 1000")
    leave(store, download=DOWNLOADED, validate=ValidateResult(accepted=False, end=RunState.REJECTED, cause=cause))
    put_model(store, layout.verdict("run-a"), Verdict(task="passwords", accepted=False))
    run = compose(store, REQUEST, {})
    assert (run.state, run.cause) == (RunState.REJECTED, cause)
    assert run.verdict is not None
    assert [step.state for step in run.steps[2:]] == [StepState.SKIPPED] * 3


def test_a_run_that_somebody_ended_is_cancelled_unless_it_had_come_to_an_end(store: FileStore) -> None:
    cancel(store, "run-a")
    leave(store, download=DOWNLOADED)
    run = compose(store, REQUEST, {"validate": "pod deleted"})
    assert (run.state, run.cause and run.cause.code) == (RunState.CANCELLED, "cancelled")
    leave(store, validate=ValidateResult(accepted=False, end=RunState.REJECTED, cause=Cause(code="x", message="y")))
    assert compose(store, REQUEST, {}).state == RunState.REJECTED


def test_a_deploy_that_has_failed_for_good_has_failed_though_it_was_asked_to_end(store: FileStore) -> None:
    leave(store, download=DOWNLOADED, validate=ACCEPTED, train=TRAINED, register=REGISTERED)
    put_model(store, layout.attempt("run-a", "deploy"), Attempt(name="deploy", state=StepState.RUNNING))
    assert left_open(store, "run-a") is not None
    cancel(store, "run-a", stopped("deploy"))
    leave(store, deploy=DeployResult(end=RunState.FAILED, cause=stopped("deploy")))
    assert left_open(store, "run-a") is None
    run = compose(store, REQUEST, {"deploy": "OOMKilled (exit code 137)"})
    assert (run.state, run.step("deploy").state) == (RunState.FAILED, StepState.FAILED)
    assert run.cause == Cause(code="step_stopped", message="deploy: OOMKilled (exit code 137)")
    assert run.step("deploy").message == run.cause.message


def test_what_somebody_asked_for_stands_before_a_failure(store: FileStore) -> None:
    cancel(store, "run-a")
    cancel(store, "run-a", stopped("deploy"))
    found = cancellation(store, "run-a")
    assert found is not None
    assert found.because is None
    assert compose(store, REQUEST, {}).state == RunState.CANCELLED


def test_the_first_record_stands(store: FileStore) -> None:
    put_model(store, layout.open_run("run-a"), REQUEST)
    first = keep(store, compose(store, REQUEST, {}))
    leave(store, download=DOWNLOADED)
    assert keep(store, compose(store, REQUEST, {})) == first
    assert not store.exists(layout.open_run("run-a"))


def test_what_cannot_be_read_is_left_out_of_the_record_and_does_not_prevent_it(store: FileStore) -> None:
    deployed = DeployResult(end=RunState.PROMOTED, version="7")
    leave(store, download=DOWNLOADED, validate=ACCEPTED, train=TRAINED, register=REGISTERED, deploy=deployed)
    for key in (layout.attempt("run-a", "train"), layout.step_result("run-a", "download"), layout.record("run-a")):
        store.put(key, b"{")
    run = keep(store, compose(store, REQUEST, {}))
    assert (run.state, run.version, run.data_sha256) == (RunState.PROMOTED, "7", None)
    assert get_model(store, layout.record("run-a"), Run) == run


def test_a_failed_step_gives_the_cause(store: FileStore) -> None:
    cause = Cause(code="source_not_found", message="404")
    failed = Attempt(name="download", state=StepState.FAILED, cause=cause)
    put_model(store, layout.attempt("run-a", "download"), failed)
    run = compose(store, REQUEST, {"download": "Error (exit code 1)"})
    assert (run.state, run.cause) == (RunState.FAILED, cause)
    assert run.step("download").message == "404"


def test_a_container_that_was_killed_is_told_of_by_argo(store: FileStore) -> None:
    leave(store, download=DOWNLOADED, validate=ACCEPTED)
    put_model(store, layout.attempt("run-a", "train"), Attempt(name="train", state=StepState.RUNNING))
    run = compose(store, REQUEST, {"train": "OOMKilled (exit code 137)"})
    assert run.state == RunState.FAILED
    assert run.cause == Cause(code="step_stopped", message="train: OOMKilled (exit code 137)")
    assert run.step("train").state == StepState.FAILED


def test_a_container_that_never_began_is_told_of_by_argo(store: FileStore) -> None:
    run = compose(store, REQUEST, {"download": "Pod was active longer than the specified deadline"})
    assert run.cause is not None
    assert run.cause.code == "step_stopped"
    assert run.step("validate").state == StepState.SKIPPED


def test_a_workflow_that_was_stopped_before_any_step_says_so(store: FileStore) -> None:
    run = compose(store, REQUEST, {})
    assert run.cause is not None
    assert (run.state, run.cause.code) == (RunState.FAILED, "workflow_stopped")


def test_a_step_that_succeeded_after_a_failed_attempt_has_succeeded(store: FileStore) -> None:
    leave(store, download=DOWNLOADED)
    cause = Cause(code="temporary", message="busy")
    put_model(store, layout.attempt("run-a", "download"), Attempt(name="download", state=StepState.FAILED, cause=cause))
    assert compose(store, REQUEST, {}).step("download").state == StepState.SUCCEEDED


def test_a_rollback_is_one_step(store: FileStore) -> None:
    request = REQUEST.model_copy(update={"kind": "rollback", "to_version": "3"})
    leave(store, deploy=DeployResult(end=RunState.PROMOTED, version="3"))
    run = compose(store, request, {})
    assert (run.state, run.version, len(run.steps)) == (RunState.PROMOTED, "3", 1)


def test_a_record_is_kept_and_found_in_the_history(store: FileStore) -> None:
    keep(store, compose(store, REQUEST, {}))
    assert get_model(store, layout.record("run-a"), Run) is not None
    [place] = store.keys(layout.HISTORY)
    assert (layout.task_of(place), layout.run_of(place)) == ("passwords", "run-a")
