from __future__ import annotations

from random import Random

import pytest

from tests.drill import drill, kills
from tests.drill.asking import KNOWN_SECONDS, Asking, Failure
from tests.drill.drill import Drill


@pytest.mark.parametrize(
    ("began", "ended", "is_at_a_kill"),
    [
        (9.9, 10.1, True),
        (11.0 + KNOWN_SECONDS, 15.0, True),
        (11.1 + KNOWN_SECONDS, 15.0, False),
        (9.0, 9.9, False),
    ],
)
def test_only_what_was_in_flight_at_a_kill_is_counted_apart(began: float, ended: float, *, is_at_a_kill: bool) -> None:
    failure = Failure("passwords", began, ended, "502")
    asking = Asking(("", ""), drill.TASKS, kills=[(10.0, 11.0)], failures=[failure])
    assert asking.at_a_kill() == [failure] * is_at_a_kill
    assert asking.others() == [failure] * (not is_at_a_kill)


def test_a_pod_is_killed_only_where_enough_others_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    pods = [{"metadata": {"name": name}, "status": ready} for name in ("one", "two")]
    monkeypatch.setattr(kills, "get", lambda *_, **__: {"items": pods})
    predictors = kills.predictors("passwords")
    assert predictors.pods() == ["one", "two"]
    pods.pop()
    assert predictors.pods() == []
    assert kills.pick([predictors], Random(1)) is None


def test_an_order_has_all_that_is_asked_for_and_begins_with_a_trigger() -> None:
    order = Drill(None, None, Random(1), triggers=20, kills=30, pause=0)._order()  # type: ignore[arg-type]
    assert order[0] == "trigger"
    assert (order.count("trigger"), order.count("kill")) == (20, 30)
