from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import pytest

from tests.checker.client import Accepted, CheckError, RunView, Service, _header, _json

STATES = ["queued", "running", "rejected"]


class Handler(BaseHTTPRequestHandler):
    """Answers as the trigger service and the predictor are agreed to; keeps what it was asked."""

    asked: ClassVar[list[tuple[str, str, dict[str, Any]]]] = []
    looks: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers.get("Authorization", ""), body))
        if self.path.endswith("/predict"):
            self.answer(200, {"Times": [0.0, 1]})
        elif body.get("task") == "unknown":
            self.answer(400, {"code": "task_unknown"})
        else:
            self.answer(202, {"run_id": "run-1", "status_url": "/runs/run-1"})

    def do_GET(self) -> None:
        self.looks.append(self.path)
        state = STATES[min(len(self.looks), len(STATES)) - 1]
        self.answer(200, run(state))

    def answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Regraft-Model-Version", "7")
        self.send_header("Regraft-Data-Sha256", "abc")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the base class)
        pass


def run(state: str, **more: Any) -> dict[str, Any]:
    reason = {"code": "target_drift", "severity": "error", "message": "Times has drifted"}
    warning = {"code": "input_drift", "severity": "warning", "message": "so have the letters"}
    steps = [{"name": "download", "state": "succeeded"}, {"name": "validate", "state": "running"}]
    verdict = {"reasons": [reason, warning]}
    return {"run_id": "run-1", "state": state, "version": None, "steps": steps, "verdict": verdict, **more}


@pytest.fixture
def service() -> Iterator[Service]:
    Handler.asked.clear()
    Handler.looks.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        base = f"http://127.0.0.1:{server.server_address[1]}"
        with Service(f"{base}/trigger", f"{base}/predict", token="secret") as service:
            yield service
        server.shutdown()
        thread.join()


def test_a_trigger_names_task_and_force_only_where_they_are_given(service: Service) -> None:
    accepted = service.trigger("http://data/x.csv")
    service.trigger("http://data/x.csv", task="heart-disease", force=True)
    assert accepted.status_url.endswith("/runs/run-1")
    assert Handler.asked == [
        ("/trigger", "Bearer secret", {"data_url": "http://data/x.csv"}),
        ("/trigger", "Bearer secret", {"data_url": "http://data/x.csv", "task": "heart-disease", "force": True}),
    ]


def test_a_rollback_is_asked_for_beside_the_trigger(service: Service) -> None:
    service.roll_back("passwords")
    assert Handler.asked[0][::2] == ("/rollback", {"task": "passwords"})


def test_other_tasks_are_predicted_beside_the_first(service: Service) -> None:
    answer = service.predict("passwords", {"Password": ["a", "b"]})
    service.predict("heart-disease", {"age": [50]})
    assert (answer.values, answer.version, answer.data_sha256) == ([0.0, 1.0], "7", "abc")
    assert [path for path, *_ in Handler.asked] == ["/predict", "/heart-disease/predict"]


def test_waiting_shows_each_look_until_the_end(service: Service) -> None:
    seen: list[RunView] = []
    end = service.wait(service.trigger("http://data/x.csv"), timeout=10, watch=seen.append)
    assert [view.state for view in seen] == STATES
    assert (end.state, end.codes, end.message) == ("rejected", ("target_drift",), "Times has drifted")


def test_waiting_has_a_limit(service: Service) -> None:
    accepted = Accepted("run-1", service.trigger_url.replace("trigger", "runs/run-1"))
    with pytest.raises(CheckError, match="still queued"):
        service.wait(accepted, timeout=-1)


def test_a_service_that_is_away_meanwhile_is_waited_for(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    accepted = service.trigger("http://data/x.csv")
    ended = httpx.Response(200, json=run("promoted"), request=httpx.Request("GET", accepted.status_url))
    looks: list[httpx.Response | Exception] = [
        httpx.ConnectError("refused"),
        httpx.Response(503, text="no available server"),
        ended,
    ]

    def look(url: str) -> httpx.Response:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(service._client, "get", look)
    assert service.wait(accepted, timeout=10).state == "promoted"


def test_an_answer_that_was_not_agreed_is_an_error(service: Service) -> None:
    with pytest.raises(CheckError, match=r"answered 400, expected 202.*task_unknown"):
        service.trigger("http://data/x.csv", task="unknown")


def test_an_answer_without_json_or_version_is_an_error() -> None:
    request = httpx.Request("POST", "http://predict/predict")
    with pytest.raises(CheckError, match="answered no JSON: <html>"):
        _json(httpx.Response(200, text="<html>", request=request), 200)
    with pytest.raises(CheckError, match="without the header Regraft-Model-Version"):
        _header(httpx.Response(200, request=request), "Regraft-Model-Version")


def test_a_failed_run_has_the_code_of_its_cause() -> None:
    view = RunView.of(run("failed", cause={"code": "source_not_found", "message": "404"}))
    assert (view.codes, view.message) == (("source_not_found",), "404")
