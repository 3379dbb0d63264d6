"""What rules, dashboard and docs/metrics.md say of metrics, held against what both services really export."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.checker.stack import Stack
from tests.integration.conftest import Poster
from tests.unit.monitoring.promql import Expression, alerts, expressions
from tests.waiting import PATIENCE

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(regraft_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
ADDED_BY_PROMETHEUS = {"job", "pod"}


@dataclass(frozen=True)
class Metric:
    """A metric as one of the services exports it."""

    type: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Exports:
    """Everything that both services export."""

    metrics: dict[str, Metric]
    series: dict[str, set[str]]
    """Labels by the name of the series."""


@pytest.fixture(scope="module")
def exports(stack: Stack, poster: Poster) -> Exports:
    """Let each kind of event that is counted happen once, then ask both services."""
    trigger, predictor = (f"http://127.0.0.1:{port}" for port in (stack.trigger_port, stack.predict_port))
    assert poster.run("good", seed=71, force=True).state == "promoted"
    with httpx.Client(timeout=PATIENCE) as client:
        client.post(f"{trigger}/trigger", json={})
        client.post(f"{predictor}/predict", json={"Password": ["a"]}).raise_for_status()
        _refuse_bundle(client, predictor, stack.folder / "models" / "empty")
        _collect_counts(client, trigger)
        waiting = poster.service.trigger(poster.address("good", 72))
        texts = [_metrics(client, trigger, having="regraft_runs_open{"), _metrics(client, predictor)]
        poster.service.wait(waiting, timeout=PATIENCE)
    metrics: dict[str, Metric] = {}
    series: dict[str, set[str]] = {}
    for family in (family for text in texts for family in text_string_to_metric_families(text)):
        if family.name.endswith("_created"):  # when a counter began, which nobody asks for
            continue
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        metrics[name] = Metric(family.type, frozenset(labels))
    return Exports(metrics, series | {"up": set()})


def _refuse_bundle(client: httpx.Client, predictor: str, folder: Path) -> None:
    """Let the predictor refuse a bundle in which nothing is."""
    folder.mkdir()
    (folder / "checksums.json").write_text("{}")
    assert client.post(f"{predictor}/v2/repository/models/{folder.name}/load").status_code == 503
    shutil.rmtree(folder)


def _collect_counts(client: httpx.Client, trigger: str) -> None:
    """Return when the counts of the version that serves have been collected: who asks for the fit sees to that."""
    deadline = time.monotonic() + PATIENCE
    while not client.get(f"{trigger}/tasks/passwords/fit").json()["columns"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _metrics(client: httpx.Client, url: str, *, having: str = "") -> str:
    """Return an export that has a text in it; a run is heard of a moment after it was accepted."""
    deadline = time.monotonic() + PATIENCE
    while having not in (text := client.get(f"{url}/metrics").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    return text


@pytest.mark.parametrize("expression", expressions(), ids=lambda expression: expression.place)
def test_rules_and_dashboard_ask_for_series_that_there_are(expression: Expression, exports: Exports) -> None:
    assert expression.selectors
    for name, labels in expression.selectors.items():
        assert name in exports.series
        assert labels.keys() <= exports.series[name] | ADDED_BY_PROMETHEUS, name
    known = set().union(*(exports.series[name] for name in expression.selectors))
    assert expression.groupings <= known


def test_every_metric_is_documented_with_type_and_labels(exports: Exports) -> None:
    documented = {
        name: Metric(kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(DOCUMENT)
    }
    exported = {name: metric for name, metric in exports.metrics.items() if name.startswith("regraft_")}
    assert documented == exported


def test_every_alert_is_documented() -> None:
    documented = set(re.findall(r"^\| `(Regraft\w+)` \| (\w+)", DOCUMENT, re.MULTILINE))
    assert documented == {(name, rule["labels"]["severity"]) for name, rule in alerts().items()}
