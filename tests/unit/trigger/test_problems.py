from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.runs import Run
from regraft_core.serving import Serving
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_trigger.backends.local import LocalBackend
from tests.unit.trigger.serving import Running, Serve, running
from tests.waiting import PATIENCE, wait_for


class Broken(LocalBackend):
    """A backend with the bugs and the failures of others in it."""

    async def get(self, run_id: str) -> Run | None:
        raise ValueError("secret detail")

    async def report(self, run_id: str) -> bytes | None:
        raise AssertionError("never asked")

    async def serving(self, task: str) -> Serving | None:
        raise RegraftError("secret detail", code=Code.STORE_REFUSED)

    async def recent(self, *, task: str | None, limit: int, before: str | None) -> list[Run]:
        raise TemporaryError("the object store cannot be reached", code=Code.STORE_UNREACHABLE)

    async def changes(self) -> AsyncIterator[Run]:
        for run in await self.recent(task=None, limit=1, before=None):
            yield run

    async def check_ready(self) -> None:
        raise RegraftError("secret detail", code=Code.STORE_REFUSED)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "route_unknown"),
        ("GET", "/static/nothing", 404, "route_unknown"),
        ("GET", "/static/../app.py", 404, "route_unknown"),
        ("PUT", "/trigger", 405, "method_not_allowed"),
        ("POST", "/static/page.css", 405, "method_not_allowed"),
        ("DELETE", "/runs/run-aaaaaaaaaaaa", 405, "method_not_allowed"),
        ("GET", "/runs/run-aaaaaaaaaaaa", 404, "run_unknown"),
    ],
)
def test_every_error_is_a_problem(service: Running, method: str, path: str, status: int, code: str) -> None:
    answer = service.client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:regraft:problem:{code}")
    assert problem["title"]
    assert problem["detail"]


def test_a_method_that_is_not_allowed_gets_told_which_are(service: Running) -> None:
    assert service.client.get("/trigger").headers["allow"] == "POST"


def test_bugs_show_nothing_of_the_inside(tmp_path: Path) -> None:
    backend = Broken(RunStore(tmp_path / "regraft.db"), FileStore(tmp_path))
    with running(tmp_path, backend) as service:
        for path in ("/runs/run-aaaaaaaaaaaa", "/ready"):
            answer = service.client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
            assert "secret" not in answer.text
        counted = service.client.get("/metrics").text

    assert 'regraft_problems_total{code="internal_error",route="/ready"} 1.0' in counted
    assert 'regraft_request_seconds_count{method="GET",route="/runs/{run_id}",status="500"} 1.0' in counted


def test_what_can_pass_by_itself_says_when_to_try_again(tmp_path: Path) -> None:
    backend = Broken(RunStore(tmp_path / "regraft.db"), FileStore(tmp_path))
    with running(tmp_path, backend) as service:
        answer = service.client.get("/runs")

    assert (answer.status_code, answer.json()["code"]) == (503, "store_unreachable")
    assert answer.headers["retry-after"] == "5"


def test_the_page_stands_where_what_serves_cannot_be_read(tmp_path: Path) -> None:
    backend = Broken(RunStore(tmp_path / "regraft.db"), FileStore(tmp_path))
    with running(tmp_path, backend) as service:
        answer = service.client.get("/")

    assert answer.status_code == 200
    assert answer.text.count("Not known now") == 2


def test_a_token_that_is_missing_or_wrong_is_told_apart_from_nothing(serve: Serve) -> None:
    service = serve(trigger_token="right")
    body = {"data_url": "https://a.b/c.csv"}

    for authorization in (None, "", "Bearer", "Bearer wrong", "Basic right", "right", "Bearer rightt", "Bearer \xfc"):
        headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
        for path in ("/trigger", "/rollback"):
            answer = service.client.post(path, json=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert service.client.post("/trigger", content="{").status_code == 401
    assert service.client.get("/runs").json()["runs"] == []
    assert service.client.post("/trigger", json=body, headers={"Authorization": "bearer right"}).status_code == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://dashboard"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://dashboard", "Host": "dashboard"}, 202),
        ({"Origin": "http://evil.example", "Host": "dashboard"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
def test_pages_of_other_sites_cannot_post(service: Running, headers: dict[str, str], status: int) -> None:
    answer = service.client.post("/trigger", json={"data_url": "https://a.b/c.csv"}, headers=headers)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_site_request"


def test_a_client_that_goes_in_the_middle_of_its_body_is_no_failure(
    service: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    url = service.client.base_url
    with socket.create_connection((url.host, url.port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /trigger HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    wait_for(lambda: not service.server.server_state.tasks)
    assert service.client.get("/health").status_code == 200
    assert "internal_error" not in service.client.get("/metrics").text
    assert "request failed" not in capsys.readouterr().out
