"""What the query of a trigger says, beside a dataset and beside JSON; and what may be asked of each path."""

from __future__ import annotations

from typing import Any

import pytest

from regraft_core.runs import Run
from tests.unit.trigger.serving import DATA_URL, Running


def accepted(service: Running, answer: Any) -> Run:
    assert answer.status_code == 202, answer.text
    run = service.runs.get(answer.json()["run_id"])
    assert run is not None
    return run


@pytest.mark.parametrize(
    ("query", "body", "task", "force"),
    [
        ("", {}, "passwords", False),
        ("?task=heart-disease", {}, "heart-disease", False),
        ("?task=heart-disease", {"task": None}, "heart-disease", False),
        ("?task=heart-disease", {"task": "heart-disease"}, "heart-disease", False),
        ("", {"task": "heart-disease", "force": True}, "heart-disease", True),
        ("?force=true", {}, "passwords", True),
        ("?force=false", {"force": True}, "passwords", True),
    ],
)
def test_the_query_counts_beside_an_address_as_it_does_beside_a_dataset(
    service: Running, query: str, body: dict[str, object], task: str, force: bool
) -> None:
    run = accepted(service, service.client.post(f"/trigger{query}", json={"data_url": DATA_URL, **body}))
    assert (run.task, run.force) == (task, force)


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("?task=heart-disease", {"task": "passwords"}, "parameter_invalid"),
        ("?task=nothing", {}, "task_unknown"),
        ("?task=", {}, "task_unknown"),
        ("?force=perhaps", {}, "parameter_invalid"),
    ],
)
def test_what_could_mean_two_tasks_or_none_is_refused(
    service: Running, query: str, body: dict[str, object], code: str
) -> None:
    answer = service.client.post(f"/trigger{query}", json={"data_url": DATA_URL, **body})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_key_stands_for_what_is_asked_wherever_it_is_said(service: Running) -> None:
    key = {"Idempotency-Key": "said"}
    first = service.client.post("/trigger?task=heart-disease", json={"data_url": DATA_URL}, headers=key)
    again = service.client.post("/trigger", json={"data_url": DATA_URL, "task": "heart-disease"}, headers=key)
    other = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=key)
    assert (first.status_code, first.json()) == (202, again.json())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("url", ["https://data.example.org:0/a.csv", "http://data.example.org:65536/a.csv"])
def test_a_port_that_is_none_is_refused_at_once(service: Running, url: str) -> None:
    answer = service.client.post("/trigger", json={"data_url": url})
    assert (answer.status_code, answer.json()["code"]) == (400, "data_url_invalid")
    assert "port" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/trigger", "POST"), ("PUT", "/runs", "GET, HEAD"), ("POST", "/", "GET, HEAD")],
)
def test_a_method_that_is_not_taken_is_told_which_are(service: Running, method: str, path: str, allowed: str) -> None:
    answer = service.client.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
