"""Datasets and servers that were made to do harm: each gets its own end, and good ones behind them are promoted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import pytest

from tests import plain
from tests.checker.client import HEART_DISEASE, PASSWORDS, Accepted, RunView, Service
from tests.checker.hostile import HOSTILE, Hostile
from tests.checker.transports import TRANSPORTS, Transport, hostile_server
from tests.integration.conftest import Poster
from tests.proofs import chosen, some
from tests.waiting import PATIENCE

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack

SEED = 81
SHORT = {"objects", "columns_twice", "long_numbers", "parquet_of_one_word", "silence", "endless_head", "loop"}
"""A few of each task. What the gates and the download make of each alone is held in tests/unit/fuzz."""


@pytest.fixture(scope="module")
def hostile_url() -> Iterator[str]:
    with hostile_server() as url:
        yield url


@pytest.fixture(scope="module")
def posted(request: pytest.FixtureRequest, service: Service, poster: Poster, hostile_url: str) -> dict[str, Accepted]:
    """All are sent at once, and behind them a good dataset of each task."""
    sent = {hostile.name: send(service, hostile) for hostile in chosen(request, "hostile")}
    for transport, task in zip(chosen(request, "transport"), cycle((PASSWORDS, HEART_DISEASE)), strict=False):
        sent[transport.name] = service.trigger(f"{hostile_url}/{transport.name}", task=task)
    good = {
        task: service.trigger(poster.address(name, SEED), task=task)
        for task, name in ((PASSWORDS, "good"), (HEART_DISEASE, "heart_good"))
    }
    return sent | good


def send(service: Service, hostile: Hostile) -> Accepted:
    answer = plain.post(
        service.trigger_url,
        params={"task": hostile.task},
        content=hostile.make(1),
        headers={"Content-Type": hostile.content_type},
        timeout=30,
    )
    assert answer.status_code == 202, answer.text
    return Accepted(answer.json()["run_id"], answer.json()["status_url"])


@pytest.mark.parametrize("task", [PASSWORDS, HEART_DISEASE])
def test_a_good_dataset_behind_them_is_promoted(task: str, posted: dict[str, Accepted], service: Service) -> None:
    run = service.wait(posted[task], timeout=200)
    assert run.state == "promoted", run.message
    answer = plain.get(f"{service.predict_url.removesuffix('/predict')}/{task}/schema")
    assert answer.headers["Regraft-Model-Version"] == run.version


@pytest.mark.parametrize(
    "hostile",
    some(HOSTILE, short=[hostile for hostile in HOSTILE if hostile.name in SHORT]),
    ids=lambda hostile: hostile.name,
)
def test_each_ends_with_its_own_code(hostile: Hostile, posted: dict[str, Accepted], service: Service) -> None:
    run: RunView = service.wait(posted[hostile.name], timeout=PATIENCE)
    assert run.state == "rejected", run.message
    assert hostile.code in run.codes
    assert run.version is None


@pytest.mark.parametrize(
    "transport",
    some(TRANSPORTS, short=[transport for transport in TRANSPORTS if transport.name in SHORT]),
    ids=lambda transport: transport.name,
)
def test_each_server_ends_a_run_with_its_own_code(
    transport: Transport, posted: dict[str, Accepted], service: Service
) -> None:
    run = service.wait(posted[transport.name], timeout=PATIENCE)
    assert run.state == "failed"
    assert transport.codes & set(run.codes), run.message
