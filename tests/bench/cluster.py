"""How long it takes on a cluster from a trigger to answers by the new version: ``python -m tests.bench.cluster``.

Beside it, on the same cluster and in turn, the least that it can take: a Workflow of as many steps that do nothing, in
the same images under the same settings, and then a bare patch of ``storageUri`` until the other version answers. Works
against the cluster of kubectl's context, as ``make up`` leaves it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from regraft_core.workflows import TEMPLATE
from tests.bench import page
from tests.bench.latency import TIMEOUT, Trip, travel, wait_for
from tests.bench.material import passwords
from tests.checker.client import PASSWORDS, Service
from tests.e2e.cluster import get, kubectl, storage_uri

MOST_RATIO = 1.5
ENDED = ("Succeeded", "Failed", "Error")
FIRST_SEED = 2000
STEADY_ANSWERS, STEADY_PAUSE = 30, 0.1
"""Answers in a row, seconds apart, after which a version serves alone."""

RUN_FIELDS = ("outputs", "retryStrategy", "synchronization")
"""What a step of a real run has besides, and an empty one has no use for."""


def main() -> int:
    """Measure, print, write down. The exit code is 0 only if the ratio is as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cluster", description=__doc__)
    parser.add_argument("--trigger", default="http://localhost:8080/trigger", metavar="URL")
    parser.add_argument("--predict", default="http://localhost:8080/predict", metavar="URL")
    parser.add_argument("--data", default="http://datasets.regraft-datasets", metavar="URL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md as it is")
    options = parser.parse_args()
    trips: list[Trip] = []
    limits: list[tuple[float, float]] = []
    seed = FIRST_SEED + int(time.time()) % 1_000_000
    with Service(options.trigger, options.predict) as service:
        for number in range(options.rounds):
            before = storage_uri(PASSWORDS), serving_version(options.predict)
            trips.append(travel(service, options.data, seed + number))
            after = storage_uri(PASSWORDS), serving_version(options.predict)
            steps = run_empty_steps()
            try:
                limits.append((steps, patch(options.predict, *before)))
            finally:
                patch(options.predict, *after)  # what the registry says, whatever happened
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
    text, ratio = report(trips, limits)
    print(text)
    if not options.no_page:
        page.put(Path(__file__).parents[2] / "docs" / "speed.md", "cluster", text)
    return 0 if ratio < MOST_RATIO else 1


def serving_version(url: str) -> str:
    """Return the version that answers, once the pods of the version before are not asked any more."""
    seen: list[str] = []
    while len(seen) < STEADY_ANSWERS or len(set(seen[-STEADY_ANSWERS:])) > 1:
        answer = httpx.post(url, json={"Password": passwords(1)}, trust_env=False, timeout=10)
        seen.append(answer.headers["regraft-model-version"])
        time.sleep(STEADY_PAUSE)
    return seen[-1]


def run_empty_steps() -> float:
    """Run a Workflow of the template's steps that do nothing, and return how long it took, seconds."""
    workflow = empty_workflow(get("workflowtemplate", TEMPLATE)["spec"])
    began = time.monotonic()
    name = kubectl("create", "--filename", "-", "--output", "name", text=json.dumps(workflow)).strip()
    while (status := get(name).get("status", {})).get("phase") not in ENDED:
        if time.monotonic() - began > TIMEOUT:
            raise TimeoutError(f"{name} is {status.get('phase')}")
        time.sleep(0.1)
    seconds = time.monotonic() - began
    kubectl("delete", name)
    if status["phase"] != "Succeeded":
        raise RuntimeError(f"{name} has {status['phase']}: {status.get('message')}")
    return seconds


def empty_workflow(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Workflow with all that a WorkflowTemplate has but its work, and what follows once a version serves."""
    at_exit = spec["onExit"]
    templates = []
    for template in spec["templates"]:
        if template["name"] == at_exit:
            continue
        empty = {key: value for key, value in template.items() if key not in RUN_FIELDS}
        if "container" in template:
            empty["container"] = {**template["container"], "command": ["true"], "args": []}
        if "steps" in template:
            empty["steps"] = [
                [{key: value for key, value in step.items() if key != "when"} for step in group]
                for group in template["steps"]
            ]
        templates.append(empty)
    arguments = [
        {"name": each["name"], "value": each.get("value", "")} for each in spec["arguments"].get("parameters", [])
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "bench-empty-"},
        "spec": {
            **{key: value for key, value in spec.items() if key != "onExit"},
            "templates": templates,
            "arguments": {"parameters": arguments},
        },
    }


def patch(url: str, uri: str, version: str) -> float:
    """Set ``storageUri`` and return after how many seconds that version answered, once it serves alone."""
    change = {"spec": {"predictor": {"model": {"storageUri": uri}}}}
    began = time.monotonic()
    kubectl("patch", "inferenceservice", PASSWORDS, "--type", "merge", "--patch", json.dumps(change))
    wait_for(url, "regraft-model-version", version)
    seconds = time.monotonic() - began
    while serving_version(url) != version:
        pass
    return seconds


def report(trips: Sequence[Trip], limits: Sequence[tuple[float, float]]) -> tuple[str, float]:
    """Return the table, and the ratio of the medians."""
    rows: dict[str, list[float]] = {
        "trigger answers": [trip.accepted for trip in trips],
        **{f"step {name}": [trip.steps[name] for trip in trips] for name in trips[0].steps},
        "**trigger to the new version's answers**": [trip.served for trip in trips],
        "Workflow of empty steps": [steps for steps, _ in limits],
        "bare patch of `storageUri`": [change for _, change in limits],
        "**the two together**": [steps + change for steps, change in limits],
    }
    lines = ["| cluster, 1000 rows | median, s | least | most |", "|---|---:|---:|---:|"]
    for name, seconds in rows.items():
        lines.append(f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f} | {max(seconds):.1f} |")
    least = statistics.median(steps + change for steps, change in limits)
    ratio = statistics.median(trip.served for trip in trips) / least
    return "\n".join([*lines, "", f"Ratio {ratio:.2f}; the aim is under {MOST_RATIO:g}.", ""]), ratio


if __name__ == "__main__":
    sys.exit(main())
