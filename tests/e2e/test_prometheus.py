"""A Prometheus server reads what the trigger service exports, and an alert of ours fires."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e.cluster import NAMESPACE, forwarded
from tests.e2e.conftest import Installation
from tests.unit.monitoring.promql import program, rules

pytestmark = pytest.mark.long

Alert = dict[str, Any]

SECONDS = 30.0


def test_a_prometheus_server_fires_where_datasets_are_rejected_in_a_row(
    service: Installation, tmp_path: Path, seed: int
) -> None:
    server = program("prometheus")
    rejected = [service.post("drifted", seed + number) for number in range(3)]
    assert {service.end(run).state for run in rejected} == {"rejected"}
    with (
        forwarded("regraft-trigger", 80, namespace=NAMESPACE) as trigger,
        _prometheus(server, tmp_path, target=trigger.removeprefix("http://")) as url,
    ):
        firing = _firing(url, "RegraftRejectedInARow")
    assert firing["labels"] == {"alertname": "RegraftRejectedInARow", "severity": "warning", "task": "passwords"}
    assert firing["annotations"]["summary"].endswith("datasets in a row were rejected for passwords")
    assert int(firing["annotations"]["summary"].split()[0]) >= 3


@contextmanager
def _prometheus(server: str, folder: Path, *, target: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules()))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "regraft-trigger", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    options = [f"--web.listen-address=127.0.0.1:{port}", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with subprocess.Popen([server, *options, "--log.level=error"], cwd=folder) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _firing(url: str, name: str) -> Alert:
    """Return an alert once it fires."""
    deadline = time.monotonic() + SECONDS
    while True:
        for alert in _alerts(url):
            if (alert["labels"]["alertname"], alert["state"]) == (name, "firing"):
                return alert
        assert time.monotonic() < deadline, f"{name} does not fire"
        time.sleep(0.1)


def _alerts(url: str) -> list[Alert]:
    try:
        alerts: list[Alert] = httpx.get(f"{url}/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
    except httpx.HTTPError:
        return []
    return alerts
