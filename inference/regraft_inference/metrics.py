"""What the predictor counts, for Prometheus. KServe's own histograms are in the same registry."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

from prometheus_client import REGISTRY, Counter, Gauge, Metric, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from regraft_inference.bundle import Bundle

LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets, seconds."""

BOUNDS = [*map(str, LATENCIES), "+Inf"]


class Requests(Collector):
    """Counts answered requests in plain numbers, which takes a fifth of what the library's own take.

    Only the event loop counts, and reads the counts.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._seconds: dict[tuple[str, str], float] = {}

    def count(self, route: str, task: str, status: int, seconds: float) -> None:
        """Count a request."""
        asked, key = (route, task, status), (route, task)
        if asked not in self._counts:
            self._counts[asked] = 0
            self._seconds.setdefault(key, 0.0)
            self._buckets.setdefault(key, [0] * len(BOUNDS))
        self._counts[asked] += 1
        self._seconds[key] += seconds
        self._buckets[key][bisect_left(LATENCIES, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Return the counts as Prometheus has them."""
        requests = CounterMetricFamily(
            "regraft_predictor_requests", "Requests by route, task and status", labels=["route", "task", "status"]
        )
        for (route, task, status), count in self._counts.items():
            requests.add_metric([route, task, str(status)], count)
        seconds = HistogramMetricFamily(
            "regraft_predictor_request_seconds", "Time to answer a request", labels=["route", "task"]
        )
        for key, buckets in self._buckets.items():
            seconds.add_metric(key, list(zip(BOUNDS, accumulate(buckets), strict=True)), self._seconds[key])
        return iter((requests, seconds))


_requests = Requests()
REGISTRY.register(_requests)
_rows = Counter("regraft_predictor_rows", "Rows predicted", ["task"])
_info = Gauge(
    "regraft_predictor_model_info", "1 for the version that serves", ["task", "version", "data_sha256", "run_id"]
)
_ready = Gauge("regraft_predictor_model_ready", "Whether a version serves", ["task"])
_loads = Counter("regraft_predictor_loads", "Bundles taken into service", ["task"])
_load_failures = Counter("regraft_predictor_load_failures", "Bundles that could not be served", ["task", "code"])

# Finding a child by its labels takes longer than counting with it.
_rows_of = cache(_rows.labels)


count_request = _requests.count


def count_rows(task: str, rows: int) -> None:
    """Count predicted rows."""
    _rows_of(task).inc(rows)


def set_not_ready(task: str) -> None:
    """Note that a task has no version yet."""
    _ready.labels(task).set(0)


def count_load(task: str, bundle: Bundle, before: Bundle | None) -> None:
    """Count a bundle that came into service, and note that it replaces the one before."""
    if before is not None:
        _info.remove(*_identity(task, before))
    _info.labels(*_identity(task, bundle)).set(1)
    _ready.labels(task).set(1)
    _loads.labels(task).inc()


def count_load_failure(task: str, code: str) -> None:
    """Count a bundle that was refused."""
    _load_failures.labels(task, code).inc()


def exposition() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    return generate_latest(REGISTRY)


def _identity(task: str, bundle: Bundle) -> tuple[str, str, str, str]:
    return task, bundle.version, bundle.sha256, bundle.info.run_id
