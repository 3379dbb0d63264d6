"""The trigger service as a process of its own: what it has said it keeps, whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from regraft_core.runs import RunState
from regraft_core.stores.queue import RunStore
from tests.waiting import PATIENCE

BODY = {"data_url": "https://data.example.org/passwords.csv"}


@dataclass(frozen=True)
class Process:
    """A service in a process, and a client of it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path


@contextmanager
def started(folder: Path, **environment: str) -> Iterator[Process]:
    """Start ``python -m regraft_trigger`` on a folder and wait until it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "REGRAFT_PORT": str(port),
        "REGRAFT_DATABASE": str(folder / "regraft.db"),
        "REGRAFT_STORE_URL": (folder / "bucket").as_uri(),
        **environment,
    }
    with (
        (folder / "trigger.log").open("ab") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client,
        subprocess.Popen([sys.executable, "-m", "regraft_trigger"], env=os.environ | settings, stderr=log) as process,
    ):
        try:
            _wait_until_alive(client, process)
            yield Process(process, client, folder / "trigger.log")
        finally:
            process.kill()


def _wait_until_alive(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the trigger service did not start")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trigger")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Process]:
    """One for all: to start it takes longer than most of what it is asked. The last test here ends it."""
    with started(folder) as service:
        yield service


def test_what_was_accepted_is_there_after_kill_9_and_a_token_guards_every_post(tmp_path: Path) -> None:
    with started(tmp_path, REGRAFT_TRIGGER_TOKEN="right") as service:
        refused = service.client.post("/trigger", json=BODY)
        service.client.headers["Authorization"] = "Bearer right"
        accepted = [service.client.post("/trigger", json=BODY).json()["run_id"] for _ in range(20)]
        document = service.client.get("/openapi.json").json()
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    with started(tmp_path) as service:
        runs = service.client.get("/runs").json()["runs"]

    assert refused.status_code == 401
    assert "HTTPBearer" in document["components"]["securitySchemes"]
    assert [run["run_id"] for run in runs] == accepted[::-1]
    assert {run["state"] for run in runs} == {"queued"}


def test_changes_by_another_process_are_events(service: Process, folder: Path) -> None:
    run_id = service.client.post("/trigger", json=BODY).json()["run_id"]
    runs = RunStore(folder / "regraft.db")
    with service.client.stream("GET", "/events") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        run = runs.get(run_id)
        assert run is not None
        seen: list[str] = []
        for state in (RunState.RUNNING, RunState.PROMOTED):
            run.state = state
            runs.save(run)
            while seen[-1:] != [state]:
                seen.append(json.loads(next(lines).removeprefix("data: "))["state"])

    assert seen[-2:] == ["running", "promoted"]


def test_each_accepted_run_is_one_line_in_the_log(service: Process) -> None:
    run_id = service.client.post("/trigger", json=BODY).json()["run_id"]
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    accepted = [line for line in lines if line["event"] == "run accepted" and line["run_id"] == run_id]
    assert [(line["task"], line["data_url"]) for line in accepted] == [("passwords", BODY["data_url"])]


def test_a_signal_ends_streams_and_process_at_once(service: Process) -> None:
    with service.client.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        next(lines)
        began = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        list(lines)
        service.process.wait(timeout=PATIENCE)

    assert time.monotonic() - began < 5
    log = service.log.read_text()
    assert all(json.loads(line) for line in log.splitlines())
    assert "Traceback" not in log
