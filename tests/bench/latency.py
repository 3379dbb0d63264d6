"""How long it takes from a trigger to answers by the new version: ``python -m tests.bench.latency``.

Starts the embedded stack, posts datasets of 1000 rows one after the other, tells where the seconds go; then versions
change under load (``hot_swap``). Puts the table into docs/speed.md.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.bench import page
from tests.bench.hot_swap import swap_under_load
from tests.bench.material import passwords
from tests.checker import datasets
from tests.checker.client import Service
from tests.checker.stack import Stack

FIRST_SEED = 1000
MOST_SECONDS = 3.0
SHARE = 0.5
WORK = ("validate", "train", "deploy")
"""Steps that train and prove: the gates train and try a model, the last step proves it in service."""

TIMEOUT = 300.0
PAUSE = 0.005


@dataclass(frozen=True)
class Trip:
    """One dataset's way from the trigger into service, seconds."""

    accepted: float
    served: float
    steps: dict[str, float]


def main() -> int:
    """Measure, print, write down. The exit code is 0 only if all that was aimed at is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder, datasets.serving() as server:
        base_url = f"http://127.0.0.1:{server.port}"
        stack = Stack(Path(folder))
        try:
            stack.start().wait_ready()
            with Service(stack.trigger_url, stack.predict_url) as service:
                travel(service, base_url, FIRST_SEED - 1)  # the first one warms up
                trips = [travel(service, base_url, FIRST_SEED + number) for number in range(options.runs)]
                load, versions = swap_under_load(service, base_url, seed=1, clients=8, promotions=3)
        finally:
            stack.stop()
    mixed = [version for version, answers in load.versions.items() if len(answers) != 1]
    text = (
        f"{trips_table(trips)}\n\nUnder load, {len(versions)} promotions: {load.requests:,} requests of 8 clients, "
        f"{len(load.failures)} failed, {len(mixed)} versions gave mixed answers; the slowest request took "
        f"{load.slowest * 1000:.0f} ms.\n"
    )
    print(text)
    if not options.no_page:
        page.put(Path(__file__).parents[2] / "docs" / "speed.md", "latency", text)
    total = statistics.median(trip.served for trip in trips)
    return 0 if total < MOST_SECONDS and share_of_work(trips) > SHARE and not load.failures and not mixed else 1


def travel(service: Service, base_url: str, seed: int) -> Trip:
    """Post a dataset and wait until the predictor answers with what was trained on it."""
    sha256 = hashlib.sha256(datasets.MAKERS["good"](seed)).hexdigest()
    began = time.monotonic()
    run = service.trigger(f"{base_url}/good.csv?seed={seed}")
    accepted = time.monotonic() - began
    wait_for(service.predict_url, "regraft-data-sha256", sha256)
    served = time.monotonic() - began
    service.wait(run, timeout=TIMEOUT)
    return Trip(accepted, served, step_seconds(service.run(run)))


def wait_for(url: str, header: str, value: str) -> None:
    """Ask for predictions until the answer's header has a value. Raises TimeoutError."""
    body = {"Password": passwords(1)}
    deadline = time.monotonic() + TIMEOUT
    with httpx.Client(timeout=10, trust_env=False) as client:
        while client.post(url, json=body).headers.get(header) != value:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} does not answer with {header}: {value}")
            time.sleep(PAUSE)


def step_seconds(run: dict[str, Any]) -> dict[str, float]:
    """Return how long each step of a run took."""
    return {
        step["name"]: (
            datetime.fromisoformat(step["finished_at"]) - datetime.fromisoformat(step["started_at"])
        ).total_seconds()
        for step in run["steps"]
        if step["finished_at"] and step["started_at"]
    }


def share_of_work(trips: Sequence[Trip]) -> float:
    """Return the share of the time that went into training and proving, median."""
    return statistics.median(sum(trip.steps[name] for name in WORK) / trip.served for trip in trips)


def trips_table(trips: Sequence[Trip]) -> str:
    """Return where the seconds go, as a table of Markdown."""
    lines = ["| embedded, 1000 rows | median, s | least | most |", "|---|---:|---:|---:|"]
    rows: dict[str, list[float]] = {
        "trigger answers": [trip.accepted for trip in trips],
        **{f"step {name}": [trip.steps[name] for trip in trips] for name in trips[0].steps},
        "**trigger to the new version's answers**": [trip.served for trip in trips],
    }
    for name, seconds in rows.items():
        lines.append(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} |")
    lines.append(f"| training and proving (the steps {', '.join(WORK)}) | {share_of_work(trips):.0%} of it | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
