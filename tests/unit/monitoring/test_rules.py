"""The alert rules, checked and tested by promtool."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from regraft.core.runs import RunState
from tests.unit.monitoring.promql import COMPONENT, ROOT, alerts, expressions, promtool, rules

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


def test_alerts_and_dashboard_are_part_of_the_component() -> None:
    component = yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())
    files = {*component["resources"], "dashboard.json", "kustomization.yaml"}
    assert {path.name for path in COMPONENT.iterdir()} == files
    assert component["configMapGenerator"][0]["files"] == ["regraft.json=dashboard.json"]
    production = (ROOT / "k8s" / "overlays" / "production" / "kustomization.yaml").read_text()
    assert "components/monitoring" in production
