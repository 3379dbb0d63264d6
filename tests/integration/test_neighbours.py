"""Datasets that were made to do harm: each gets its own end, and good ones behind them are promoted all the same."""

from __future__ import annotations

import httpx
import pytest

from tests.checker.client import HEART_DISEASE, PASSWORDS, Accepted, RunView, Service
from tests.checker.hostile import HOSTILE, Hostile
from tests.integration.conftest import Poster

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack

SEED = 81


@pytest.fixture(scope="module")
def posted(service: Service, poster: Poster) -> dict[str, Accepted]:
    """All are sent at once, and behind them a good dataset of each task."""
    sent = {hostile.name: send(service, hostile) for hostile in HOSTILE}
    good = {
        task: service.trigger(poster.address(name, SEED), task=task)
        for task, name in ((PASSWORDS, "good"), (HEART_DISEASE, "heart_good"))
    }
    return sent | good


def send(service: Service, hostile: Hostile) -> Accepted:
    answer = httpx.post(
        service.trigger_url,
        params={"task": hostile.task},
        content=hostile.make(1),
        headers={"Content-Type": hostile.content_type},
        timeout=30,
        trust_env=False,
    )
    assert answer.status_code == 202, answer.text
    return Accepted(answer.json()["run_id"], answer.json()["status_url"])


@pytest.mark.parametrize("task", [PASSWORDS, HEART_DISEASE])
def test_a_good_dataset_behind_them_is_promoted(task: str, posted: dict[str, Accepted], service: Service) -> None:
    run = service.wait(posted[task], timeout=200)
    assert run.state == "promoted", run.message
    answer = httpx.get(f"{service.predict_url.removesuffix('/predict')}/{task}/schema", trust_env=False)
    assert answer.headers["Regraft-Model-Version"] == run.version


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_each_ends_with_its_own_code(hostile: Hostile, posted: dict[str, Accepted], service: Service) -> None:
    run: RunView = service.wait(posted[hostile.name], timeout=60)
    assert run.state == "rejected", run.message
    assert hostile.code in run.codes
    assert run.version is None
