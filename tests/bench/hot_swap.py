"""Clients ask the predictor without a pause while versions change: no request may fail, and none may mix versions.

``python -m tests.bench.hot_swap --trigger URL --predict URL`` does it for a minute against any installation.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

import httpx

from tests.checker import datasets
from tests.checker.client import PASSWORDS, CheckError, Prediction, Service
from tests.checker.threads import going_on

ROWS = 20


@dataclass
class Load:
    """What clients have been answered: how often each prediction came, and what went wrong."""

    service_urls: tuple[str, str]
    columns: dict[str, list[str]]
    pause: float = 0.0
    """Seconds between an answer and the next request of a client, which leave processors to what is looked at."""
    answers: Counter[tuple[str, str, tuple[float, ...]]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self.answers.total() + len(self.failures)

    @property
    def versions(self) -> dict[str, set[tuple[float, ...]]]:
        """All different answers of each version that an answer named."""
        seen: dict[str, set[tuple[float, ...]]] = {}
        for version, _, values in self.answers:
            seen.setdefault(version, set()).add(values)
        return seen

    def running(self, clients: int) -> AbstractContextManager[None]:
        """Let clients ask until the block is left. Half of them keep their connections, half open one a request."""
        return going_on([partial(self._ask, number % 2 == 0) for number in range(clients)])

    def _ask(self, keep_alive: bool, stopping: threading.Event) -> None:
        with Service(*self.service_urls, keep_alive=keep_alive) as service:
            while not stopping.is_set():
                started = time.monotonic()
                try:
                    result: Prediction | str = service.predict(PASSWORDS, self.columns)
                except (CheckError, httpx.HTTPError) as error:
                    result = f"{type(error).__name__}: {error}"
                self._record(result, time.monotonic() - started)
                time.sleep(self.pause)

    def _record(self, result: Prediction | str, seconds: float) -> None:
        with self._lock:
            self.slowest = max(self.slowest, seconds)
            if isinstance(result, str):
                self.failures.append(result)
            else:
                self.answers[result.version, result.data_sha256, tuple(result.values)] += 1


def swap_under_load(
    service: Service,
    base_url: str,
    *,
    seed: int,
    clients: int,
    promotions: int,
    seconds: float = 0.0,
    pause: float = 0.0,
) -> tuple[Load, list[str]]:
    """Promote datasets one after the other under load, for at least so many seconds.

    Returns the load and the versions promoted. Raises CheckError where a good dataset is not promoted.
    """
    seeds = range(seed, seed + promotions)
    # Of the alphabets of all these datasets, so that each version answers otherwise.
    passwords = [password for each in seeds for password in datasets.unseen("good", each, ROWS).columns["Password"]]
    load = Load((service.trigger_url, service.predict_url), {"Password": passwords}, pause)
    versions = []
    started = time.monotonic()
    with load.running(clients):
        for number, each in enumerate(seeds, start=1):
            run = service.wait(service.trigger(f"{base_url}/good.csv?seed={each}"), timeout=300)
            if run.state != "promoted" or run.version is None:
                raise CheckError(f"{run.run_id} ended {run.state}: {run.message}")
            versions.append(run.version)
            time.sleep(max(0.2, started + seconds * number / promotions - time.monotonic()))
    return load, versions


def main() -> int:
    """Put a service under load; the exit code is 0 only if no request failed and no answer was mixed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hot_swap", description=__doc__)
    parser.add_argument("--trigger", required=True, metavar="URL")
    parser.add_argument("--predict", required=True, metavar="URL")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--promotions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--data", metavar="URL", help="where tests.checker.datasets serves already; default: serve them from here"
    )
    arguments = parser.parse_args()
    with datasets.serving() as server, Service(arguments.trigger, arguments.predict) as service:
        load, versions = swap_under_load(
            service,
            arguments.data or f"http://127.0.0.1:{server.port}",
            seed=secrets.randbelow(1_000_000),
            clients=arguments.clients,
            promotions=arguments.promotions,
            seconds=arguments.seconds,
        )
    mixed = [version for version, answers in load.versions.items() if len(answers) != 1]
    print(f"{load.requests} requests, {len(load.failures)} failed, slowest {load.slowest * 1000:.0f} ms")
    print(f"promoted {', '.join(versions)}; answered {', '.join(load.versions)}; mixed {', '.join(mixed) or 'none'}")
    for failure, count in Counter(load.failures).most_common(5):
        print(f"  {count} x {failure}")
    return 1 if load.failures or mixed else 0


if __name__ == "__main__":
    sys.exit(main())
