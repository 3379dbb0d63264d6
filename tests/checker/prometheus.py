"""A Prometheus server that reads what services export and judges rules by it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.checker.stack import free_ports

SECONDS = 120.0
"""What is told of requests is collected each minute."""

type Alert = dict[str, Any]


class Prometheus:
    """A server that runs."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """Return what an expression gives now, nothing where the server does not answer yet."""
        found: list[dict[str, Any]] = self._get("query", "result", query=expression)
        return found

    def wait_for(self, expression: str) -> None:
        """Return once an expression gives anything."""
        deadline = time.monotonic() + SECONDS
        while not self.ask(expression):
            assert time.monotonic() < deadline, f"there is no {expression}"
            time.sleep(0.1)

    def firing(self, names: Collection[str]) -> dict[str, Alert]:
        """Return alerts by their names once all of these fire."""
        deadline = time.monotonic() + SECONDS
        while True:
            alerts = self._get("alerts", "alerts")
            found = {each["labels"]["alertname"]: each for each in alerts if each["state"] == "firing"}
            if missing := set(names) - set(found):
                assert time.monotonic() < deadline, f"{sorted(missing)} do not fire"
                time.sleep(0.1)
            else:
                return found

    def _get(self, path: str, field: str, **parameters: str) -> list[dict[str, Any]]:
        try:
            answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            return []
        found: list[dict[str, Any]] = answer.json()["data"][field]
        return found


@contextmanager
def prometheus(
    program: str, folder: Path, *, rules: Mapping[str, Any], targets: Mapping[str, str]
) -> Iterator[Prometheus]:
    """Let a server ask these targets, HOST:PORT by the name of the job, each second."""
    port = free_ports()[0]
    (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules)))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    options = [f"--web.listen-address=127.0.0.1:{port}", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with subprocess.Popen([program, *options, "--log.level=error"], cwd=folder) as process:
        try:
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
