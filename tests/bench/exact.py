"""Are the counts exact? ``python -m tests.bench.exact``: a million requests to two predictors, over a new version.

The load generator counts by itself what it has sent and what was answered, by the version that the answer names. What
the two processes tell, added up, has to be the very same: rows, requests, every bin of every column and of the answers,
and every refusal. The exit code is 0 only then.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from regraft_core.fit.counts import Counted, Counts, Known, Refused, Told, total
from regraft_inference.bundle import version_json
from regraft_pipeline.data.profile import Tally, count, tallies_of
from regraft_pipeline.gates import judge
from regraft_pipeline.steps import train
from regraft_pipeline.tasks import heart_disease
from tests.bench.contender import Contender, running
from tests.checker.stack import free_ports

TASK = heart_disease.TASK
FRAME = heart_disease.generate(5, 200)
PREDICTORS = 2
CONNECTIONS = 4
"""To each predictor."""


@dataclass(frozen=True)
class Request:
    """What is sent; one that is refused has a word for an age."""

    rows: pd.DataFrame
    refused: bool

    @property
    def columns(self) -> dict[str, list[Any]]:
        """Return the body."""
        found = {column.name: self.rows[column.name].tolist() for column in TASK.contract.features}
        return found | {"age": ["old"] * len(self.rows)} if self.refused else found


REQUESTS = [Request(FRAME.iloc[first : first + 1 + first % 3], first % 8 == 5) for first in range(0, 190, 3)]


@dataclass
class Load:
    """What was answered: how often, by version and request, and what."""

    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    answers: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, port: int, numbers: Iterator[int]) -> None:
        """Send requests on one connection, as long as there are any."""
        connection = HTTPConnection("127.0.0.1", port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bodies = [json.dumps(request.columns) for request in REQUESTS]
        seen: Counter[tuple[str, int]] = Counter()
        for number in numbers:
            place = number % len(REQUESTS)
            connection.request("POST", f"/{TASK.name}/predict", bodies[place])
            response = connection.getresponse()
            key = (response.headers["Regraft-Model-Version"], place)
            self._check(key, response, response.read())
            seen[key] += 1
        connection.close()
        with self.lock:
            self.seen += seen

    def _check(self, key: tuple[str, int], response: HTTPResponse, body: bytes) -> None:
        refused = REQUESTS[key[1]].refused
        if response.status != (400 if refused else 200):
            raise SystemExit(f"{response.status}: {body[:300]!r}")
        if not refused and key not in self.answers:
            self.answers[key] = json.loads(body)[TASK.contract.target.name]

    def expected(self, known: Known) -> Counts:
        """Return what a version should have counted."""
        parts = [
            times_of(self._one(known, place), times)
            for (version, place), times in self.seen.items()
            if version == known.version
        ]
        return total(parts)

    def _one(self, known: Known, place: int) -> Counts:
        request, profile = REQUESTS[place], known.profile
        if request.refused:
            return Counts(requests=1, refused=[Refused(column="age", code="wrong_type", requests=1)])
        assert profile is not None
        assert profile.predictions is not None
        tallies = tallies_of([request.rows], TASK)
        return Counts(
            rows=len(request.rows),
            requests=1,
            columns={
                name: {what: count(of, tallies[name][what]).tolist() for what, of in aspects.items()}
                for name, aspects in profile.inputs.items()
            },
            predictions=count(profile.predictions, Tally.of(np.array(self.answers[known.version, place]))).tolist(),
        )


def times_of(counts: Counts, times: int) -> Counts:
    """Return the counts of a request that was sent so often."""
    return Counts(
        rows=counts.rows * times,
        requests=counts.requests * times,
        columns={
            name: {what: [one * times for one in of] for what, of in aspects.items()}
            for name, aspects in counts.columns.items()
        },
        predictions=[one * times for one in counts.predictions],
        refused=[each.model_copy(update={"requests": each.requests * times}) for each in counts.refused],
    )


def bundle(folder: Path, version: str) -> Path:
    """Train a version."""
    folder.mkdir()
    csv = folder / "data.csv"
    heart_disease.generate(int(version), 1000).to_csv(csv, index=False)
    found = judge(csv, TASK, reference=None, incumbent=None)
    assert found.data is not None
    estimator = train.fitted(TASK, found.data)
    train.write(folder / "bundle", TASK, found.data, estimator, found.verdict, data_sha256=version.rjust(64, "0"))
    (folder / "bundle" / "version.json").write_text(version_json(version))
    return folder / "bundle"


def predictors(folder: Path) -> tuple[Sequence[Contender], Sequence[int], Sequence[int]]:
    """Return servers of one folder of models, their ports, and the ports at which they tell their counts."""
    ports = [*free_ports(), *free_ports()]
    serve, tell = ports[:PREDICTORS], ports[PREDICTORS : 2 * PREDICTORS]
    command = [sys.executable, "-m", "regraft_inference.server", "--models_dir", str(folder / "models")]
    found = [
        Contender(
            f"predictor {place}",
            [*command, "--host", "127.0.0.1", "--http_port", str(serve[place])],
            f"http://127.0.0.1:{serve[place]}/{TASK.name}/predict",
            {1: REQUESTS[0].columns},
            folder / f"predictor-{place}",
            {"REGRAFT_FIT_PORT": str(tell[place])},
        )
        for place in range(PREDICTORS)
    ]
    return found, serve, tell


def play(folder: Path, requests: int) -> bool:
    """Send the requests, change the version in the middle, and return whether all counts are what was sent."""
    first, second = bundle(folder / "1", "1"), bundle(folder / "2", "2")
    link = folder / "models" / TASK.name
    link.parent.mkdir()
    link.symlink_to(first)
    servers, ports, told_at = predictors(folder)
    load, numbers = Load(), Numbers(requests)
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(running(server))
        before = told(told_at)  # until it answered, each was asked some times
        threads = [
            threading.Thread(target=load.ask, args=(port, numbers)) for port in ports for _ in range(CONNECTIONS)
        ]
        for thread in threads:
            thread.start()
        numbers.half.wait()
        link.with_name("next").symlink_to(second)
        link.with_name("next").replace(link)
        for port in ports:
            httpx.post(f"http://127.0.0.1:{port}/v2/repository/models/{TASK.name}/load", trust_env=False, timeout=60)
        for thread in threads:
            thread.join()
        after = told(told_at)
    same = [_same(version, load, after[version], before) for version in sorted(after)]
    return len(same) > 1 and all(same)


class Numbers:
    """Numbers of requests, for several threads; ``half`` is set when half of them are taken."""

    def __init__(self, last: int) -> None:
        self._numbers = iter(range(last))
        self._half = last // 2
        self._lock = threading.Lock()
        self.half = threading.Event()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            number = next(self._numbers)
        if number == self._half:
            self.half.set()
        return number


def told(ports: Sequence[int]) -> dict[str, tuple[Known, Counts]]:
    """Return what the processes have counted of each version, added up."""
    found: dict[str, tuple[Known, Counts]] = {}
    for port in ports:
        answer = httpx.get(f"http://127.0.0.1:{port}/counts", trust_env=False, timeout=60)
        for each in Told.model_validate_json(answer.content).tasks[TASK.name]:
            one = Counted.model_validate(each)
            before = found[one.known.version][1] if one.known.version in found else Counts()
            found[one.known.version] = (one.known, before.plus(one.counts))
    return found


def _same(version: str, load: Load, found: tuple[Known, Counts], before: dict[str, tuple[Known, Counts]]) -> bool:
    known, after = found
    counted = after.since(before[version][1]) if version in before else after
    expected = load.expected(known)
    sure = sum(counted.confidence) == expected.rows
    same = counted.model_copy(update={"confidence": []}) == expected and sure
    refused = sum(each.requests for each in counted.refused)
    bins = sum(len(of) for aspects in counted.columns.values() for of in aspects.values())
    print(
        f"version {version}: {counted.requests:,} requests, {counted.rows:,} rows, {refused:,} refused, "
        f"{bins} counts of {len(counted.columns)} columns: {'equal' if same else 'NOT equal'}",
        flush=True,
    )
    return same


def main() -> int:
    """Play, and say whether the counts are exact."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.exact", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="regraft-exact-") as folder:
        return 0 if play(Path(folder), options.requests) else 1


if __name__ == "__main__":
    sys.exit(main())
