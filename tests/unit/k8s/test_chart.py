"""The Helm chart says what the overlay says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.k8s.rendered import ROOT, Object, kustomize, name_of, needs_kubectl

HELM = shutil.which("helm") or "/nowhere/helm"

pytestmark = [needs_kubectl, pytest.mark.skipif(not Path(HELM).exists(), reason="there is no helm")]

Identity = tuple[str, str]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chart") / "regraft"
    subprocess.run([sys.executable, ROOT / "k8s/scripts/chart.py", folder], check=True)
    return folder


def test_helm_finds_no_fault(chart: Path) -> None:
    done = subprocess.run([HELM, "lint", "--strict", chart], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_chart_equals_the_overlay(chart: Path) -> None:
    assert _by_identity(_template(chart)) == _without_namespace(kustomize("k8s/overlays/production"))


def test_other_values_are_other_settings(chart: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    settings = tmp_path / "k8s/overlays/production/settings.env"
    wanted = {"HOST": "a.b.example", "TRAIN_SECONDS": "77", "TAG": "9.8.7", "REGISTRY": "r.example/x/y", "NO_PROXY": ""}
    text = settings.read_text()
    for name, value in wanted.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    settings.write_text(text)
    keys = {
        "HOST": "host",
        "TRAIN_SECONDS": "trainSeconds",
        "TAG": "tag",
        "REGISTRY": "registry",
        "NO_PROXY": "noProxy",
    }
    values = [word for name, value in wanted.items() for word in ("--set", f"{keys[name]}={value}")]
    expected = _without_namespace(kustomize(tmp_path / "k8s/overlays/production"))
    assert _by_identity(_template(chart, *values)) == expected


def _template(chart: Path, *options: str) -> list[Object]:
    command = [HELM, "template", "regraft", str(chart), "--namespace", "regraft", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]


def _by_identity(objects: list[Object]) -> dict[Identity, Object]:
    return {(each["kind"], name_of(each)): each for each in objects}


def _without_namespace(objects: tuple[Object, ...]) -> dict[Identity, Object]:
    return _by_identity([each for each in objects if each["kind"] != "Namespace"])
