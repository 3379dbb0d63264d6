from __future__ import annotations

from collections.abc import Callable

from tests.bench.hot_swap import swap_under_load
from tests.e2e.conftest import DATASETS_URL, Installation


def test_no_request_fails_while_versions_change(service: Installation, seed: int, tell: Callable[[str], None]) -> None:
    load, versions = swap_under_load(service, DATASETS_URL, seed=seed, clients=8, promotions=2, pause=0.05)
    assert load.failures == []
    assert set(versions) <= set(load.versions)
    assert {version: len(answers) for version, answers in load.versions.items()} == dict.fromkeys(load.versions, 1)
    tell(f"{load.requests} requests, slowest {load.slowest * 1000:.0f} ms")
