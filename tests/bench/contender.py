"""A server of the bench: how it is started, asked, and measured."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

CONTENDERS = Path(__file__).parent / "contenders"

CLIENTS = 8
PACED_CLIENTS = 64
ROWS = (1, 100)
READY_SECONDS = 60.0
ALIKE = 0.8
"""Least correlation of the answers of two models of a kind."""
STOP_SECONDS = 20.0


class FailedError(Exception):
    """A server does not do here what it should."""


@dataclass
class Load:
    """What wrk saw in one round."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int

    @property
    def rate(self) -> float:
        """Requests answered a second."""
        return self.requests / self.seconds


@dataclass
class Contender:
    """A server, how it is asked, and what was measured of it."""

    name: str
    command: list[str]
    url: str
    bodies: dict[int, Any]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    answers: str = ""
    """Key under which the answers of the served model have to stand; none where it has another model."""
    expected: dict[int, list[Any]] = field(default_factory=dict)
    alike: bool = False
    """Whether the model is another one of the same kind, whose answers are alike and not the same."""
    home: Path | None = None
    starts: list[float] = field(default_factory=list)
    loads: dict[int, list[Load]] = field(default_factory=lambda: {rows: [] for rows in ROWS})
    paced: list[Load] = field(default_factory=list)
    half: list[Load] = field(default_factory=list)
    memory: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it has answered; note how long that took."""
        self.folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with (self.folder / "log").open("ab") as log:
            environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""} | self.environment
            self.process = subprocess.Popen(
                pinned(0, self.command), stdout=log, stderr=log, env=environment, process_group=0, cwd=self.home
            )
        while (refusal := self._refusal()) is not None:
            if (code := self.process.poll()) is not None:
                raise FailedError(f"it has ended with {code}:\n{self.end_of_log()}")
            if time.monotonic() - began > READY_SECONDS:
                raise FailedError(f"no good answer within {READY_SECONDS:.0f} s, but {refusal}:\n{self.end_of_log()}")
            time.sleep(0.02)
        self.starts.append(time.monotonic() - began)
        self._check()

    def stop(self) -> None:
        """End the server."""
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)  # some leave their workers behind
        self.process.wait()
        self.process = None

    def load(self, rows: int, seconds: float, *, rate: float = 0.0) -> Load:
        """Put the server under load: without pauses, or at a rate of requests that come at random moments."""
        clients = PACED_CLIENTS if rate else CLIENTS
        pause = 1000 * clients / rate if rate else 0
        body = self.folder / f"{rows}.json"
        body.write_text(json.dumps(self.bodies[rows]))
        command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"]
        command += ["--timeout", "30s", "--script", str(CONTENDERS / "load.lua"), self.url, "--", str(body), str(pause)]
        done = subprocess.run(pinned(1, command), capture_output=True, text=True, check=True)
        found = Load(**json.loads(done.stdout.splitlines()[-1]))
        if found.errors:
            raise FailedError(f"{self.name} failed {found.errors} requests:\n{self.end_of_log()}")
        return found

    def measure_memory(self) -> None:
        """Note the memory of the server and its children, shared pages counted once."""
        assert self.process is not None
        sizes = [_proportional(pid) for pid in _family(self.process.pid)]
        self.memory = max(self.memory, sum(sizes))

    def end_of_log(self) -> str:
        """Return the last lines that the server has written."""
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-20:])

    def rate(self, rows: int) -> float:
        """Return the median of the requests a second."""
        return statistics.median(load.rate for load in self.loads[rows])

    def _refusal(self) -> str | None:
        """Return what a request is told that is not answered well, None where it is."""
        try:
            answer = httpx.post(self.url, json=self.bodies[1], trust_env=False, timeout=10)
        except httpx.TransportError as error:
            return repr(error)
        return None if answer.is_success else f"{answer.status_code} {answer.text[:200]}"

    def _check(self) -> None:
        """Hold the answers to those of the model that is served by all."""
        for rows, right in self.expected.items():
            told = httpx.post(self.url, json=self.bodies[rows], trust_env=False, timeout=10).json()
            found = told
            for key in filter(None, self.answers.split(".")):
                found = found[int(key) if type(found) is list else key]
            answers = np.array(found, dtype=np.float64)
            if self.alike:
                good = rows == 1 or np.corrcoef(answers, np.array(right, dtype=np.float64))[0, 1] > ALIKE
            else:
                good = np.allclose(answers, right, rtol=1e-9, atol=1e-9)
            if not good:
                raise FailedError(f"{self.name} answers {str(told)[:200]}")


@contextmanager
def running(contender: Contender) -> Iterator[None]:
    """Have a contender running."""
    try:
        contender.start()
        yield
    finally:
        contender.stop()


def run(command: Sequence[str]) -> None:
    """Run a command. Ends with what it says where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FailedError(f"{' '.join(command)}: {done.stderr[-2000:]}")


def pinned(core: int, command: list[str]) -> list[str]:
    """Return the command bound to one core, where the machine has several and can."""
    if (os.cpu_count() or 1) > 1 and shutil.which("taskset"):
        return ["taskset", "--cpu-list", str(core), *command]
    return command


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def _proportional(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
