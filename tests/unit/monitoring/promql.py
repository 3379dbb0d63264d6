"""Reads the alert rules and the dashboard: which expressions they hold, and which series those ask for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPONENT = ROOT / "k8s" / "components" / "monitoring"

SELECTOR = re.compile(r"\b((?:regraft|process)_[a-z_0-9]+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")
VARIABLES = {"$__rate_interval": "5m", "$__interval": "5m", "$task": ".*"}


@dataclass(frozen=True)
class Expression:
    """A PromQL expression and where it stands."""

    place: str
    text: str

    @property
    def selectors(self) -> dict[str, dict[str, str]]:
        """Names of the series that are asked for, with the labels that must match and their values."""
        return {
            name: {label: value for label, _, value in MATCHER.findall(matchers)}
            for name, matchers in SELECTOR.findall(self.text)
        }

    @property
    def groupings(self) -> set[str]:
        """Labels that the expression is grouped or joined by."""
        return {label.strip() for labels in GROUPING.findall(self.text) for label in labels.split(",")}


def rules() -> dict[str, Any]:
    """Return the rule groups as Prometheus reads them from a file."""
    resource: dict[str, Any] = yaml.safe_load((COMPONENT / "rules.yaml").read_text())
    spec: dict[str, Any] = resource["spec"]
    return spec


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerts by their names."""
    return {rule["alert"]: rule for group in rules()["groups"] for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    found: dict[str, Any] = json.loads((COMPONENT / "dashboard.json").read_text())
    return found


def expressions() -> list[Expression]:
    """Return all expressions, those of the dashboard with its variables filled in."""
    return [*(Expression(name, rule["expr"]) for name, rule in alerts().items()), *_dashboard_expressions()]


def _dashboard_expressions() -> Iterator[Expression]:
    board = dashboard()
    texts = [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
    texts += [(note["name"], note["expr"]) for note in board["annotations"]["list"]]
    for title, text in texts:
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)  # noqa: PLW2901
        yield Expression(title, text)


def promtool(*arguments: str, cwd: Path) -> str:
    """Run promtool and return what it prints; the test is skipped where it is missing."""
    done = subprocess.run([program("promtool"), *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def program(name: str) -> str:
    """Return where a program of Prometheus is; the test is skipped where it is missing."""
    found = shutil.which(name) or shutil.which(name, path=str(ROOT / ".tools" / "bin"))
    if found is None:
        pytest.skip(f"there is no {name}; scripts/promtool.sh gets it on Debian")
    return found
