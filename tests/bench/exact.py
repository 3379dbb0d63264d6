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
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from threading import Event
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
CONNECTIONS = 2
"""To each predictor, each of a process of its own."""

AT_ONCE = 16
"""Requests under way on a connection."""


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


type Seen = tuple[Counter[tuple[str, int]], dict[tuple[str, int], list[int]]]
"""How often what was answered, by version and request; and what."""


class Client:
    """A connection on which several requests are under way at once."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")
        self._requests = [_as_bytes(request) for request in REQUESTS]

    def ask(self, places: Sequence[int]) -> Iterator[tuple[int, str, bytes]]:
        """Send requests, and yield status, version and body of each answer, in their order."""
        self._socket.sendall(b"".join(self._requests[place] for place in places))
        for _ in places:
            status, headers = int(self._answers.readline().split()[1]), {}
            while (line := self._answers.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            body = self._answers.read(int(headers[b"content-length"]))
            yield status, headers[b"regraft-model-version"].decode(), body


def _as_bytes(request: Request) -> bytes:
    body = json.dumps(request.columns)
    head = f"POST /{TASK.name}/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


def ask(port: int, requests: int, half: Event) -> Seen:
    """Send so many requests on one connection; ``half`` is set when half of them are answered, or it is over."""
    client, seen, answers = Client(port), Counter[tuple[str, int]](), dict[tuple[str, int], list[int]]()
    try:
        for first in range(0, requests, AT_ONCE):
            places = [each % len(REQUESTS) for each in range(first, min(first + AT_ONCE, requests))]
            for place, (status, version, body) in zip(places, client.ask(places), strict=True):
                _check(place, status, body)
                if status == 200 and (version, place) not in answers:
                    answers[version, place] = json.loads(body)[TASK.contract.target.name]
                seen[version, place] += 1
            if 2 * first >= requests:
                half.set()
    finally:
        half.set()
    return seen, answers


def _check(place: int, status: int, body: bytes) -> None:
    if status != (400 if REQUESTS[place].refused else 200):
        raise SystemExit(f"{status}: {body[:300]!r}")


@dataclass
class Load:
    """What was answered: how often, by version and request, and what."""

    seen: Counter[tuple[str, int]] = field(default_factory=Counter)
    answers: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def add(self, one: Seen) -> None:
        """Take what was answered on one connection."""
        self.seen += one[0]
        self.answers |= one[1]

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
    estimator = train.fitted(TASK, found.data, found.profile)
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
    load, half, each = Load(), get_context("spawn").Manager().Event(), requests // (PREDICTORS * CONNECTIONS)
    with ExitStack() as stack:
        for server in servers:
            stack.enter_context(running(server))
        pool = stack.enter_context(ProcessPoolExecutor(PREDICTORS * CONNECTIONS, get_context("spawn")))
        before = told(told_at)  # until it answered, each was asked some times
        under_way = [pool.submit(ask, port, each, half) for port in ports for _ in range(CONNECTIONS)]
        half.wait()
        link.with_name("next").symlink_to(second)
        link.with_name("next").replace(link)
        for port in ports:
            httpx.post(f"http://127.0.0.1:{port}/v2/repository/models/{TASK.name}/load", trust_env=False, timeout=60)
        for one in under_way:
            load.add(one.result())
        after = told(told_at)
    same = [_same(version, load, after[version], before) for version in sorted(after)]
    return len(same) > 1 and all(same)


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
