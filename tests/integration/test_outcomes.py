"""What really happened comes back, becomes a dataset, and nothing else of a request is kept anywhere."""

from __future__ import annotations

import csv
import io
import itertools
import subprocess
import sys
import time
from pathlib import Path

import httpx

from regraft_pipeline.tasks import heart_disease
from tests.checker import datasets
from tests.checker.stack import Stack
from tests.integration.conftest import Poster

TASK = "heart-disease"
MARKER = "kx7Q-marker-3fZ"
WAIT_SECONDS = 60


def records(rows: int) -> list[dict[str, float]]:
    """Return rows of the world that the checker's good datasets are of, and what really happened."""
    found = csv.DictReader(io.StringIO(datasets.heart_good(6).decode()))
    return [{name: float(value) for name, value in each.items()} for each in itertools.islice(found, rows)]


def test_outcomes_measure_what_serves_and_are_collected_into_a_dataset(
    stack: Stack, poster: Poster, tmp_path: Path
) -> None:
    assert poster.run("heart_good", 5, task=TASK, force=True).state == "promoted"  # whatever served before
    trigger = stack.trigger_url.rpartition("/")[0]
    told = records(300)
    answer = httpx.post(f"{trigger}/tasks/{TASK}/outcomes", json={"outcomes": told}, trust_env=False, timeout=60)
    assert (answer.status_code, answer.json()) == (202, {"rows": 300})
    fit = httpx.get(f"{trigger}/tasks/{TASK}/fit", trust_env=False, timeout=60).json()
    found = fit["measured"][0]
    assert found["rows"] >= 300
    assert abs(found["skill"] - found["held_out"]) < 4 * found["standard_error"]
    assert not found["lost"]
    output = tmp_path / "collected.csv"
    command = [str(Path(sys.executable).parent / "regraft"), "collect", TASK, "--since", "1h", "--url", trigger]
    subprocess.run([*command, "--output", str(output)], check=True, timeout=60)
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 300
    contract = heart_disease.TASK.contract
    assert list(rows[0]) == [column.name for column in contract.columns]
    assert [{name: float(value) for name, value in row.items()} for row in rows[-300:]] == [
        {name: each[name] for name in rows[0]} for each in told
    ]


def test_no_value_of_a_request_is_kept_anywhere_where_nobody_asks_for_it(stack: Stack) -> None:
    predict, trigger = (url.rpartition("/")[0] for url in (stack.predict_url, stack.trigger_url))
    with httpx.Client(trust_env=False, timeout=60) as ask:
        for body in ({"Password": [MARKER]}, {"Password": [MARKER] * 3}, {"Password": [MARKER], MARKER: [1]}):
            ask.post(f"{predict}/passwords/predict", json=body, headers={"X-Request-Id": MARKER})
        ask.post(f"{predict}/v1/models/passwords:predict", json={"instances": [MARKER, 7]})
        deadline = time.monotonic() + WAIT_SECONDS
        while (told := ask.get(f"{predict}/passwords/fit").json())["rows"] > (
            ask.get(f"{trigger}/tasks/passwords/fit").json()["rows"]
        ):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert told["rows"] >= 4
        pages = [ask.get(url).text for url in (f"{predict}/metrics", f"{trigger}/metrics", f"{trigger}/")]
    assert MARKER not in "".join([*pages, str(told)])
    files = [path for path in stack.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if MARKER.encode() in path.read_bytes()]
