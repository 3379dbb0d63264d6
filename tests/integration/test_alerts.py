"""A Prometheus server reads what both services export, and each alert of the fit fires."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.checker.prometheus import prometheus
from tests.checker.stack import Stack
from tests.checker.world import TARGET, World, aged, patients
from tests.integration.conftest import Poster
from tests.unit.monitoring.promql import program, rules

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

ALERTS = ("RegraftRequestsDrift", "RegraftPredictionsDrift", "RegraftRequestsRefused", "RegraftSkillLost")
REFUSED = 150


def test_each_alert_of_the_fit_fires(stack: Stack, poster: Poster, tmp_path: Path) -> None:
    server = program("prometheus")
    trigger, predictor = stack.addresses["trigger service"], stack.addresses["predictor"]
    world = World(trigger, predictor)
    assert poster.run("heart_good", 5, task=world.task, force=True).state == "promoted"
    ill = aged([each for seed in range(10, 14) for each in patients(seed) if each[TARGET]])
    refuse(world, 1)  # a series that begins with its first hundred has grown by nothing
    targets = {
        "regraft-trigger": trigger.removeprefix("http://"),
        "regraft-predictor": predictor.removeprefix("http://"),
    }
    with prometheus(server, tmp_path, rules=at_once(), targets=targets) as at:
        at.wait_for(f'regraft_predictor_requests_total{{task="{world.task}",status="400"}}')
        refuse(world, REFUSED)
        world.ask(ill)
        world.tell([{**each, TARGET: 1 - each[TARGET]} for each in [*ill, *patients(14)]])
        world.fit(rows=len(ill))
        firing = at.firing(ALERTS)
    assert {firing[name]["labels"]["task"] for name in ALERTS} == {world.task}
    assert "break its contract" in firing["RegraftRequestsRefused"]["annotations"]["summary"]
    world.close()


def refuse(world: World, times: int) -> None:
    with httpx.Client(trust_env=False) as client:
        for _ in range(times):
            answer = client.post(f"{world.predict}/{world.task}/predict", json={"age": ["old"]})
            assert answer.status_code == 400


def at_once() -> dict[str, Any]:
    """Return the rules without the time that they wait before they tell."""
    found = rules()
    for group in found["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
    return found
