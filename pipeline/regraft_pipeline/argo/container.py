"""The entry of a step's container: ``python -m regraft_pipeline.argo.container STEP``.

The run's request comes in the environment. How the step went is told to the workflow by a file with the outcome and by
the exit code, and to the record of the run by an object in the store.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.logs import configure_logging, get_logger
from regraft_core.record import cancel, cancellation, compose, keep, left_open, stopped
from regraft_core.results import Attempt, Result
from regraft_core.runs import Cause, RunRequest, StepState, now
from regraft_core.steps import SERVING_STEP, STEPS
from regraft_core.stores.objects import get_model, open_store, put_model
from regraft_core.workflows import (
    FAILURES_VARIABLE,
    OUTCOME_FILE,
    PARAMETERS,
    PUT_BACK,
    RECORD,
    REQUEST_PREFIX,
    request_of,
)
from regraft_pipeline.settings import PipelineSettings

PROGRESS_VARIABLE = "ARGO_PROGRESS_FILE"
"""Environment variable in which Argo names the file that it reads progress from."""

TERMINATED = 128 + signal.SIGTERM
"""Exit code of a process that was told to end, as shells have it."""

log = get_logger(__name__)
_told_to_end = threading.Event()


def main(step: str) -> int:
    """Run a step, or what comes after all steps, and return the exit code: 75 where trying again makes sense."""
    settings = PipelineSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    request = request_from(os.environ)
    structlog.contextvars.bind_contextvars(run_id=request.run_id, step=step)
    try:
        if step == RECORD:
            record(request, settings, failures_from(os.environ))
        elif step == PUT_BACK:
            put_back(request, settings)
        else:
            outcome = run_step(step, request, settings)
            Path(OUTCOME_FILE).write_text(outcome)
    except RegraftError as error:
        log.error("step failed", code=error.code, reason=error.message, exc_info=error)  # noqa: TRY400  (says more)
        return error.exit_code
    except Exception:
        log.exception("step failed")
        return 1
    return 0


def run_step(step: str, request: RunRequest, settings: PipelineSettings) -> str:
    """Run a step unless it left its result before, and return its outcome. Raises what the step raises."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    attempt = Attempt(name=step, state=StepState.RUNNING, started_at=now(), pod=platform.node())

    def tell() -> None:
        put_model(store, layout.attempt(request.run_id, step), attempt)

    tell()
    try:
        result = get_model(store, layout.step_result(request.run_id, step), STEPS[step].result)
        if result is None:
            result = _perform(step, request, settings)
    except Exception as error:
        code = error.code if isinstance(error, RegraftError) else Code.INTERNAL_ERROR
        attempt.cause = Cause(code=code, message=str(error))
        attempt.state, attempt.finished_at = StepState.FAILED, now()
        tell()
        raise
    attempt.state, attempt.finished_at, attempt.message = StepState.SUCCEEDED, now(), result.message
    tell()
    log.info("step finished", end=result.end, message=result.message)
    return result.outcome


def put_back(request: RunRequest, settings: PipelineSettings) -> None:
    """Begin a deploy that has failed for good, or was killed, once more, so that it puts back what served.

    It may be killed and begun again like any step, and does nothing where the deploy has ended, or never began.
    """
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    attempt = left_open(store, request.run_id)
    if attempt is None:
        return
    cancel(store, request.run_id, attempt.cause or stopped(SERVING_STEP))
    try:
        result = _perform(SERVING_STEP, request, settings)
    except Exception as error:
        asked = cancellation(store, request.run_id)
        before = asked.because.message if asked and asked.because else "the run was to end"
        attempt.state, attempt.finished_at = StepState.FAILED, now()
        attempt.cause = Cause(code=Code.ROLLBACK_FAILED, message=f"{before}; what served is not back: {error}")
        put_model(store, layout.attempt(request.run_id, SERVING_STEP), attempt)
        raise
    log.info("deploy ended", end=result.end, message=result.message)


def record(request: RunRequest, settings: PipelineSettings, failures: Mapping[str, str]) -> None:
    """Write the record of the run: the last thing of every workflow, however it ended."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    run = keep(store, compose(store, request, failures))
    log.info("run ended", state=run.state, cause=run.cause and run.cause.message, version=run.version)


def _perform(step: str, request: RunRequest, settings: PipelineSettings) -> Result:
    from regraft_pipeline import assembly  # noqa: PLC0415  (the record needs none of it)

    with _ending(), tempfile.TemporaryDirectory() as workdir:
        return assembly.run_step(step, request, settings, progress=report_progress, workdir=Path(workdir))


def heed_signals() -> None:
    """End on SIGTERM by an exception, so that a deploy can put back."""

    def end(*_: object) -> None:
        _told_to_end.set()
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, end)


@contextmanager
def _ending() -> Iterator[None]:
    """Let who was told to end do so, whatever a library makes of the exception.

    Raised while an extension in C++ is imported, it comes out as an ImportError: the step would seem to have failed.
    """
    try:
        yield
    except Exception as error:
        if _told_to_end.is_set():
            raise SystemExit(TERMINATED) from error
        raise


def request_from(environment: Mapping[str, str]) -> RunRequest:
    """Return the request that the variables stand for."""
    return request_of({field: environment.get(REQUEST_PREFIX + field.upper(), "") for field in PARAMETERS})


def failures_from(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the messages of failed steps by the step's name. Argo quotes its JSON once more, and may say null."""
    nodes = json.loads(environment.get(FAILURES_VARIABLE, "null"))
    if isinstance(nodes, str):
        nodes = json.loads(nodes)
    return {node["templateName"]: node["message"] for node in nodes or () if node["message"]}


def report_progress(share: float | None, message: str) -> None:
    """Tell Argo how far the step is, and the log what it is doing."""
    log.debug("progress", share=share, message=message)
    if share is not None and (path := os.environ.get(PROGRESS_VARIABLE)):
        Path(path).write_text(f"{round(share * 100)}/100\n")


if __name__ == "__main__":
    heed_signals()
    sys.exit(main(sys.argv[1]))
