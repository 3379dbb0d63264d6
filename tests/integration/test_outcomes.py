"""What really happened comes back and closes the loop, and nothing else of a request is kept anywhere."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from regraft_pipeline.tasks import heart_disease
from tests.checker.stack import Stack
from tests.checker.world import TARGET, World, aged, patients
from tests.integration.conftest import Poster
from tests.waiting import PATIENCE

pytestmark = pytest.mark.timeout(400)  # the first test here waits for the stack

TASK = heart_disease.TASK.name
REGRAFT = str(Path(sys.executable).with_name("regraft"))
MARKER = "kx7Q-marker-3fZ"
PECULIAR = 71.491827364


@pytest.fixture
def world(stack: Stack, poster: Poster) -> Iterator[World]:
    """A world around a version that nobody has asked anything."""
    assert poster.run("heart_good", 5, task=TASK, force=True).state == "promoted"
    world = World(stack.addresses["trigger service"], stack.addresses["predictor"])
    yield world
    world.close()


def test_the_loop_closes_by_itself_when_the_world_changes(world: World, stack: Stack, tmp_path: Path) -> None:
    young, old = patients(6)[:300], aged(patients(7))
    world.ask(young)
    assert world.tell(young) == len(young)
    fits = world.fit(rows=len(young))
    assert fits["state"] == "fits"
    assert fits["estimated"].keys() >= {"accuracy", "roc_auc"}
    (measured,) = fits["measured"][:1]
    assert measured["rows"] == len(young)
    assert abs(measured["skill"] - measured["held_out"]) < 4 * measured["standard_error"]
    assert not measured["lost"]
    assert collected(stack, tmp_path)[-len(young) :] == young

    world.ask(old)
    world.tell(old)
    unfit = world.fit(rows=len(young) + len(old))
    assert unfit["state"] == "unfit"
    assert max(unfit["columns"], key=lambda column: column["psi"] or 0)["name"] == "age"
    assert unfit["since"] >= fits["since"]

    run = world.collect()
    assert run["state"] == "promoted", run
    (drift,) = [each for each in reasons(run) if each["column"] == "age"]
    assert (drift["code"], drift["severity"]) == ("input_drift", "warning")
    assert drift["figures"]["psi_asked"] < 0.1  # the inputs agree with what is asked now
    world.ask(young + old)
    assert world.fit(rows=len(young) + len(old))["state"] == "fits"


@pytest.mark.long  # that a target drifts, and what a blessing does, have short tests of their own
def test_a_target_that_has_drifted_waits_for_a_person(world: World, stack: Stack, poster: Poster) -> None:
    healthy = [each for seed in (8, 9, 10) for each in patients(seed, dataset="heart_rare_class")]
    world.ask(healthy)
    world.tell(healthy)
    run = world.collect()
    assert run["state"] == "rejected"
    assert "target_drift" in {each["code"] for each in reasons(run)}
    good = poster.run("heart_good", 5, task=TASK, force=True)
    try:
        bless(stack, run["run_id"])
        assert world.collect()["state"] == "promoted"
    finally:
        bless(stack, good.run_id)


def reasons(run: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run["verdict"]["reasons"]
    return found


def bless(stack: Stack, run_id: str) -> None:
    command = [REGRAFT, "bless", run_id, "--by", "ada", "--why", "the world is so now", "--data", str(stack.folder)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def collected(stack: Stack, folder: Path) -> list[dict[str, float]]:
    """Return the dataset of what was asked and what happened, as a file of the contract's form."""
    file = folder / "collected.csv"
    command = [REGRAFT, "collect", TASK, "--since", "1h", "--url", stack.addresses["trigger service"]]
    subprocess.run([*command, "--output", str(file)], check=True, timeout=60, capture_output=True)
    with file.open(newline="") as lines:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(lines)]
    assert list(rows[0]) == [column.name for column in heart_disease.TASK.contract.columns]
    return rows


