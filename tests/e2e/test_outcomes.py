"""What really happened comes back on the cluster and closes the loop: all pods are asked, and the bucket keeps it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.checker.world import World, aged, patients
from tests.e2e.conftest import DATASETS_URL, URL, Installation

TASK = "heart-disease"
YOUNG, OLD = patients(6)[:250], aged(patients(7))


@pytest.fixture
def world(service: Installation) -> Iterator[World]:
    """A world around a version that nobody has asked anything."""
    good = service.trigger(f"{DATASETS_URL}/heart_good.csv?seed=5", task=TASK, force=True)
    assert service.end(good).state == "promoted"
    world = World(URL, URL, task=TASK)
    yield world
    world.close()


def test_the_loop_closes_by_itself_when_the_world_changes(world: World, service: Installation) -> None:
    world.ask(YOUNG)
    assert world.tell(YOUNG) == len(YOUNG)
    fits = world.fit(rows=len(YOUNG))
    assert fits["state"] == "fits"
    (measured,) = [each for each in fits["measured"] if each["version"] == service.serving(TASK)]
    assert measured["rows"] == len(YOUNG)
    assert not measured["lost"]

    world.ask(OLD)
    world.tell(OLD)
    assert world.fit(rows=len(YOUNG) + len(OLD))["state"] == "unfit"
    rows = collected()
    assert len(rows) >= len(YOUNG) + len(OLD)
    assert rows[0].keys() == YOUNG[0].keys()

    run = world.collect()
    assert run["state"] == "promoted", run
    drift = next(each for each in run["verdict"]["reasons"] if each["column"] == "age")
    assert (drift["code"], drift["severity"]) == ("input_drift", "warning")
    world.ask(YOUNG + OLD)
    assert world.fit(rows=len(YOUNG) + len(OLD))["state"] == "fits"


def test_every_prediction_names_its_request() -> None:
    for headers, expected in (({"X-Request-Id": "mine-1"}, "mine-1"), ({}, None)):
        answer = httpx.post(f"{URL}/predict", json={"Password": ["a"]}, headers=headers)
        found = answer.headers["Regraft-Request-Id"]
        assert found == expected or (expected is None and found)


def collected() -> list[dict[str, Any]]:
    """Return the dataset of what was asked and what happened."""
    answer = httpx.get(f"{URL}/tasks/{TASK}/collected", params={"since": "1h"}, timeout=60)
    return list(csv.DictReader(io.StringIO(answer.text)))
