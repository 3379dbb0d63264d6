"""The embedded stack: MLflow, predictor, trigger service and worker as children of one process, in one folder.

A child that dies is started again. When this process ends, however it ends, so do they.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import httpx
from pydantic import BaseModel

from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.stores.objects import FileStore
from regraft_core.taskstate import read_state

HOST = "127.0.0.1"
OWN_PAGES = "http://localhost,http://localhost:*,http://127.0.0.1,http://127.0.0.1:*"
"""Origins of pages that this very machine serves: they may ask the predictor, unless a setting says otherwise."""

POLL_SECONDS = 0.1
FIRST_SECONDS = 180.0
"""How long the first versions of tasks are waited for, once the processes are ready."""

STOP_SECONDS = 8.0
"""How long a child may take to end when asked to."""

CHECKED_BYTES = 256 << 20
"""Size up to which a database is read through at the start, which takes about a second then."""

ASK_SECONDS = 0.5
MOST_DEATHS = 5
"""How often a process may die before the stack is said not to start."""

LONGEST_PAUSE = 10.0
STEADY_SECONDS = 30.0
"""A child that lived so long is started again at once."""

SHOWN_LOG_LINES = 15


class Ports(BaseModel):
    """Ports of a stack; 0 takes a free one."""

    trigger: int = 8000
    predict: int = 8080
    mlflow: int = 5000


class StackRecord(BaseModel):
    """What ``DIR/stack.json`` tells about the stack of a folder."""

    pid: int
    children: dict[str, int]
    trigger_url: str
    predict_url: str
    mlflow_url: str


@dataclass
class Child:
    """A process of the stack, and where it tells that it is well."""

    name: str
    arguments: list[str]
    health_url: str | None
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    deaths: int = 0
    start_after: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start the process, its output in its log file."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  (our own modules)
                # -P: nothing in the working folder is imported, whatever it is called.
                [sys.executable, "-P", "-m", "regraft_cli.embedded.child", str(os.getpid()), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,  # Ctrl-C reaches this process alone, which stops them in order
            )
        self.started_at = time.monotonic()

    def supervise(self) -> None:
        """Start the process again where it has died, later each time."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            lived = time.monotonic() - self.started_at
            self.deaths += 1
            self.failures = 1 if lived > STEADY_SECONDS else self.failures + 1
            self.start_after = time.monotonic() + min(0.25 * 2 ** min(self.failures, 10), LONGEST_PAUSE)
            self.process = None
        if time.monotonic() >= self.start_after:
            self.start()

    def stop(self) -> None:
        """Ask the process to end, and end it where it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stack:
    """All processes of one data folder. Start it with ``running``."""

    def __init__(self, folder: Path, ports: Ports, tasks: list[str]) -> None:
        self.folder = folder
        self.ports = Ports(
            trigger=_free(ports.trigger, "--port"),
            predict=_free(ports.predict, "--predict-port"),
            mlflow=_free(ports.mlflow, "--mlflow-port"),
        )
        self._fit_port = _free(0, "--port")
        self.tasks = tasks
        self.broken: dict[str, str] = {}
        self.late: list[str] = []
        self._store = FileStore(folder / "bucket")
        self._began = datetime.now(UTC)
        self.trigger_url = f"http://{HOST}:{self.ports.trigger}"
        self.predict_url = f"http://{HOST}:{self.ports.predict}"
        self.mlflow_url = f"http://{HOST}:{self.ports.mlflow}"
        environment = {"REGRAFT_CORS_ORIGINS": OWN_PAGES, **os.environ, **self._environment()}
        self.children = [
            Child(name, arguments, health, folder / "logs" / f"{name}.log", environment=environment)
            for name, arguments, health in self._commands()
        ]

    def start(self) -> None:
        """Start all processes; they are not ready yet when this returns."""
        (self.folder / "models").mkdir(parents=True, exist_ok=True)
        for name in ("regraft.db", "mlflow/mlflow.db"):
            _check_database(self.folder / name)
        self._store.sweep()
        for child in self.children:
            child.start()
        self._write_record()

    def supervise(self) -> None:
        """Start again what has died. To be called again and again."""
        before = self._pids()
        for child in self.children:
            child.supervise()
        if self._pids() != before:
            self._write_record()

    def wait_ready(self, watch: Callable[[dict[str, bool]], None]) -> None:
        """Return when everything answers and every task is served; ``watch`` sees what is ready and what is not.

        A process is waited for as long as it lives: how slow a machine is nobody knows. Raises RegraftError
        (``stack_not_ready``), with the last lines of the logs, where one dies again and again. A task that is broken
        is not waited for: ``broken`` says why. One whose first version takes over three minutes is made while the
        others serve: it is ``late``.
        """
        deadline: float | None = None
        with httpx.Client(timeout=2.0, trust_env=False) as http:
            processes = [child.name for child in self.children if child.health_url]
            ready = dict.fromkeys([*processes, *self.tasks], False)
            while not all(ready.values()):
                watch(ready)
                self.supervise()
                self._look_for_broken()
                if any(child.deaths >= MOST_DEATHS for child in self.children):
                    raise self._not_ready(ready)
                if deadline is None and all(ready[name] for name in processes):
                    deadline = time.monotonic() + FIRST_SECONDS
                if deadline is not None and time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)
                ready = {name: done or self._answers(http, name) or name in self.broken for name, done in ready.items()}
            self.late = [name for name, done in ready.items() if not done]
            watch(ready)

    def run(self) -> None:
        """Supervise for ever; ended by an exception, such as KeyboardInterrupt."""
        while True:
            self.supervise()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End all processes: first what accepts work, last what others need."""
        for child in reversed(self.children):
            child.stop()
        (self.folder / "stack.json").unlink(missing_ok=True)

    def _environment(self) -> dict[str, str]:
        return {
            "REGRAFT_BACKEND": "local",
            "REGRAFT_DEPLOYER": "local",
            "REGRAFT_STORE_URL": (self.folder / "bucket").as_uri(),
            "REGRAFT_DATABASE": str(self.folder / "regraft.db"),
            "REGRAFT_MODELS_DIR": str(self.folder / "models"),
            "REGRAFT_HOST": HOST,
            "REGRAFT_PORT": str(self.ports.trigger),
            "REGRAFT_TASKS": ",".join(self.tasks),
            # Whoever has chosen some tasks gets no others.
            "REGRAFT_WATCH_TASKS": str("REGRAFT_TASKS" not in os.environ).lower(),
            "REGRAFT_PREDICTOR_URL": self.predict_url,
            "REGRAFT_FIT_PORT": str(self._fit_port),
            "REGRAFT_FIT_URLS": f"http://{HOST}:{self._fit_port}",
            "REGRAFT_MLFLOW_TRACKING_URI": self.mlflow_url,
            "REGRAFT_MLFLOW_PUBLIC_URL": self.mlflow_url,
            "REGRAFT_PUBLIC_URL": self.trigger_url,
            "PYTHONSAFEPATH": "1",
            # The matrices are small: threads that wait for each other cost more than they help.
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        }

    def _commands(self) -> list[tuple[str, list[str], str | None]]:
        predictor = ["--models_dir", str(self.folder / "models"), "--host", HOST]
        mlflow = ["--folder", str(self.folder / "mlflow"), "--host", HOST]
        return [
            (
                "mlflow",
                ["regraft_cli.embedded.mlflow", *mlflow, "--port", str(self.ports.mlflow)],
                f"{self.mlflow_url}/health",
            ),
            (
                "predictor",
                ["regraft_inference.server", *predictor, "--http_port", str(self.ports.predict)],
                f"{self.predict_url}/",
            ),
            ("worker", ["regraft_cli.embedded.worker"], None),
            ("trigger", ["regraft_trigger"], f"{self.trigger_url}/ready"),
        ]

    def _answers(self, http: httpx.Client, name: str) -> bool:
        """Whether a process is well, or a task served. One whose bundle is refused is noted as broken."""
        url = next((child.health_url for child in self.children if child.name == name), None)
        try:
            response = http.get(url or f"{self.predict_url}/{name}/health")
            problem = {} if response.is_success else response.json()
        except (httpx.TransportError, ValueError):
            return False
        is_refused = response.status_code == 503 and problem.get("code") != Code.BUNDLE_NOT_LOADED
        if url is None and is_refused:
            self.broken[name] = f"{problem.get('detail')}"
        return response.is_success

    def _look_for_broken(self) -> None:
        """Take note of the tasks that cannot be loaded or bootstrapped: to wait on for them would not help."""
        for task in self.tasks:
            state = read_state(self._store, task)
            if state is not None and state.broken is not None and state.checked_at > self._began:
                self.broken[task] = state.broken.message

    def _not_ready(self, ready: dict[str, bool]) -> RegraftError:
        missing = ", ".join(name for name, done in ready.items() if not done)
        ends = "\n".join(f"--- {child.log}\n{_last_lines(child.log)}" for child in self.children)
        dead = ", ".join(child.name for child in self.children if child.deaths >= MOST_DEATHS)
        message = f"{dead} died {MOST_DEATHS} times; not ready: {missing}\n{ends}"
        return RegraftError(message, code=Code.STACK_NOT_READY)

    def _pids(self) -> dict[str, int]:
        return {child.name: child.process.pid for child in self.children if child.process is not None}

    def _write_record(self) -> None:
        record = StackRecord(
            pid=os.getpid(),
            children=self._pids(),
            trigger_url=self.trigger_url,
            predict_url=self.predict_url,
            mlflow_url=self.mlflow_url,
        )
        path = self.folder / "stack.json"
        new = path.with_suffix(".new")
        new.write_text(record.model_dump_json(indent=2) + "\n")
        new.replace(path)


