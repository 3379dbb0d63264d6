"""The alert rules, checked and tested by promtool."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from regraft_core.runs import RunState
from tests.unit.monitoring.promql import COMPONENT, ROOT, alerts, dashboard, expressions, promtool, rules

TESTS = Path(__file__).with_name("rules_test.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules()))
    shutil.copy(TESTS, tmp_path)
    return tmp_path


def test_promtool_takes_every_rule(folder: Path) -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", "rules.yaml", cwd=folder)


def test_rules_fire_when_they_should(folder: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS.name, cwd=folder)


def test_every_alert_is_tested_firing_and_quiet() -> None:
    tests = [one for group in yaml.safe_load(TESTS.read_text())["tests"] for one in group["alert_rule_test"]]
    firing = {one["alertname"] for one in tests if one.get("exp_alerts")}
    assert firing == alerts().keys()


def test_every_expression_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    recorded = [{"record": f"r:{n}", "expr": expression.text} for n, expression in enumerate(expressions())]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": recorded}]}))
    assert f"{len(recorded)} rules found" in promtool("check", "rules", "all.yaml", cwd=tmp_path)


def test_states_of_runs_are_called_what_they_are() -> None:
    states = {value for one in expressions() for labels in one.selectors.values() if (value := labels.get("state"))}
    assert states
    assert states <= set(RunState)


def test_alerts_say_what_is_and_what_to_do() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert rule["annotations"].keys() == {"summary", "description"}, name


def test_grafana_finds_the_dashboard_in_a_config_map(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("there is no kubectl")
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    component = os.path.relpath(COMPONENT, overlay.resolve())
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"namespace": "regraft", "components": [component]}))
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, check=True)
    resources = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert resources.keys() == {"ConfigMap", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
    assert resources["ConfigMap"]["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert json.loads(resources["ConfigMap"]["data"]["regraft.json"]) == dashboard()


def test_alerts_and_dashboard_are_part_of_the_component() -> None:
    component = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())
    files = {*component["resources"], "dashboard.json", "kustomization.yaml"}
    assert {path.name for path in COMPONENT.iterdir()} == files
    assert component["configMapGenerator"][0]["files"] == ["regraft.json=dashboard.json"]
    production = (ROOT / "k8s" / "overlays" / "production" / "kustomization.yaml").read_text()
    assert "components/monitoring" in production
