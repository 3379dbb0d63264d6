"""A Prometheus server reads what the trigger service exports, and an alert of ours fires."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.prometheus import prometheus
from tests.e2e.cluster import NAMESPACE, forwarded
from tests.e2e.conftest import Installation
from tests.unit.monitoring.promql import program, rules

pytestmark = pytest.mark.long


def test_a_prometheus_server_fires_where_datasets_are_rejected_in_a_row(
    service: Installation, tmp_path: Path, seed: int
) -> None:
    server_program, name = program("prometheus"), "RegraftRejectedInARow"
    rejected = [service.post("drifted", seed + number) for number in range(3)]
    assert {service.end(run).state for run in rejected} == {"rejected"}
    with forwarded("regraft-trigger", 80, namespace=NAMESPACE) as trigger:
        targets = {"regraft-trigger": trigger.removeprefix("http://")}
        with prometheus(server_program, tmp_path, rules=rules(), targets=targets) as server:
            firing = server.firing([name])[name]
    assert firing["labels"] == {"alertname": name, "severity": "warning", "task": "passwords"}
    assert firing["annotations"]["summary"].endswith("datasets in a row were rejected for passwords")
    assert int(firing["annotations"]["summary"].split()[0]) >= 3
