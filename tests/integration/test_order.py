from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.checker import datasets
from tests.checker.client import PASSWORDS, Accepted, Service
from tests.integration.conftest import Poster
from tests.proofs import some
from tests.waiting import PATIENCE

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack


@pytest.mark.parametrize("seeds", some([(41, 42), (44, 43)], short=[(41, 42)]))
def test_of_two_triggers_at_once_the_later_accepted_serves(
    seeds: tuple[int, int], service: Service, poster: Poster
) -> None:
    together = Barrier(len(seeds))

    def post(seed: int) -> Accepted:
        together.wait()
        return service.trigger(poster.address("good", seed))

    with ThreadPoolExecutor() as pool:
        accepted = dict(zip(seeds, pool.map(post, seeds), strict=True))
    runs = {seed: service.wait(run, timeout=PATIENCE) for seed, run in accepted.items()}
    moments = {seed: str(service.run(run)["accepted_at"]) for seed, run in accepted.items()}
    earlier, later = sorted(seeds, key=moments.__getitem__)
    assert moments[earlier] < moments[later]
    assert runs[earlier].state in {"promoted", "superseded"}
    assert runs[later].state == "promoted"
    serving = service.predict(PASSWORDS, {"Password": ["abc"]})
    assert serving.version == runs[later].version
    assert serving.data_sha256 == hashlib.sha256(datasets.good(later)).hexdigest()
