"""Nobody but the step that downloads sees the secret of an address, wherever a run with one leads to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.checker import datasets
from tests.checker.client import RunView, Service
from tests.checker.stack import Stack

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack

SECRET = "5ECRETs1gnature"
QUERY = f"part=1&X-Amz-Signature={SECRET}"


class Handler(BaseHTTPRequestHandler):
    """Serves good data, refusals that repeat what was asked, and redirects to both."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/to/"):
            self.answer(302, b"", Location=f"/{path.removeprefix('/to/')}?{QUERY}")
        elif path == "/good.csv":
            self.answer(200, datasets.MAKERS["good"](31) if SECRET in self.path else b"no secret came")
        elif path == "/drifted.csv":
            self.answer(200, datasets.MAKERS["drifted"](31))
        elif path == "/packed.csv":
            self.answer(200, b"not packed", Content_Encoding="gzip")
        else:
            self.answer(403 if path == "/late.csv" else 404, f"no {self.path} for {SECRET}".encode())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def base(stack: Stack) -> str:
    return stack.trigger_url.removesuffix("/trigger")


@pytest.fixture(scope="module")
def data() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def ended(service: Service, data: str) -> dict[str, RunView]:
    addresses = {
        "signed": f"{data}/good.csv?{QUERY}",
        "redirected": f"{data}/to/good.csv",
        "drifted": f"{data}/drifted.csv?{QUERY}",
        "missing": f"{data}/missing.csv?{QUERY}",
        "redirected to nothing": f"{data}/to/missing.csv",
        "refused": f"{data}/to/late.csv",
        "packed": f"{data}/packed.csv?{QUERY}",
        "nested": f"{data}/missing.csv?to={quote(f'https://me:{SECRET}@a.b/', safe='')}",
    }
    accepted = {name: service.trigger(address, force=True) for name, address in addresses.items()}
    return {name: service.wait(run, timeout=120) for name, run in accepted.items()}


def test_the_secret_opens_the_door(ended: dict[str, RunView]) -> None:
    assert {name: run.state for name, run in ended.items()} == {
        "signed": "promoted",
        "redirected": "promoted",
        "drifted": "rejected",
        **dict.fromkeys(("missing", "redirected to nothing", "refused", "packed", "nested"), "failed"),
    }


def test_no_file_of_the_data_folder_holds_it(ended: dict[str, RunView], stack: Stack) -> None:
    files = [path for path in stack.folder.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_no_log_holds_it(ended: dict[str, RunView], stack: Stack) -> None:
    assert SECRET not in stack.log.read_text(errors="replace")


def test_no_answer_holds_it(ended: dict[str, RunView], stack: Stack) -> None:
    paths = ["/", "/runs?limit=200", "/metrics"]
    for run in ended.values():
        paths += [f"/runs/{run.run_id}", f"/runs/{run.run_id}/report"]
    with httpx.Client(base_url=base(stack), trust_env=False) as client:
        for path in paths:
            for accept in ("text/html", "application/json"):
                answer = client.get(path, headers={"Accept": accept})
                assert answer.status_code == 200 or path.endswith("/report"), path
                assert SECRET not in answer.text, path
        first = next(iter(ended.values())).run_id
        assert client.get(f"/runs/{first}").json()["data_url"].endswith("/good.csv?…")


def test_no_event_holds_it(ended: dict[str, RunView], stack: Stack) -> None:
    with (
        httpx.Client(base_url=base(stack), trust_env=False, timeout=10) as client,
        client.stream("GET", "/events", headers={"Last-Event-ID": "2020-01-01T00:00:00+00:00"}) as answer,
    ):
        text = ""
        for line in answer.iter_lines():
            text += line
            if all(run.run_id in text for run in ended.values()):
                break
    assert SECRET not in text


def test_mlflow_shows_the_address_without_it(ended: dict[str, RunView], registry: Any) -> None:
    tags = registry.get_model_version("regraft-mlops-project-model", str(ended["signed"].version)).tags
    assert tags["data_url"].endswith("/good.csv?…")


def test_the_folder_of_a_run_keeps_no_address(ended: dict[str, RunView], stack: Stack) -> None:
    kept = list(Path(stack.folder).rglob("source.json"))
    assert len(kept) >= 5
    assert all('"address": null' in path.read_text() for path in kept)
