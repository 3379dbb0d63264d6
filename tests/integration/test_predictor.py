"""The predictor as a process of its own, over real HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests import plain
from tests.unit.inference.bundles import (
    HEART_ANSWERS,
    HEART_ROWS,
    sha256_of,
    write_heart_bundle,
    write_passwords_bundle,
)
from tests.waiting import PATIENCE

CLIENTS = 8


class Predictor:
    """A running server with its address."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.log = log

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                plain.get(self.url)
            except httpx.TransportError:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(self.log.read_text())


@contextmanager
def running(
    log: Path,
    *arguments: str,
    module: str = "regraft_inference.server",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Predictor]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--http_port", str(port)]
    variables = os.environ | {"REGRAFT_MAX_REQUEST_BYTES": "1000000"} | dict(environment)
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output, env=variables)
    predictor = Predictor(process, port, log)
    try:
        predictor.wait_until_it_listens()
        yield predictor
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of one task, and another task; what serves are links, as the embedded deployer makes them."""
    root = tmp_path_factory.mktemp("predictor")
    write_passwords_bundle(root / "bundles" / "1", answer=1.0, version="1")
    write_passwords_bundle(root / "bundles" / "2", answer=2.0, version="2")
    write_heart_bundle(root / "models" / "heart-disease", version="5")
    link(root, "1")
    return root


def link(root: Path, version: str) -> None:
    fresh = root / "next"
    fresh.symlink_to(root / "bundles" / version)
    fresh.replace(root / "models" / "passwords")


@pytest.fixture(scope="module")
def predictor(folder: Path) -> Iterator[Predictor]:
    with running(folder / "log", "--models_dir", str(folder / "models")) as predictor:
        yield predictor


@pytest.fixture
def http(predictor: Predictor) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=predictor.url) as client:
        yield client


def version_of(response: httpx.Response) -> str:
    version: str = response.headers["Regraft-Model-Version"]
    assert response.headers["Regraft-Data-Sha256"] == sha256_of(version)
    return version


def test_every_protocol_is_answered(http: httpx.Client) -> None:
    assert http.post("/predict", json={"Password": ["a", "b"]}).json() == {"Times": [1.0, 1.0]}
    assert http.post("/heart-disease/predict", json=HEART_ROWS).json() == {"condition": HEART_ANSWERS}
    split = {"dataframe_split": {"columns": ["Password"], "data": [["a"]]}}
    assert http.post("/invocations", json=split).json() == {"predictions": [1.0]}
    v1 = http.post("/v1/models/passwords:predict", json={"instances": ["a"]})
    assert (v1.json(), version_of(v1)) == ({"predictions": [1.0]}, "1")
    tensor = {"name": "Password", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    v2 = http.post("/v2/models/passwords/infer", json={"inputs": [tensor]})
    assert (v2.json()["outputs"][0]["data"], version_of(v2)) == ([1.0], "1")
    for path in ("/health", "/schema", "/metrics", "/openapi.json", "/v2/health/ready", "/"):
        response = http.get(path)
        assert (response.status_code, version_of(response)) == (200, "1")
    assert http.get("/metrics").headers["content-type"].startswith("text/plain")


def test_a_broken_request_names_column_row_and_rule(http: httpx.Client) -> None:
    response = http.post("/predict", json={"Password": ["a", 7]})
    problem = response.json()
    assert (response.status_code, response.headers["content-type"]) == (400, "application/problem+json")
    assert (problem["code"], problem["column"], problem["row"]) == ("wrong_type", "Password", 1)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_without_being_read(predictor: Predictor, chunked: bool) -> None:
    promised = b"transfer-encoding: chunked" if chunked else b"content-length: 50000000000"
    with socket.create_connection(("127.0.0.1", predictor.port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\n" + promised + b"\r\n\r\n")
        if chunked:
            connection.sendall((b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 16)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"request_too_large"' in answer


def raw_request(body: bytes, *headers: str) -> bytes:
    lines = ["POST /predict HTTP/1.1", "host: x", *headers, f"content-length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def read_answers(connection: socket.socket, count: int) -> list[tuple[int, Any]]:
    """Return status and document of so many answers that follow one another on a connection."""
    answers = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = dict(line.decode().strip().lower().split(": ", 1) for line in iter(stream.readline, b"\r\n"))
            answers.append((status, json.loads(stream.read(int(headers["content-length"])))))
    return answers


def test_requests_come_in_pieces_and_several_at_once(predictor: Predictor) -> None:
    good, bad = raw_request(b'{"Password": ["a"]}'), raw_request(b'{"Password": [1]}')
    closing = raw_request(b'{"Password": ["a"]}', "connection: close")
    with socket.create_connection(("127.0.0.1", predictor.port), timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(good)):
            connection.sendall(good[place : place + 1])
        assert read_answers(connection, 1) == [(200, {"Times": [1.0]})]
        connection.sendall(good + bad + good + closing)
        statuses = [status for status, _ in read_answers(connection, 4)]
        assert statuses == [200, 400, 200, 200]
        assert connection.recv(1) == b""


def test_an_ordinary_client_sees_the_413(predictor: Predictor) -> None:
    for _ in range(10):
        response = plain.post(f"{predictor.url}/predict", content=b" " * 1_500_000)
        assert response.status_code == 413


def check(case: schemathesis.Case[Any]) -> None:
    # JSON Schema cannot say that all columns have one length, so a request that it allows may still be refused.
    several_columns = case.path.startswith("/heart-disease")
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if several_columns else [])


@pytest.mark.hypothesis  # with more examples in make test-long
def test_the_document_holds_for_whatever_a_client_sends(predictor: Predictor) -> None:
    count = settings().max_examples // 6
    bounds = settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    document = schemathesis.openapi.from_url(f"{predictor.url}/openapi.json")
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) == 15
    for operation in operations:
        for mode in list(GenerationMode) if operation.body else [GenerationMode.POSITIVE]:

            @bounds
            @given(case=operation.as_strategy(generation_mode=mode))
            def every_answer_is_documented(case: schemathesis.Case[Any]) -> None:
                check(case)

            every_answer_is_documented()


async def ask(http: httpx.AsyncClient) -> tuple[str, list[float]]:
    """Return the version in the header and the distinct answers of one request."""
    response = await http.post("/predict", json={"Password": ["a"] * 20})
    assert response.status_code == 200, response.text
    return version_of(response), sorted(set(response.json()["Times"]))


async def ask_until(http: httpx.AsyncClient, over: asyncio.Event) -> Counter[tuple[str, float]]:
    seen: Counter[tuple[str, float]] = Counter()
    while not over.is_set():
        version, answers = await ask(http)
        for answer in answers:
            seen[version, answer] += 1
    return seen


async def swap_under_load(predictor: Predictor, folder: Path) -> list[Counter[tuple[str, float]]]:
    over = asyncio.Event()
    async with httpx.AsyncClient(base_url=predictor.url, timeout=PATIENCE) as http, asyncio.TaskGroup() as group:
        clients = [group.create_task(ask_until(http, over)) for _ in range(CLIENTS)]
        for version in ("2", "1", "2", "1"):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(link, folder, version)
            response = await http.post("/v2/repository/models/passwords/load")
            assert (response.status_code, version_of(response)) == (200, version)
            assert (await ask(http))[0] == version
        over.set()
    return [client.result() for client in clients]


def test_versions_change_under_load_and_no_answer_is_mixed(predictor: Predictor, folder: Path) -> None:
    for seen in asyncio.run(swap_under_load(predictor, folder)):
        assert seen.keys() == {("1", 1.0), ("2", 2.0)}


@contextmanager
def damaged(folder: Path) -> Iterator[None]:
    model = folder / "bundles" / "2" / "estimator" / "model.skops"
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    link(folder, "2")
    try:
        yield
    finally:
        model.write_bytes(content)
        link(folder, "1")


def test_a_damaged_bundle_is_refused_and_the_old_version_serves_on(http: httpx.Client, folder: Path) -> None:
    with damaged(folder):
        response = http.post("/v2/repository/models/passwords/load")
    assert (response.status_code, response.json()["code"]) == (503, "bundle_damaged")
    assert "model.skops" in response.json()["detail"]
    assert version_of(response) == "1"
    assert http.post("/predict", json={"Password": ["a"]}).json() == {"Times": [1.0]}
    assert http.get("/health").status_code == 200
    assert (
        'regraft_predictor_load_failures_total{code="bundle_damaged",task="passwords"} 1.0' in http.get("/metrics").text
    )


@pytest.fixture(scope="module")
def mounted(folder: Path) -> Iterator[Predictor]:
    """One task, started as KServe starts it."""
    bundle = folder / "bundles" / "2"
    with running(folder / "mounted.log", "--model_name", "passwords", "--model_dir", str(bundle)) as predictor:
        yield predictor


def test_one_task_is_served_from_the_folder_that_kserve_mounts(mounted: Predictor) -> None:
    response = plain.post(f"{mounted.url}/predict", json={"Password": ["a"]})
    assert (response.json(), version_of(response)) == ({"Times": [2.0]}, "2")
    assert plain.post(f"{mounted.url}/v2/repository/models/passwords/load").status_code == 404
    status = Path(f"/proc/{mounted.process.pid}/status").read_text()
    (resident,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    assert int(resident) < 600_000, "kB"


@pytest.mark.long
def test_a_bundle_that_answers_otherwise_than_its_trainer_is_not_ready(tmp_path: Path) -> None:
    bundle = write_passwords_bundle(tmp_path / "bundle")
    golden, checksums = bundle / "golden.json", bundle / "checksums.json"
    golden.write_text(golden.read_text().replace("1.0", "1.5"))
    sums = json.loads(checksums.read_text()) | {"golden.json": hashlib.sha256(golden.read_bytes()).hexdigest()}
    checksums.write_text(json.dumps(sums))
    with running(tmp_path / "log", "--model_dir", str(bundle)) as predictor:
        for path in ("/health", "/v2/models/passwords/ready"):
            response = plain.get(predictor.url + path)
            assert (response.status_code, response.json()["code"]) == (503, "golden_mismatch")
        assert plain.get(f"{predictor.url}/v2/health/live").status_code == 200


async def ask_until_refused(http: httpx.AsyncClient) -> int:
    """Ask until no connection is taken any more, and return how many requests were answered."""
    answered = 0
    while True:
        try:
            await ask(http)
        except httpx.ConnectError:
            return answered
        answered += 1


async def stop_under_load(predictor: Predictor) -> list[int]:
    limits = httpx.Limits(max_keepalive_connections=1, max_connections=1)
    clients = [httpx.AsyncClient(base_url=predictor.url, limits=limits, timeout=PATIENCE) for _ in range(CLIENTS)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask_until_refused(client)) for client in clients]
        await asyncio.sleep(1)
        predictor.process.send_signal(signal.SIGTERM)
    for client in clients:
        await client.aclose()
    return [task.result() for task in tasks]


def test_a_signal_under_load_loses_no_request(mounted: Predictor) -> None:
    request = raw_request(b'{"Password": ["a"]}')
    with socket.create_connection(("127.0.0.1", mounted.port), timeout=PATIENCE) as slow:
        slow.sendall(request[:-5])  # the rest comes after the signal
        finish = threading.Timer(1.5, slow.sendall, [request[-5:]])
        finish.start()
        assert min(asyncio.run(stop_under_load(mounted))) > 1
        assert read_answers(slow, 1) == [(200, {"Times": [2.0]})]
    assert mounted.process.wait(timeout=PATIENCE) == 0
