from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.checker.client import Accepted
from tests.e2e.cluster import get
from tests.e2e.conftest import Installation
from tests.e2e.registry import Registry


def test_of_two_triggers_at_once_the_later_accepted_serves(
    service: Installation, registry: Registry, seed: int
) -> None:
    together = Barrier(2)

    def post(seed: int) -> Accepted:
        together.wait()
        return service.post("good", seed)

    with ThreadPoolExecutor() as pool:
        accepted = list(pool.map(post, [seed, seed + 1]))
    runs = {str(service.run(each)["accepted_at"]): service.end(each) for each in accepted}
    assert len(runs) == 2
    earlier, later = (runs[moment] for moment in sorted(runs))
    assert earlier.state in {"promoted", "superseded"}
    assert later.state == "promoted"
    assert service.serving() == registry.prod().number == later.version


def test_the_same_key_again_is_the_same_run(service: Installation, seed: int) -> None:
    first, again = (service.post("not_found", seed, key=f"key-{seed}") for _ in range(2))
    assert first == again
    assert service.end(first).state == "failed"
    assert service.post("not_found", seed, key=f"key-{seed}") == first
    assert len([item for item in get("workflows")["items"] if item["metadata"]["name"] == first.run_id]) == 1
