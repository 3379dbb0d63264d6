"""A task's objects: complete, such as the shipped ones, and a task again when they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from regraft_core.definition import TaskFileError, read_definition
from regraft_core.definition.objects import read_object
from regraft_core.errors import RegraftError
from regraft_pipeline import base
from regraft_pipeline.manifests import Place, render
from regraft_pipeline.tasks import SHIPPED

ROOT = Path(__file__).parents[3]
ROWS = 150
TEXT = """\
# What a seal weighs
apiVersion: regraft.dev/v1
kind: Task
name: seals
target: heavy
columns:
  - {name: length, type: number, unit: m}
  - {name: heavy, type: boolean}
gates: {one_target_per_input: false}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    length = rng.normal(2, 0.3, ROWS).round(3)
    heavy = np.where(length + rng.normal(0, 0.1, ROWS) > 2, "true", "false")
    pd.DataFrame({"length": length, "heavy": heavy}).to_csv(tmp_path / "reference.csv", index=False)
    (tmp_path / "task.yaml").write_text(TEXT)
    return tmp_path / "task.yaml"


def test_a_file_becomes_objects_that_are_the_task_again(file: Path) -> None:
    text = render(file, Place())
    objects = list(yaml.safe_load_all(text))
    assert [item["kind"] for item in objects] == ["ConfigMap", "InferenceService", "Ingress", "PodDisruptionBudget"]
    assert {item["metadata"]["labels"]["regraft.dev/task"] for item in objects} == {"seals"}
    assert {item["metadata"]["namespace"] for item in objects} == {"regraft"}
    definition, reference = read_object(objects[0]).sound()
    assert definition == read_definition(TEXT)
    assert (reference.rows, reference.task) == (ROWS, "seals")
    assert "storageUri" not in text
    assert "    # What a seal weighs\n" in text
    assert render(file, Place()) == text


def test_what_differs_from_site_to_site_can_be_said(file: Path) -> None:
    place = Place("ml", replicas=2, memory="3Gi", host="a.example", ingress_class="nginx", tls_secret="tls")
    _, service, way, _ = yaml.safe_load_all(render(file, place))
    predictor = service["spec"]["predictor"]
    assert (service["metadata"]["namespace"], predictor["minReplicas"]) == ("ml", 2)
    assert predictor["topologySpreadConstraints"][0]["topologyKey"] == "kubernetes.io/hostname"
    assert predictor["model"]["resources"]["limits"] == {"cpu": "2", "memory": "3Gi"}
    assert way["spec"]["ingressClassName"] == "nginx"
    assert way["spec"]["tls"] == [{"secretName": "tls", "hosts": ["a.example"]}]
    assert way["spec"]["rules"][0]["host"] == "a.example"


@pytest.mark.parametrize("task", SHIPPED)
def test_the_shipped_tasks_are_files_that_the_same_command_renders(task: str) -> None:
    file = ROOT / "pipeline" / "regraft_pipeline" / "tasks" / "shipped" / task / "task.yaml"
    config, service, way, _ = yaml.safe_load_all(render(file, Place()))
    found = read_object(config)
    assert found.error is None
    assert found.definition == read_definition(file.read_bytes())
    assert service["spec"] == _of("k8s/base/inference-services.yaml")[task]["spec"]
    paths = _of("k8s/base/ingress.yaml")["regraft"]["spec"]["rules"][0]["http"]["paths"]
    assert all(path in paths for path in way["spec"]["rules"][0]["http"]["paths"])


def test_the_manifests_of_the_shipped_tasks_are_those_that_are_committed() -> None:
    """``make manifests`` writes them anew."""
    assert {name: (ROOT / "k8s" / name).read_text() for name in base.files()} == base.files()


def test_the_shipped_tasks_stand_wherever_tasks_are_listed() -> None:
    settings = _of("k8s/base/settings.yaml")["regraft"]["data"]
    assert settings["REGRAFT_TASKS"] == ",".join(SHIPPED)
    routes = (ROOT / "k8s/components/gateway-api/routes.yaml").read_text()
    assert all(f"name: {task}-predictor" in routes for task in SHIPPED)


def test_what_cannot_be_a_task_is_refused_here(file: Path) -> None:
    file.write_text(TEXT.replace("seals", "runs"))
    with pytest.raises(TaskFileError, match=r"line 4.*cannot be named 'runs'"):
        render(file, Place())
    file.write_text(TEXT)
    reference = file.with_name("reference.csv")
    reference.write_text("\n".join(reference.read_text().splitlines()[:20]))
    with pytest.raises(RegraftError, match="does not pass the gates"):
        render(file, Place())
    reference.unlink()
    with pytest.raises(TaskFileError, match="regraft init"):
        render(file, Place())
    with pytest.raises(TaskFileError, match="cannot be read"):
        render(file.with_name("none.yaml"), Place())


def _of(path: str) -> dict[str, Any]:
    found = yaml.safe_load_all((ROOT / path).read_text())
    return {item["metadata"]["name"]: item for item in found}
