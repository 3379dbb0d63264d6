"""A short drill; ``make drill`` is the long one."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.drill.drill import Drill, settled
from tests.e2e.conftest import Installation
from tests.e2e.registry import Registry


def test_nothing_is_lost_and_all_agree_whatever_is_killed(
    service: Installation, registry: Registry, seed: int, tell: Callable[[str], None]
) -> None:
    settled()
    drill = Drill(service, registry, Random(seed), triggers=3, kills=5, pause=5.0, least=5.0, limit=800.0)
    asking = drill.play()
    tell(f"seed {seed}\n{drill.table(asking)}")
    assert drill.problems == []
