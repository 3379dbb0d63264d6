from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, SourceError, TemporaryError
from regraft_core.record import cancellation, stopped
from regraft_core.results import Attempt, DeployResult
from regraft_core.runs import Cause, Run, RunRequest, RunState, StepState
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_core.workflows import FAILURES_VARIABLE, REQUEST_PREFIX, parameters_of
from regraft_pipeline.argo import container
from regraft_pipeline.argo.container import failures_from, main, request_from
from regraft_pipeline.steps import Context, DownloadResult, Result, ValidateResult

REQUEST = RunRequest(run_id="run-a", task="passwords", data_url="http://d/x.csv", accepted_at=datetime.now(UTC))


class Pod:
    """What a step's container finds around it: the environment, and the volume that Argo reads the outcome from."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.store = FileStore(folder / "bucket")
        self.outcome = folder / "outcome"
        self.progress = folder / "progress"
        self.set("REGRAFT_STORE_URL", (folder / "bucket").as_uri())
        self.set(container.PROGRESS_VARIABLE, str(self.progress))
        for field, value in parameters_of(REQUEST).items():
            self.set(REQUEST_PREFIX + field.upper(), value)
        monkeypatch.setattr(container, "OUTCOME_FILE", str(self.outcome))
        # The root logger's handlers are pytest's here.
        monkeypatch.setattr(container, "configure_logging", lambda *_, **__: None)

    def set(self, variable: str, value: str) -> None:
        self._monkeypatch.setenv(variable, value)

    def let_step(self, name: str, result: Result | Exception) -> list[Context]:
        """Put a step in the place of a real one, whose libraries and services do not matter here."""
        contexts = []

        def run(context: Context) -> Result:
            contexts.append(context)
            context.progress(0.4, "half-way")
            if isinstance(result, Exception):
                raise result
            return context.finish(name, result)

        module = ModuleType(name)
        module.run = run  # type: ignore[attr-defined]
        self._monkeypatch.setitem(sys.modules, f"regraft_pipeline.steps.{name}", module)
        return contexts

    def attempt(self, step: str) -> Attempt:
        found = get_model(self.store, layout.attempt("run-a", step), Attempt)
        assert found is not None
        return found


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    return Pod(tmp_path, monkeypatch)


DOWNLOADED = DownloadResult(data_sha256="ab", bytes=3, final_url="http://d/x.csv", message="3 bytes")


def test_a_step_that_is_done_says_go_on(pod: Pod) -> None:
    [contexts] = [pod.let_step("download", DOWNLOADED)]
    assert main("download") == 0
    assert pod.outcome.read_text() == "continue"
    assert contexts[0].request == REQUEST
    attempt = pod.attempt("download")
    assert (attempt.state, attempt.message, attempt.cause) == (StepState.SUCCEEDED, "3 bytes", None)
    assert attempt.pod
    assert attempt.started_at is not None
    assert attempt.finished_at is not None


def test_a_step_that_ends_the_run_says_how(pod: Pod) -> None:
    pod.let_step("validate", ValidateResult(accepted=False, end=RunState.REJECTED))
    assert main("validate") == 0
    assert pod.outcome.read_text() == "rejected"


@pytest.mark.parametrize(
    ("error", "code", "exit_code"),
    [
        (SourceError("404", code=Code.SOURCE_NOT_FOUND), "source_not_found", 1),
        (TemporaryError("busy"), "temporary", 75),
        (ZeroDivisionError("oh"), "internal_error", 1),
    ],
)
def test_a_step_that_fails_leaves_the_cause(pod: Pod, error: Exception, code: str, exit_code: int) -> None:
    pod.let_step("download", error)
    assert main("download") == exit_code
    assert not pod.outcome.exists()
    cause = pod.attempt("download").cause
    assert cause is not None
    assert (cause.code, cause.message) == (code, str(error))


@pytest.fixture
def heeded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(container, "_told_to_end", threading.Event())
    container.heed_signals()
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("is_caught", [False, True])
def test_a_step_that_is_told_to_end_has_not_failed(
    pod: Pod, heeded: None, monkeypatch: pytest.MonkeyPatch, is_caught: bool
) -> None:
    def run(_context: Context) -> Result:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit as error:
            if is_caught:
                raise ImportError("initialization failed") from error
            raise
        raise AssertionError("it goes on")

    module = ModuleType("train")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "regraft_pipeline.steps.train", module)
    with pytest.raises(SystemExit) as ended:
        main("train")
    assert ended.value.code == 128 + signal.SIGTERM
    assert pod.attempt("train").state == StepState.RUNNING


def test_a_step_that_left_its_result_before_it_was_killed_is_not_run_again(pod: Pod) -> None:
    put_model(pod.store, layout.step_result("run-a", "download"), DOWNLOADED)
    contexts = pod.let_step("download", RegraftError("never"))
    assert main("download") == 0
    assert not contexts
    assert pod.outcome.read_text() == "continue"


def test_progress_goes_to_argo(pod: Pod) -> None:
    pod.let_step("download", DOWNLOADED)
    main("download")
    assert pod.progress.read_text() == "40/100\n"


def test_the_record_is_written_whatever_happened(pod: Pod) -> None:
    pod.let_step("download", SourceError("gone", code=Code.SOURCE_NOT_FOUND))
    main("download")
    failed = [{"displayName": "download", "templateName": "download", "message": "Error (exit code 1)"}]
    pod.set(FAILURES_VARIABLE, json.dumps(json.dumps(failed)))
    assert main("record") == 0
    run = get_model(pod.store, layout.record("run-a"), Run)
    assert run is not None
    assert run.cause is not None
    assert (run.state, run.cause.code) == (RunState.FAILED, "source_not_found")


class TestPutBack:
    """After a deploy that has failed for good; what it does then is the deploy step's, which the courses play."""

    def begun(self, pod: Pod, cause: Cause | None = None) -> None:
        put_model(pod.store, layout.attempt("run-a", "deploy"), Attempt(name="deploy", cause=cause))

    def because(self, pod: Pod) -> Cause | None:
        asked = cancellation(pod.store, "run-a")
        assert asked is not None
        return asked.because

    def test_a_deploy_that_was_killed_is_begun_once_more_to_end(self, pod: Pod) -> None:
        self.begun(pod)
        contexts = pod.let_step("deploy", DeployResult(end=RunState.FAILED))
        assert [main("put-back"), main("put-back")] == [0, 0]
        assert [context.cancelled() for context in contexts] == [True]
        assert self.because(pod) == stopped("deploy")
        assert not pod.outcome.exists()

    def test_it_ends_with_what_it_failed_with(self, pod: Pod) -> None:
        self.begun(pod, Cause(code="mlflow_unreachable", message="nobody is there"))
        pod.let_step("deploy", DeployResult(end=RunState.FAILED))
        main("put-back")
        assert self.because(pod) == Cause(code="mlflow_unreachable", message="nobody is there")

    @pytest.mark.parametrize(("error", "exit_code"), [(TemporaryError("busy"), 75), (RegraftError("forbidden"), 1)])
    def test_what_cannot_be_put_back_is_in_the_record(self, pod: Pod, error: RegraftError, exit_code: int) -> None:
        self.begun(pod)
        pod.let_step("deploy", error)
        assert [main("put-back"), main("put-back")] == [exit_code] * 2
        main("record")
        run = get_model(pod.store, layout.record("run-a"), Run)
        assert run is not None
        assert run.cause is not None
        assert (run.state, run.cause.code) == (RunState.FAILED, "rollback_failed")
        assert run.cause.message == f"{stopped('deploy').message}; what served is not back: {error}"

    def test_where_no_deploy_has_begun_nothing_is_done(self, pod: Pod) -> None:
        contexts = pod.let_step("deploy", RegraftError("never"))
        assert main("put-back") == 0
        assert not contexts
        assert cancellation(pod.store, "run-a") is None


def test_the_request_comes_whole_through_the_environment() -> None:
    for wanted in (REQUEST, REQUEST.model_copy(update={"kind": "rollback", "data_url": None, "to_version": "3"})):
        variables = {REQUEST_PREFIX + field.upper(): value for field, value in parameters_of(wanted).items()}
        assert request_from(variables) == wanted


@pytest.mark.parametrize("text", ["null", '"null"', "[]", '[{"templateName": "run", "message": ""}]'])
def test_no_failures_are_none(text: str) -> None:
    assert failures_from({FAILURES_VARIABLE: text}) == {}
