"""Clients that ask the predictors without a pause, and what became of their requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from tests.checker import datasets
from tests.checker.client import PASSWORDS, CheckError, Service
from tests.checker.threads import going_on

KNOWN_SECONDS = 3.0
"""How long it may take until all proxies have heard that the cluster leads no requests to a killed pod any more."""


@dataclass(frozen=True)
class Failure:
    """A prediction that failed."""

    task: str
    began: float
    ended: float
    said: str


@dataclass
class Asking:
    """Clients of the predictors of some tasks. Moments are those of ``time.monotonic``."""

    urls: tuple[str, str]
    tasks: Sequence[str]
    kills: list[tuple[float, float]] = field(default_factory=list)
    """When it was asked to kill a predictor, and when no Service named it any more."""
    clients: int = 2
    """Of each task: the one half keep their connection, the other half open one a request."""
    pause: float = 0.02
    """Seconds between an answer and the next request of a client."""
    answered: int = 0
    failures: list[Failure] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def running(self) -> AbstractContextManager[None]:
        """Ask until the block is left."""
        clients = [(task, number % 2 == 0) for task in self.tasks for number in range(self.clients)]
        return going_on([partial(self._ask, *client) for client in clients])

    @contextmanager
    def killing(self) -> Iterator[None]:
        """Kill a predictor in the block, and wait until it is forgotten: what fails then is counted apart."""
        asked = time.monotonic()
        yield
        self.kills.append((asked, time.monotonic()))

    def at_a_kill(self) -> list[Failure]:
        """Return those that failed because a predictor was killed: in flight at it, or led to it right after."""
        return [failure for failure in self.failures if self._is_at_a_kill(failure)]

    def others(self) -> list[Failure]:
        """Return those that failed although no predictor was killed: there may be none."""
        return [failure for failure in self.failures if not self._is_at_a_kill(failure)]

    def said(self) -> str:
        """Return what others() says, how long after the last kill, once for each way to fail."""
        ways: dict[str, list[float]] = {}
        for one in self.others():
            since = min((one.began - done for _, done in self.kills if done < one.began), default=0.0)
            ways.setdefault(one.said, []).append(since)
        return "\n".join(
            f"{len(after)} x {said}, {min(after):.1f} to {max(after):.1f} s after a kill"
            for said, after in ways.items()
        )

    def _is_at_a_kill(self, failure: Failure) -> bool:
        return any(failure.began <= done + KNOWN_SECONDS and failure.ended >= asked for asked, done in self.kills)

    def _ask(self, task: str, keep_alive: bool, stopping: threading.Event) -> None:
        rows = datasets.unseen("good" if task == PASSWORDS else "heart_good", 1, 4).columns
        with Service(*self.urls, keep_alive=keep_alive) as service:
            while not stopping.is_set():
                self._ask_once(service, task, rows)
                time.sleep(self.pause)

    def _ask_once(self, service: Service, task: str, rows: dict[str, list[Any]]) -> None:
        began = time.monotonic()
        try:
            service.predict(task, rows)
        except (CheckError, httpx.HTTPError) as error:
            failure = Failure(task, began, time.monotonic(), f"{type(error).__name__}: {error}"[:300])
            with self._lock:
                self.failures.append(failure)
        else:
            with self._lock:
                self.answered += 1
