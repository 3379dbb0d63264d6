"""What the service counts and times, for Prometheus."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regraft_core.runs import Run, RunState

RUN_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
REMEMBERED_RUNS = 1000

IN_SERVICE = (RunState.PROMOTED, RunState.UNCHANGED)
"""Ends of a run whose dataset is the one that serves."""


class Metrics:
    """All metrics of one service, in a registry of its own.

    What is counted by task begins at 0 for each of ``tasks``: Prometheus does not see the increase of a counter that
    appears with its first event.
    """

    def __init__(self, tasks: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.accepted = counter("regraft_runs_accepted", "Requests answered 202", ["task", "kind"])
        self.problems = counter("regraft_problems", "Requests answered with problem details", ["route", "code"])
        self.requests = histogram(
            "regraft_request_seconds",
            "Time from a request to the beginning of its answer",
            ["method", "route", "status"],
            buckets=REQUEST_BUCKETS,
        )
        self.open_runs = gauge("regraft_runs_open", "Runs that have not ended", ["task", "state"])
        self.oldest_open_run = gauge(
            "regraft_runs_oldest_open_seconds",
            "Time since the acceptance of the oldest run that has not ended",
            ["task"],
        )
        self.rejected_in_a_row = gauge(
            "regraft_runs_rejected_in_a_row", "Datasets rejected since the last one that came into service", ["task"]
        )
        self.ended_runs = counter(
            "regraft_runs_ended", "Runs that ended while this service looked on", ["task", "state"]
        )
        self.run_seconds = histogram(
            "regraft_run_seconds",
            "Time from the acceptance of a run to its end",
            ["task", "state"],
            buckets=RUN_BUCKETS,
        )
        self.step_seconds = histogram(
            "regraft_step_seconds", "Time a step of a run took", ["task", "step", "state"], buckets=RUN_BUCKETS
        )
        self.since_promotion = gauge(
            "regraft_seconds_since_promotion", "Time since a version of the task was last promoted", ["task"]
        )
        self.event_clients = gauge("regraft_event_clients", "Clients that listen to /events")
        self._open: dict[str, Run] = {}
        self._open_of: dict[str, dict[str, float]] = {}
        self._counts: Tally[tuple[str, str]] = Tally()
        self._ended: dict[str, None] = {}
        self._rejected: dict[str, set[str]] = {}
        self._served: dict[str, str] = {}
        for task in tasks:
            self.rejected_in_a_row.labels(task)
            for kind in ("train", "rollback"):
                self.accepted.labels(task, kind)
            for state in RunState:
                if state.ended:
                    self.ended_runs.labels(task, state)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def promoted(self, task: str, moment: float) -> None:
        """Note when (Unix time) a version of a task was promoted."""
        self.since_promotion.labels(task).set_function(_seconds_since(moment))

    def know(self, run: Run) -> None:
        """Take in a run from before this service started: it counts as open, but not as ended."""
        if run.state.ended:
            self._remember_end(run)
        else:
            self._set_open(run.run_id, run)

    def observe(self, run: Run) -> None:
        """Take in a change of a run. A run that ends is counted once, however often it changes after that."""
        if run.run_id in self._ended:
            return
        if run.state.ended:
            self._set_open(run.run_id, None)
            self._remember_end(run)
            self._count_end(run)
        else:
            self._set_open(run.run_id, run)

    def _remember_end(self, run: Run) -> None:
        self._ended[run.run_id] = None
        self._count_rejections(run)
        if len(self._ended) > REMEMBERED_RUNS:
            del self._ended[next(iter(self._ended))]

    def _set_open(self, run_id: str, run: Run | None) -> None:
        """Note where an open run is now, None where it has ended: as much work for ten thousand as for one."""
        before = self._open.pop(run_id, None)
        if before is not None:
            self._count_open(before, -1)
        if run is not None:
            self._open[run_id] = run
            self._count_open(run, 1)

    def _count_open(self, run: Run, change: int) -> None:
        of_task = self._open_of.setdefault(run.task, {})
        if change > 0:
            of_task[run.run_id] = run.accepted_at.timestamp()
        else:
            of_task.pop(run.run_id, None)
        key = (run.task, str(run.state))
        self._counts[key] += change
        if self._counts[key]:
            self.open_runs.labels(*key).set(self._counts[key])
        else:
            del self._counts[key]
            self.open_runs.remove(*key)
        if of_task:
            self.oldest_open_run.labels(run.task).set_function(lambda: _since_oldest(of_task))
        else:
            del self._open_of[run.task]
            with suppress(KeyError):
                self.oldest_open_run.remove(run.task)

    def _count_rejections(self, run: Run) -> None:
        """Count by the order of acceptance, in whatever order runs are heard of."""
        rejected = self._rejected.setdefault(run.task, set())
        if run.state is RunState.REJECTED:
            rejected.add(run.order)
        elif run.state in IN_SERVICE and run.kind != "rollback":
            self._served[run.task] = max(run.order, self._served.get(run.task, ""))
        rejected -= {order for order in rejected if order < self._served.get(run.task, "")}
        self.rejected_in_a_row.labels(run.task).set(len(rejected))

    def _count_end(self, run: Run) -> None:
        ended_at = run.finished_at or run.updated_at
        self.ended_runs.labels(run.task, run.state).inc()
        self.run_seconds.labels(run.task, run.state).observe((ended_at - run.accepted_at).total_seconds())
        for step in run.steps:
            if step.started_at and step.finished_at:
                seconds = (step.finished_at - step.started_at).total_seconds()
                self.step_seconds.labels(run.task, step.name, step.state).observe(seconds)
        if run.state is RunState.PROMOTED:
            self.promoted(run.task, ended_at.timestamp())


def _since_oldest(accepted: Mapping[str, float]) -> float:
    return time.time() - min(accepted.values(), default=time.time())


def _seconds_since(moment: float) -> Callable[[], float]:
    return lambda: time.time() - moment


class RequestTimer:
    """ASGI middleware that times every request until its answer begins, by the template of its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and time it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                labels = (_method(scope), route_of(scope), str(message["status"]))
                self.metrics.requests.labels(*labels).observe(time.perf_counter() - began)
            await send(message)

        await self.app(scope, receive, send_timed)


def route_of(scope: MutableMapping[str, Any]) -> str:
    """Return the template of the route that a request was led to, such as ``/runs/{run_id}``."""
    return getattr(scope.get("route"), "path", "none")


def _method(scope: Scope) -> str:
    known = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE")
    return scope["method"] if scope["method"] in known else "other"
