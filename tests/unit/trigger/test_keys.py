"""Keys by which a request that is sent twice is one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from regraft_core.runs import new_run_id
from tests.unit.trigger.serving import DATA_URL, Running


def test_fifty_triggers_with_one_key_are_one_run(service: Running) -> None:
    def post(_: int) -> str:
        answer = service.client.post("/trigger", json={"data_url": DATA_URL}, headers={"Idempotency-Key": "nightly"})
        return f"{answer.status_code} {answer.json()['run_id']}"

    before = len(service.runs.recent(limit=500))
    with ThreadPoolExecutor(50) as pool:
        answers = set(pool.map(post, range(50)))

    assert len(answers) == 1
    assert answers.pop().startswith("202 ")
    assert len(service.runs.recent(limit=500)) == before + 1


def test_a_rollback_is_a_run_of_its_own_even_with_the_key_of_a_trigger(service: Running) -> None:
    headers = {"Idempotency-Key": "shared"}
    trigger = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers)
    rollback = service.client.post("/rollback", json={"task": "passwords", "version": "3"}, headers=headers)

    assert rollback.status_code == 202
    assert rollback.json()["run_id"] != trigger.json()["run_id"]
    run = service.client.get(rollback.headers["location"]).json()
    assert (run["kind"], run["to_version"], len(run["steps"])) == ("rollback", "3", 1)


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "schlüssel".encode().decode("latin-1")])
def test_a_key_that_is_no_key_is_refused(service: Running, key: str) -> None:
    answer = service.client.post(
        "/trigger", json={"data_url": DATA_URL}, headers=[(b"Idempotency-Key", key.encode("latin-1"))]
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "parameter_invalid")


@pytest.mark.parametrize("other", [{"data_url": f"{DATA_URL}?2"}, {"force": True}, {"task": "heart-disease"}])
def test_a_key_stands_for_one_request(service: Running, other: dict[str, Any]) -> None:
    headers = {"Idempotency-Key": f"key-{next(iter(other))}"}
    first = service.client.post("/trigger", json={"data_url": DATA_URL}, headers=headers)
    again = service.client.post("/trigger", json={"data_url": DATA_URL, "task": "passwords"}, headers=headers)
    another = service.client.post("/trigger", json={"data_url": DATA_URL} | other, headers=headers)

    assert first.json() == again.json()
    assert (another.status_code, another.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["bootstrap/passwords/0", "rollback x"])
def test_a_key_never_is_the_id_of_a_run_of_another_kind(service: Running, key: str) -> None:
    if " " not in key:
        answer = service.client.post("/trigger", json={"data_url": DATA_URL}, headers={"Idempotency-Key": key})
        assert answer.json()["run_id"] != new_run_id(key)
    rollback = service.client.post("/rollback", json={"task": "passwords"}, headers={"Idempotency-Key": "x"})
    trigger = service.client.post("/trigger", json={"data_url": DATA_URL}, headers={"Idempotency-Key": "x"})
    assert rollback.json()["run_id"] != trigger.json()["run_id"]
