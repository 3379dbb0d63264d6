"""What really happened comes back on the cluster: predictors' pods are asked, and the bucket keeps it."""

from __future__ import annotations

import csv
import io

import httpx

from tests.e2e.conftest import DATASETS_URL, URL, Installation
from tests.integration.test_outcomes import TASK, records

ROWS = 300


def test_outcomes_measure_what_serves_and_are_collected(service: Installation) -> None:
    good = service.trigger(f"{DATASETS_URL}/heart_good.csv?seed=5", task=TASK, force=True)
    assert service.end(good).state == "promoted"
    told = records(ROWS)
    answer = httpx.post(f"{URL}/tasks/{TASK}/outcomes", json={"outcomes": told}, timeout=60)
    assert (answer.status_code, answer.json()) == (202, {"rows": ROWS}), answer.text
    fit = httpx.get(f"{URL}/tasks/{TASK}/fit", timeout=60).json()
    found = next(each for each in fit["measured"] if each["version"] == answer_version())
    assert found["rows"] >= ROWS
    assert not found["lost"]
    collected = httpx.get(f"{URL}/tasks/{TASK}/collected", params={"since": "1h"}, timeout=60)
    rows = list(csv.DictReader(io.StringIO(collected.text)))
    assert len(rows) >= ROWS
    assert rows[0].keys() == told[0].keys()


def test_every_prediction_names_its_request() -> None:
    for headers, expected in (({"X-Request-Id": "mine-1"}, "mine-1"), ({}, None)):
        answer = httpx.post(f"{URL}/predict", json={"Password": ["a"]}, headers=headers)
        found = answer.headers["Regraft-Request-Id"]
        assert found == expected or (expected is None and found)


def answer_version() -> str:
    """Return the version that the predictor of the task says it is."""
    version: str = httpx.get(f"{URL}/{TASK}/schema").headers["Regraft-Model-Version"]
    return version
