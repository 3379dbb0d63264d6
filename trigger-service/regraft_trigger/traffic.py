"""How much the predictors are asked: what their metrics tell, over the last minutes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

SCRAPE_SECONDS = 5.0
"""How often the predictors' metrics are read."""

WINDOW_SECONDS = 300.0
"""How far back requests are counted."""

BARS = 30
"""Into how many parts the window is cut to be drawn."""

_REQUESTS = "regraft_predictor_requests_total"
_STARTED = "process_start_time_seconds"
_PREDICTIONS = ("predict", "invocations", "infer")
"""How the names of the routes end that predict."""


class Traffic(BaseModel):
    """What a task was asked within the last minutes."""

    per_second: float
    refused: int
    """Requests that broke the contract: 4xx."""

    failed: int
    """Requests that the predictor could not answer: 5xx."""

    seconds: float
    """How long it has been counted, at most ``WINDOW_SECONDS``."""

    bars: list[float]
    """Requests in each part of the window, the oldest first, as shares of the largest."""


@dataclass(frozen=True)
class Counts:
    """Requests by how they were answered."""

    all: float = 0
    refused: float = 0
    failed: float = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.all + other.all, self.refused + other.refused, self.failed + other.failed)

    def since(self, before: Counts) -> Counts:
        """Return what has come since; a counter that went back has begun anew."""
        if self.all < before.all:
            return self
        return Counts(self.all - before.all, self.refused - before.refused, self.failed - before.failed)


@dataclass
class Tally:
    """What the predictors at one address have been asked; behind it there may be several replicas."""

    began: float | None = None
    seen: float = 0.0
    last: dict[float, dict[str, Counts]] = field(default_factory=dict)
    """By the moment at which a replica started, which tells them apart, and by task."""

    heard: dict[float, float] = field(default_factory=dict)
    """When a replica was last heard of."""

    increments: deque[tuple[float, dict[str, Counts]]] = field(default_factory=deque)

    def take(self, moment: float, text: str) -> None:
        """Take in what a replica's metrics say at a moment."""
        started, counts = read_counts(text)
        if (before := self.last.get(started)) is not None:
            self.increments.append((moment, {t: c.since(before.get(t, Counts())) for t, c in counts.items()}))
        self.last[started], self.heard[started] = counts, moment
        for gone in [one for one, at in self.heard.items() if at <= moment - WINDOW_SECONDS]:
            del self.last[gone], self.heard[gone]  # a pod that is no more, of which there may be any number
        self.began = moment if self.began is None else self.began
        self.seen = moment
        while self.increments and self.increments[0][0] <= moment - WINDOW_SECONDS:
            self.increments.popleft()

    def traffic(self, task: str, moment: float) -> Traffic | None:
        """Return what a task was asked, None where its predictor has not told lately."""
        if self.began is None or moment - self.seen > 4 * SCRAPE_SECONDS:
            return None
        seconds = min(max(self.seen - self.began, SCRAPE_SECONDS), WINDOW_SECONDS)
        total, bars = Counts(), [0.0] * BARS
        for at, counts in self.increments:
            share = counts.get(task, Counts())
            total += share
            place = int((at - (self.seen - WINDOW_SECONDS)) / WINDOW_SECONDS * BARS)
            bars[min(max(place, 0), BARS - 1)] += share.all
        largest = max(bars) or 1.0
        return Traffic(
            per_second=total.all / seconds,
            refused=round(total.refused),
            failed=round(total.failed),
            seconds=seconds,
            bars=[round(bar / largest, 3) for bar in bars],
        )


def read_counts(text: str) -> tuple[float, dict[str, Counts]]:
    """Return when the process of these metrics started, and its predictions by task."""
    lines = (line for line in text.splitlines() if line.startswith((_REQUESTS, _STARTED)))
    started, counts = 0.0, dict[str, Counts]()
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            if sample.name == _STARTED:
                started = sample.value
            elif sample.name == _REQUESTS and sample.labels["route"].endswith(_PREDICTIONS):
                task, status = sample.labels["task"], sample.labels["status"]
                refused = sample.value if status.startswith("4") else 0
                failed = sample.value if status.startswith("5") else 0
                counts[task] = counts.get(task, Counts()) + Counts(sample.value, refused, failed)
    return started, counts
