"""A world that changes around a service: its people ask for predictions, tell what happened, and collect both."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.checker import datasets
from tests.checker.client import HEART_DISEASE

TARGET = datasets.HEART_HEADER[-1]
YEARS = 20
WAIT_SECONDS = 60

type Patient = dict[str, float]


def patients(seed: int, *, dataset: str = "heart_good") -> list[Patient]:
    """Return the rows of one of the checker's datasets: what is asked, and what really happened."""
    found = csv.DictReader(io.StringIO(datasets.MAKERS[dataset](seed).decode()))
    return [{name: float(value) for name, value in each.items()} for each in found]


def aged(rows: Sequence[Patient]) -> list[Patient]:
    """Return the same people when they are older."""
    return [{**each, "age": each["age"] + YEARS} for each in rows]


class World:
    """What happens around a service, whose two addresses end before the first slash."""

    def __init__(self, trigger: str, predict: str, *, task: str = HEART_DISEASE) -> None:
        self.trigger, self.predict, self.task = trigger, predict, task
        self._client = httpx.Client(trust_env=False, timeout=WAIT_SECONDS)

    def ask(self, rows: Sequence[Patient]) -> None:
        """Ask for all rows at once."""
        asked = [{name: value for name, value in each.items() if name != TARGET} for each in rows]
        self._post(f"{self.predict}/{self.task}/predict", {"dataframe_records": asked})

    def tell(self, rows: Sequence[Patient]) -> int:
        """Tell what really happened, and return of how many rows that was taken."""
        taken: int = self._post(f"{self.trigger}/tasks/{self.task}/outcomes", {"outcomes": rows})["rows"]
        return taken

    def fit(self, *, rows: int) -> dict[str, Any]:
        """Return whether what serves fits, once so many rows have been counted."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            answer = self._client.get(f"{self.trigger}/tasks/{self.task}/fit")
            found: dict[str, Any] = answer.json()
            if answer.is_success and found["rows"] >= rows:
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.1)

    def collect(self) -> dict[str, Any]:
        """Post what was asked and what happened as a dataset, and return the run when it has ended."""
        regraft = str(Path(sys.executable).with_name("regraft"))
        command = [regraft, "collect", self.task, "--since", "1h", "--url", self.trigger, "--wait", "--json"]
        done = subprocess.run(command, check=False, timeout=400, capture_output=True, text=True)
        assert done.stdout, done.stderr
        run: dict[str, Any] = json.loads(done.stdout)
        return run

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _post(self, url: str, body: object) -> dict[str, Any]:
        answer = self._client.post(url, json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found
