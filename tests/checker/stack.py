"""The embedded stack as a process of its own: ``regraft up`` on a folder and three ports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx

from tests.checker.client import HEART_DISEASE, PASSWORDS

TASKS = (PASSWORDS, HEART_DISEASE)
DEFAULT_PORTS = (8000, 8080, 5000)

SHOWN_CHARACTERS = 4000
"""How much of the log is shown where the stack does not come up."""


class StackError(Exception):
    """The stack did not come up; the log says why."""


class Stack:
    """Trigger service, predictor, MLflow and worker, all of one folder, on 127.0.0.1."""

    def __init__(
        self,
        folder: Path,
        *,
        ports: tuple[int, int, int] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.log = folder / "up.log"
        self.trigger_port, self.predict_port, self.mlflow_port = ports or free_ports()
        self._environment = {"REGRAFT_ALLOW_PRIVATE_HOSTS": "127.0.0.1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def trigger_url(self) -> str:
        """Where datasets are posted."""
        return f"http://127.0.0.1:{self.trigger_port}/trigger"

    @property
    def predict_url(self) -> str:
        """Where passwords are predicted."""
        return f"http://127.0.0.1:{self.predict_port}/predict"

    @property
    def addresses(self) -> dict[str, str]:
        """What a person opens, by what it is."""
        return {
            "trigger service": f"http://127.0.0.1:{self.trigger_port}",
            "predictor": f"http://127.0.0.1:{self.predict_port}",
            "MLflow": f"http://127.0.0.1:{self.mlflow_port}",
        }

    def start(self) -> Self:
        """Start the processes; they are not ready yet when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            *(str(Path(sys.executable).with_name("regraft")), "up", "--data", str(self.folder)),
            *("--port", str(self.trigger_port), "--predict-port", str(self.predict_port)),
            *("--mlflow-port", str(self.mlflow_port)),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self._environment,
                start_new_session=True,
            )
        return self

    def wait_ready(self, *, timeout: float = 300, watch: Callable[[set[str]], None] = lambda waiting: None) -> None:
        """Return when all parts are ready and every task is served; ``watch`` sees the names of what is not yet."""
        waiting = {
            "trigger service": f"http://127.0.0.1:{self.trigger_port}/ready",
            "MLflow": f"http://127.0.0.1:{self.mlflow_port}/health",
            **{f"{task} model": f"http://127.0.0.1:{self.predict_port}/{task}/schema" for task in TASKS},
        }
        deadline = time.monotonic() + timeout
        with httpx.Client(timeout=5, trust_env=False) as client:
            while waiting:
                watch(set(waiting))
                self._check_runs(waiting, deadline)
                waiting = {name: url for name, url in waiting.items() if not _is_ok(client, url)}
                time.sleep(0.1)

    def _check_runs(self, waiting: Mapping[str, str], deadline: float) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            end = self.log.read_text(errors="replace")[-SHOWN_CHARACTERS:].strip()
            raise StackError(f"regraft up ended with {self._process.returncode}: {end}")
        if time.monotonic() > deadline:
            raise StackError(f"not ready in time: {', '.join(waiting)}; see {self.log}")

    def stop(self, *, timeout: float = 40) -> None:
        """Ask the stack to end, and end what is left of it after the timeout."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End all processes of the stack at once, without asking."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def free_ports() -> tuple[int, int, int]:
    """Return three ports that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        first, second, third = (int(bound.getsockname()[1]) for bound in sockets)
    return first, second, third


def default_or_free_ports() -> tuple[int, int, int]:
    """Return the ports of ``regraft up`` where all are free, else others."""
    with ExitStack() as stack:
        try:
            for port in DEFAULT_PORTS:
                probe = stack.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do not count
                probe.bind(("127.0.0.1", port))
        except OSError:
            return free_ports()
    return DEFAULT_PORTS


def _is_ok(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False
