"""What is done in a process of its own, with limits of time and memory: steps, and looking at tasks.

The processes are forks of one server that has the libraries of the steps loaded already. They end with whoever started
them, even where that is killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import structlog

from regraft_cli.embedded.lifeline import die_with_parent
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.logs import configure_logging, get_logger
from regraft_core.record import is_cancelled
from regraft_core.runs import RunRequest
from regraft_core.steps import STEPS
from regraft_core.stores.objects import open_store
from regraft_pipeline.runner import CancelledError
from regraft_pipeline.settings import PipelineSettings, WorkerSettings
from regraft_pipeline.steps import Progress, Result

LOOK_SECONDS = 0.1
"""How often it is looked at what a process takes."""

CANCEL_LOOK_SECONDS = 0.5
"""How often it is looked whether somebody wants the run to end."""

STOP_SECONDS = 2.0

PRELOADED = [
    *(f"regraft_pipeline.steps.{step}" for step in STEPS),
    *(f"regraft_pipeline.tasks.{task}" for task in ("passwords", "heart_disease", "files")),
    *(f"regraft_inference.estimators.{estimator}" for estimator in ("passwords", "sklearn", "tabular", "training")),
    "interpret.glassbox",
    "lightgbm",
    # What these load when they are first used, which is in each step:
    "pandera.accessors.pandas_accessor",
    "pandera.backends.pandas.builtin_checks",
    "pandera.backends.pandas.builtin_hypotheses",
    "pandera.backends.pandas.register",
    "pyarrow.pandas_compat",
]
"""Modules that steps need: the libraries behind them take a second and more to load, which each step would pay anew."""

_server = multiprocessing.get_context("forkserver")

log = get_logger(__name__)


@dataclass(frozen=True)
class Failed:
    """What a call in another process has raised."""

    code: str
    message: str
    temporary: bool

    def error(self) -> RegraftError:
        """Return the error to raise in this process."""
        error = (TemporaryError if self.temporary else RegraftError)(self.message)
        error.code = self.code
        return error


@dataclass(frozen=True)
class Told:
    """How far a call is."""

    share: float | None
    message: str


@dataclass(frozen=True)
class Watch:
    """What a call may take, in seconds and bytes; who hears how far it is; whether it is to be stopped."""

    seconds: float
    memory: int
    progress: Progress = lambda *_: None
    is_cancelled: Callable[[], bool] | None = None


def preload() -> None:
    """Have the server of the processes load what steps need, as soon as the first one is started."""
    _server.set_forkserver_preload(PRELOADED)


def perform(
    step: str, request: RunRequest, settings: PipelineSettings, /, *, progress: Progress, workdir: Path
) -> Result:
    """Run a step in a process of its own.

    Raises what the step raises, CancelledError, RegraftError (``step_timeout``, ``step_out_of_memory``), TemporaryError
    (``step_killed``) where something else killed it.
    """
    plan = STEPS[step]
    worker = settings if isinstance(settings, WorkerSettings) else WorkerSettings()
    call = _Call(_step, (step, request, settings, workdir))
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    # What serves may have to put back what served: it is not stopped, it looks for itself.
    heeds = None if plan.serves else lambda: is_cancelled(store, request.run_id)
    watch = Watch(worker.step_seconds or plan.limits.seconds, worker.step_memory_bytes, progress, heeds)
    result: Result = call.result(step, watch)
    return result


def apart[T](what: str, function: Callable[..., T], *arguments: Any, seconds: float) -> T:
    """Return what a function of a module returns that is called in a process of its own. Raises as ``perform``."""
    result: T = _Call(_plain, (function, arguments)).result(what, Watch(seconds, 2 << 30))
    return result


class _Call:
    """A function that is called in a process of its own."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._connection, theirs = _server.Pipe(duplex=False)
        self._process: ForkServerProcess = _server.Process(
            target=_main, args=(theirs, function, arguments), daemon=True
        )
        self._process.start()
        theirs.close()

    def result(self, what: str, watch: Watch) -> Any:
        """Return what the function returns, or raise what it raises or why it was stopped."""
        began = looked = time.monotonic()
        try:
            while True:
                for message in self._messages():
                    if isinstance(message, Told):
                        watch.progress(message.share, message.message)
                    elif isinstance(message, Failed):
                        raise message.error()
                    else:
                        return message
                now = time.monotonic()
                if now - began > watch.seconds:
                    raise RegraftError(f"{what} was stopped after {watch.seconds:g} s", code=Code.STEP_TIMEOUT)
                if (taken := resident(self._process.pid)) > watch.memory:
                    raise RegraftError(
                        f"{what} was stopped: it had taken {taken >> 20} MiB, {watch.memory >> 20} MiB are the limit "
                        "(REGRAFT_STEP_MEMORY_BYTES)",
                        code=Code.STEP_OUT_OF_MEMORY,
                    )
                if watch.is_cancelled and now - looked > CANCEL_LOOK_SECONDS:
                    looked = now
                    if watch.is_cancelled():
                        raise CancelledError
        finally:
            self._stop()

    def _messages(self) -> Iterator[Any]:
        """Yield what the process has sent. Raises TemporaryError (``step_killed``) where it is gone without a word."""
        wait([self._connection, self._process.sentinel], LOOK_SECONDS)
        try:
            while self._connection.poll():
                yield self._connection.recv()
        except EOFError:
            self._process.join(STOP_SECONDS)
            code = self._process.exitcode
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            raise TemporaryError(f"the process was killed ({how})", code=Code.STEP_KILLED) from None

    def _stop(self) -> None:
        self._process.kill()
        self._process.join(STOP_SECONDS)
        self._connection.close()


def _main(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Call a function and send what it returns or raises; the function gets what tells how far it is first."""
    _let_server_end()
    die_with_parent(os.getppid())

    def tell(share: float | None, message: str) -> None:
        with contextlib.suppress(OSError):
            connection.send(Told(share, message))

    try:
        answer = function(tell, *arguments)
    except RegraftError as error:
        answer = Failed(error.code, error.message, isinstance(error, TemporaryError))
    except MemoryError:
        answer = Failed(Code.STEP_OUT_OF_MEMORY, "there is no memory left", temporary=False)
    except (Exception, SystemExit) as error:
        log.exception("step failed")
        answer = Failed(Code.INTERNAL_ERROR, f"{type(error).__name__}: {error}", temporary=False)
    connection.send(answer)


def _let_server_end() -> None:
    """Give up the pipe that keeps the server alive, so that it ends with the worker, and this process with it."""
    alive: int | None = getattr(forkserver._forkserver, "_forkserver_alive_fd", None)  # noqa: SLF001
    if alive is not None:
        os.close(alive)


def _step(tell: Progress, step: str, request: RunRequest, settings: PipelineSettings, workdir: Path) -> Result:
    from regraft_pipeline.assembly import run_step  # noqa: PLC0415  (loaded in the server already)

    configure_logging(settings.log_level, human=settings.log_human)
    tempfile.tempdir = str(workdir)  # what a step leaves anywhere goes with its folder
    with structlog.contextvars.bound_contextvars(run_id=request.run_id, step=step):
        return run_step(step, request, settings, progress=tell, workdir=workdir)


def _plain(_: Progress, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return function(*arguments)


def resident(pid: int | None) -> int:
    """Return how much memory a process holds, in bytes; 0 where that cannot be known."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0 if Path("/proc/self/statm").exists() else _resident_by_ps(pid)


def _resident_by_ps(pid: int | None) -> int:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (a constant and a number)
    return int(answer.stdout.strip() or 0) << 10