@contextmanager
def running(folder: Path, ports: Ports, tasks: list[str]) -> Iterator[Stack]:
    """Start the stack of a folder, and stop it at the end.

    Raises RegraftError: ``stack_running`` where the folder has one already, ``port_in_use``.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stack.lock").open("w") as lock:
        if not _lock_patiently(lock):
            record = record_of(folder)
            where = f" at {record.trigger_url} (process {record.pid})" if record else ""
            raise RegraftError(f"the stack of {folder} is running already{where}", code=Code.STACK_RUNNING)
        stack = Stack(folder, ports, tasks)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def record_of(folder: Path) -> StackRecord | None:
    """Return where the running stack of a folder is, None where none runs."""
    path, lock_path = folder / "stack.json", folder / "stack.lock"
    if not path.exists() or not lock_path.exists():
        return None
    with lock_path.open("r") as lock:
        if _lock(lock, fcntl.LOCK_SH):  # several may ask at once, and nobody who starts is kept out by who asks
            return None  # nobody holds it: what the file tells is old
    return StackRecord.model_validate_json(path.read_bytes())


def _check_database(path: Path) -> None:
    """Raise RegraftError (``storage_unavailable``) for a database that is damaged or cannot be written.

    One over ``CHECKED_BYTES`` is not read through; that it is cut off, or no database, is seen of any.
    """
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=0)) as db:
        try:
            is_small = path.stat().st_size <= CHECKED_BYTES
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0] if is_small else "ok"
            db.execute("BEGIN IMMEDIATE")  # holds the first page against the file
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok" and "locked" not in found:  # a lock is waited for later
        message = f"{path}: {found}; put a copy of it back, or move it away to begin anew"
        raise RegraftError(message, code=Code.STORAGE_UNAVAILABLE)


def _lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_patiently(lock: IO[str]) -> bool:
    """Take the lock of a folder; whoever only asks for it holds it for a moment."""
    deadline = time.monotonic() + ASK_SECONDS
    while not _lock(lock, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS / 10)
    return True


def _free(port: int, option: str) -> int:
    """Return the port, or a free one for 0. Raises RegraftError (``port_in_use``)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise RegraftError(
                f"port {port} is in use by another program; choose one with {option} (0 takes a free one)",
                code=Code.PORT_IN_USE,
                port=port,
            ) from error
        chosen: int = probe.getsockname()[1]
        return chosen


def _last_lines(path: Path) -> str:
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-SHOWN_LOG_LINES:])
