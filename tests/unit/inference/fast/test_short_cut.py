from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from regraft_inference import metrics
from regraft_inference.app import Front
from regraft_inference.fast.wire import Scope
from regraft_inference.model import TaskRepository, Version
from regraft_inference.settings import PredictorSettings
from tests.unit.inference.bundles import (
    HEART_ANSWERS,
    HEART_ROWS,
    sha256_of,
    write_heart_bundle,
    write_passwords_bundle,
)
from tests.unit.inference.connections import Connection, serve

GOOD = b'{"Password": ["a", "b"]}'
ANSWER = b'{"Times":[1.5,1.5]}'

Answered = tuple[list[bytes], bytes]


def request(body: bytes, path: str = "/predict", method: str = "POST") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        "x-request-id: r-1\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_passwords_bundle(folder / "passwords", answer=1.5, version="7")
    write_heart_bundle(folder / "heart-disease", version="3")
    return folder


@pytest.fixture
def front(folder: Path) -> Front:
    repository = TaskRepository(models_dir=folder)
    repository.load_all()
    return Front(repository, PredictorSettings(max_request_bytes=100_000))


def passwords_of(front: Front) -> Any:
    return front._repository.models["passwords"]


def nowhere(_scope: Scope) -> None:
    return None


def ask(front: Front, *requests: bytes, ordinary: bool = False) -> list[Answered]:
    """Send requests on one connection, and return the answers."""
    answers: list[Answered] = []

    async def talk(connection: Connection) -> None:
        answers.extend([await connection.ask(data) for data in requests])

    serve(front, nowhere if ordinary else front.short_cut, talk, most_bytes=20_000)
    return answers


