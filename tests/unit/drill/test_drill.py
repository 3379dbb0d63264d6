from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace

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
    monkeypatch.setattr(kills, "pods_of", lambda *_, **__: pods)
    predictors = kills.predictors("passwords")
    assert predictors.pods() == ["one", "two"]
    pods.pop()
    assert predictors.pods() == []
    assert kills.pick([predictors], Random(1)) is None


def test_an_order_has_all_that_is_asked_for_and_begins_with_a_trigger() -> None:
    order = Drill(None, None, Random(1), triggers=20, kills=30, pause=0)._order()  # type: ignore[arg-type]
    assert order[0] == "trigger"
    assert (order.count("trigger"), order.count("kill")) == (20, 30)


class Played(Drill):
    """A drill in which nothing happens but time, which is counted."""

    ready: list[int]
    slept: float

    def _post(self) -> None:
        self.posted.append(None)  # type: ignore[arg-type]

    def _kill(self, asking: Asking) -> tuple[kills.Target, int]:
        self.killed["MLflow"] += 1
        return Slow("MLflow", "", behind=self.ready), 1


@dataclass(frozen=True)
class Slow(kills.Target):
    behind: list[int] = field(default_factory=list)

    def ready(self) -> int:
        return self.behind.pop() if self.behind else 1


def play(monkeypatch: pytest.MonkeyPatch, played: Played, ready: list[int]) -> float:
    """Play with a clock that only sleeping moves; return how long it took."""
    now = [0.0]
    sleep = lambda seconds: now.__setitem__(0, now[0] + seconds)  # noqa: E731
    monkeypatch.setattr("tests.drill.drill.time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    monkeypatch.setattr(drill, "two_predictors_each", lambda _: nullcontext())
    monkeypatch.setattr(drill, "settled", lambda: None)
    monkeypatch.setattr(Asking, "running", lambda _: nullcontext())
    for name in ("_wait", "_look"):
        monkeypatch.setattr(Played, name, lambda *_, **__: None)
    played.service = SimpleNamespace(trigger_url="", predict_url="")  # type: ignore[assignment]
    played.ready = ready
    played.play()
    return now[0]


def test_a_kill_waits_until_what_was_killed_is_ready_again_but_no_longer_than_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick = Played(None, None, Random(1), triggers=1, kills=3, pause=1e-9)  # type: ignore[arg-type]
    assert play(monkeypatch, quick, [0] * 5) == pytest.approx(3 * 12 + 5)
    assert quick.waited == pytest.approx(5)
    assert quick.not_back == 0
    broken = Played(None, None, Random(1), triggers=1, kills=2, pause=1e-9)  # type: ignore[arg-type]
    assert play(monkeypatch, broken, [0] * 200) == pytest.approx(2 * (12 + 61))
    assert broken.not_back == 2


def test_a_drill_keeps_to_its_time_and_says_what_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Played(None, None, Random(1), triggers=20, kills=30, pause=12, limit=300)  # type: ignore[arg-type]
    assert play(monkeypatch, short, []) < 300
    assert len(short.posted) + short.killed.total() + short.left_out == 50
    assert short.left_out > 20
    monkeypatch.setattr(drill, "runs_at_once", lambda: 3)
    short.posted.clear()
    table = short.table(Asking(("", ""), drill.TASKS))
    assert f"| left out for want of time | {short.left_out} |" in table
    assert "| runs at once, at most | 3 |" in table
