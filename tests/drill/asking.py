"""Clients that ask the predictors without a pause, and what became of their requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.checker import datasets
from tests.checker.client import PASSWORDS, CheckError, Service

KNOWN_SECONDS = 3.0
"""How long requests may still be led to a pod that was killed without any grace: until all proxies have heard of it."""

PAUSE = 0.02


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
    """When it was asked to kill a predictor, and when that was done."""
    answered: int = 0
    failures: list[Failure] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask until the block is left: for each task a client that keeps its connection, and one that does not."""
        clients = [(task, keep_alive) for task in self.tasks for keep_alive in (True, False)]
        threads = [threading.Thread(target=self._ask, args=client) for client in clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def at_a_kill(self) -> list[Failure]:
        """Return those that failed because a predictor was killed: in flight at it, or led to it right after."""
        return [failure for failure in self.failures if self._is_at_a_kill(failure)]

    def others(self) -> list[Failure]:
        """Return those that failed although no predictor was killed: there may be none."""
        return [failure for failure in self.failures if not self._is_at_a_kill(failure)]

    def _is_at_a_kill(self, failure: Failure) -> bool:
        return any(failure.began <= done + KNOWN_SECONDS and failure.ended >= asked for asked, done in self.kills)

    def _ask(self, task: str, keep_alive: bool) -> None:
        rows = datasets.unseen("good" if task == PASSWORDS else "heart_good", 1, 4).columns
        with Service(*self.urls, keep_alive=keep_alive) as service:
            while not self._stopping.is_set():
                self._ask_once(service, task, rows)
                time.sleep(PAUSE)

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