def counted(name: str, **labels: str) -> float:
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = (sample for family in families for sample in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


async def never(_scope: Scope, _receive: Any, _send: Any) -> None:
    raise AssertionError("went the ordinary way")


def test_small_good_requests_never_reach_the_application(front: Front) -> None:
    heart = request(orjson.dumps(HEART_ROWS), "/heart-disease/predict?verbose=1")
    data = [request(GOOD), request(GOOD, "/passwords/predict"), heart]
    answers: list[Answered] = []

    async def talk(connection: Connection) -> None:
        answers.extend([await connection.ask(each) for each in data])

    serve(never, front.short_cut, talk)
    assert [body for _, body in answers] == [ANSWER, ANSWER, orjson.dumps({"condition": HEART_ANSWERS})]


@pytest.mark.parametrize(
    "data",
    [
        request(GOOD),
        request(b'{"instances": ["a"]}', "/invocations"),
        request(b'{"dataframe_split": {"columns": ["Password"], "data": [["a"]]}}', "/passwords/predict"),
        request(orjson.dumps(HEART_ROWS), "/heart-disease/predict"),
        request(orjson.dumps(HEART_ROWS | {"probabilities": True}), "/heart-disease/predict"),
        request(b'{"Password": ["probabilities"]}'),
        request(b'{"Password": ["a"], "Password": ["b"]}'),
        request(b'{"Password": [null]}'),
        request(b'{"Password": []}'),
        request(b"{"),
        request(b""),
        request(b"[" * 15_000),
        request(orjson.dumps({"Password": ["a"] * 4000})),
        request(orjson.dumps({"Password": ["a"] * 8000})),
        request(b" " * 100_001),
        request(GOOD, "/nowhere"),
        request(GOOD, "/health"),
        request(GOOD, method="PUT"),
        request(b"", method="GET"),
        request(GOOD, "/v1/models/passwords:predict"),
        request(GOOD).replace(b"host: x\r\n", b"host: x\r\nconnection: close\r\n"),
        request(GOOD).replace(b"host: x\r\n", b"host: x\r\ncontent-encoding: br\r\n"),
        request(GOOD).replace(b"host: x\r\n", b"host: x\r\ncontent-encoding: gzip\r\n"),
        request(GOOD).replace(b"host: x\r\n", b"host: x\r\ncontent-encoding: identity\r\n"),
    ],
)
def test_both_ways_answer_the_same_bytes_and_count_the_same(front: Front, data: bytes) -> None:
    def count() -> tuple[float, ...]:
        names = "requests_total", "request_seconds_count", "rows_total"
        return tuple(counted(f"regraft_predictor_{name}") for name in names)

    before = count()
    short = ask(front, data)
    between = count()
    ordinary = ask(front, data, ordinary=True)
    assert short == ordinary
    assert [b - a for a, b in zip(before, between, strict=True)] == [
        b - a for a, b in zip(between, count(), strict=True)
    ]


def test_a_broken_request_spoils_no_other_on_its_connection(front: Front) -> None:
    answers = ask(front, request(b'{"Password": [1]}'), request(GOOD), request(b"{"), request(GOOD))
    assert [head[0].split()[1] for head, _ in answers] == [b"400", b"200", b"400", b"200"]
    assert [body for _, body in answers][1::2] == [ANSWER, ANSWER]


def test_each_answer_is_counted_with_its_route(front: Front) -> None:
    def count() -> float:
        return counted("regraft_predictor_requests_total", route="/{task}/predict", task="passwords", status="200")

    before = count()
    ask(front, request(GOOD, "/passwords/predict"), request(GOOD, "/passwords/predict"))
    assert count() - before == 2


def test_where_no_version_serves_the_front_says_so(front: Front) -> None:
    passwords_of(front).version = None
    ((head, body),) = ask(front, request(GOOD))
    assert (head[0].split()[1], orjson.loads(body)["code"]) == (b"503", "bundle_not_loaded")


def test_a_version_that_is_replaced_between_answers_what_it_has_checked(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new version comes when the request is in the batch: values and headers are still the old one's."""
    model = passwords_of(front)
    folder = write_passwords_bundle(tmp_path / "new", answer=2.5, version="8")
    old, new = model.version, Version.load(folder, "passwords")
    ask_old = old.answer_soon

    def replace(asked: bytes, body: bytes, done: Any) -> bool:
        taken: bool = ask_old(asked, body, done)
        model.version = new
        return taken

    monkeypatch.setattr(old, "answer_soon", replace)
    (first, body), (second, new_body) = ask(front, request(GOOD), request(GOOD))
    assert (body, new_body) == (ANSWER, b'{"Times":[2.5,2.5]}')
    assert [line for head in (first, second) for line in head if line.startswith(b"regraft")] == [
        b"regraft-model-version: 7",
        b"regraft-data-sha256: " + sha256_of("7").encode(),
        b"regraft-request-id: r-1",
        b"regraft-model-version: 8",
        b"regraft-data-sha256: " + sha256_of("8").encode(),
        b"regraft-request-id: r-1",
    ]


@pytest.mark.parametrize("predict", [lambda _: 1 / 0, lambda _: np.array([object(), object()])])
def test_a_prediction_that_fails_is_answered_by_the_front(
    front: Front, monkeypatch: pytest.MonkeyPatch, predict: Any
) -> None:
    monkeypatch.setattr(passwords_of(front).version.bundle, "predict", predict)
    before = counted("regraft_predictor_requests_total", status="500")
    ((head, body),) = ask(front, request(GOOD))
    assert (head[0].split()[1], orjson.loads(body)["code"]) == (b"500", "internal_error")
    assert counted("regraft_predictor_requests_total", status="500") - before == 1


def test_requests_of_several_connections_are_predicted_together(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = passwords_of(front).version.bundle
    predict, sizes = bundle.predict, []

    def note(columns: Any) -> Any:
        sizes.append(len(columns["Password"]))
        return predict(columns)

    monkeypatch.setattr(bundle, "predict", note)

    async def talk(connection: Connection) -> None:
        address = connection.writer.get_extra_info("peername")[:2]
        more = [await asyncio.open_connection(*address) for _ in range(3)]
        for _, writer in more:
            writer.write(request(GOOD))
        for reader, writer in more:
            assert (await reader.readuntil(ANSWER)).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()

    serve(front, front.short_cut, talk)
    assert sum(sizes) == 6
    assert len(sizes) < 3


def test_an_answer_that_comes_when_the_server_ends_closes_the_connection_and_is_predicted_once(front: Front) -> None:
    before = counted("regraft_predictor_rows_total")

    async def talk(connection: Connection) -> None:
        data = request(GOOD)
        await connection.send(data[:-1])
        await asyncio.sleep(0.02)
        (protocol,) = connection.server.server_state.connections
        protocol.shutdown()
        head, body = await connection.ask(data[-1:])
        assert (body, b"connection: close" in head, b"regraft-model-version: 7" in head) == (ANSWER, True, True)
        assert await connection.closed()

    serve(front, front.short_cut, talk)
    assert counted("regraft_predictor_rows_total") - before == 2