def test_no_value_of_a_request_is_kept_anywhere_where_nobody_asks_for_it(stack: Stack, poster: Poster) -> None:
    trigger, predict = stack.addresses["trigger service"], stack.addresses["predictor"]
    with httpx.Client(trust_env=False, timeout=60, headers={"X-Request-Id": MARKER}) as client:
        ask_in_every_way(client, predict)
        told = client.post(f"{trigger}/tasks/passwords/outcomes", json={"outcomes": [{"id": MARKER, MARKER: 1}]})
        assert told.status_code == 400
        said = collected_counts(client, trigger, predict)
        assert poster.run("drifted", 1).state == "rejected"  # a course whose gates look at what was asked
        paths = ("/metrics", "/", "/runs", "/tasks", f"/tasks/{TASK}/fit")
        pages = [client.get(f"{predict}/metrics").text, *(client.get(f"{trigger}{path}").text for path in paths)]
    marks = (MARKER, repr(PECULIAR), repr(PECULIAR * 3))
    assert not [mark for mark in marks if mark in "".join([*pages, said])]
    files = [path for path in stack.folder.rglob("*") if path.is_file()]
    assert {"up.log", "regraft.db"} <= {path.name for path in files}
    assert not [path for path in files for mark in marks if mark.encode() in content_of(path)]


def ask_in_every_way(client: httpx.Client, predict: str) -> None:
    """Send the marker in every format, where it is right, refused and lost; and numbers that nobody else has."""
    good: list[tuple[str, Any]] = [
        ("predict", {"Password": [MARKER]}),
        ("predict", {"Password": [MARKER] * 3, "explain": True}),
        ("predict", {"Password": MARKER}),
        ("predict", [{"Password": MARKER}]),
        ("predict", {"dataframe_split": {"columns": ["Password"], "data": [[MARKER]]}}),
        ("invocations", {"inputs": {"Password": [MARKER]}, "params": {MARKER: 1}}),
        ("v1", {"instances": [MARKER]}),
        ("v2", {"id": MARKER, "inputs": [tensor([MARKER])]}),
    ]
    refused: list[tuple[str, Any]] = [
        ("predict", {"Password": [MARKER], MARKER: [1]}),
        ("predict", {"Password": [[MARKER]]}),
        ("predict", {MARKER: MARKER}),
        ("predict", [MARKER, 7]),
        ("invocations", {"dataframe_records": [{MARKER: MARKER}]}),
        ("v1", {"instances": [MARKER, 7]}),
        ("v2", {"inputs": [tensor([MARKER, 1]), tensor([])]}),
        (MARKER, {"Password": [MARKER]}),
    ]
    paths = {"v1": "/v1/models/passwords:predict", "v2": "/v2/models/passwords/infer"}
    for requests, statuses in ((good, {200}), (refused, {400, 404})):
        for way, body in requests:
            answer = client.post(f"{predict}{paths.get(way, f'/passwords/{way}')}", json=body)
            assert answer.status_code in statuses, (body, answer.text)
    packed = gzip.compress(json.dumps({"Password": [MARKER]}).encode())
    for content, headers in ((packed, {"Content-Encoding": "gzip"}), (f"{{{MARKER}".encode(), {}), (b"\xff", {})):
        client.post(f"{predict}/passwords/predict", content=content, headers=headers)
    patient = {name: value for name, value in patients(1)[0].items() if name != TARGET}
    for value in (PECULIAR, -PECULIAR, str(PECULIAR), PECULIAR * 3):
        for column in ("oldpeak", "chol", "age"):
            client.post(f"{predict}/{TASK}/predict", json={"dataframe_records": [{**patient, column: value}]})


def tensor(values: list[Any]) -> dict[str, Any]:
    return {"name": "Password", "shape": [len(values)], "datatype": "BYTES", "data": values}


def collected_counts(client: httpx.Client, trigger: str, predict: str) -> str:
    """Return what is said of the fit once all that was asked has been collected."""
    deadline = time.monotonic() + PATIENCE
    while (told := client.get(f"{predict}/passwords/fit").json())["rows"] > (
        client.get(f"{trigger}/tasks/passwords/fit").json()["rows"]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert told["rows"] >= 10
    return str(told)


def content_of(path: Path) -> bytes:
    """Return what a file says, unpacked."""
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
