from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric

from regraft_inference.metrics import LATENCIES, Requests

SECONDS = [0.0, 0.0001, *LATENCIES, 0.00051, 0.3, 11.0, 100.0]


def samples(metrics: Iterable[Metric]) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
    """Return all samples but the moments when they began."""
    found = [(one.name, tuple(sorted(one.labels.items())), one.value) for metric in metrics for one in metric.samples]
    return sorted(one for one in found if not one[0].endswith("_created"))


def test_requests_are_told_as_the_library_tells_them() -> None:
    theirs, ours = CollectorRegistry(), Requests()
    requests = Counter("regraft_predictor_requests", "", ["route", "task", "status"], registry=theirs)
    times = Histogram("regraft_predictor_request_seconds", "", ["route", "task"], buckets=LATENCIES, registry=theirs)
    assert samples(ours.collect()) == samples(theirs.collect())
    for place, seconds in enumerate(SECONDS):
        route, task, status = "/predict", ("a", "b")[place % 2], (200, 400, 503)[place % 3]
        ours.count(route, task, status, seconds)
        requests.labels(route, task, status).inc()
        times.labels(route, task).observe(seconds)
    assert samples(ours.collect()) == samples(theirs.collect())
