from __future__ import annotations

import pytest

from tests.bench.hot_swap import swap_under_load
from tests.checker.client import Service
from tests.integration.conftest import Poster

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack


def test_no_request_fails_and_no_answer_is_mixed_while_versions_change(service: Service, poster: Poster) -> None:
    load, versions = swap_under_load(service, poster.base_url, seed=61, clients=4, promotions=2, pause=0.02)
    assert load.failures == []
    assert load.requests > 200
    assert set(versions) <= set(load.versions)
    assert {version: len(answers) for version, answers in load.versions.items()} == dict.fromkeys(load.versions, 1)
    answers = [answer for answers in load.versions.values() for answer in answers]
    assert len(set(answers)) == len(answers), "two versions answer the same, so the test shows nothing"
