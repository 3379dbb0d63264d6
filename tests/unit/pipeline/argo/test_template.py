from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from regraft_core.runs import STEPS
from regraft_core.workflows import PARAMETERS
from regraft_pipeline.argo.template import workflow_template

RENDERED = Path(__file__).parents[4] / "k8s" / "base" / "workflow-template.yaml"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow_template().to_yaml())["spec"]
    return found


@pytest.fixture(scope="module")
def containers(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {template["name"]: template for template in spec["templates"] if "container" in template}


def test_the_committed_yaml_is_what_the_source_renders() -> None:
    assert RENDERED.read_text() == workflow_template().to_yaml(), "run `make manifests`"


def test_every_step_is_a_container_and_so_is_the_exit_handler(
    spec: dict[str, Any], containers: dict[str, dict[str, Any]]
) -> None:
    assert list(containers) == [*STEPS, "record"]
    assert [container["container"]["args"] for container in containers.values()] == [[name] for name in containers]
    assert spec["onExit"] == "record"


def test_a_step_follows_only_on_one_that_goes_on(spec: dict[str, Any]) -> None:
    steps = next(template["steps"] for template in spec["templates"] if template["name"] == spec["entrypoint"])
    conditions = {step["name"]: step["when"] for [step] in steps}
    assert conditions["download"] == "'{{workflow.parameters.kind}}' != 'rollback'"
    assert conditions["train"] == "'{{steps.validate.outputs.parameters.outcome}}' == 'continue'"
    assert conditions["deploy"].startswith("'{{workflow.parameters.kind}}' == 'rollback' || ")


def test_only_what_can_pass_is_tried_again(containers: dict[str, dict[str, Any]]) -> None:
    for container in containers.values():
        expression = container["retryStrategy"]["expression"]
        assert expression == "lastRetry.status == 'Error' or asInt(lastRetry.exitCode) == 75"
        assert container["activeDeadlineSeconds"] > 0


def test_deploys_of_a_task_exclude_each_other(containers: dict[str, dict[str, Any]]) -> None:
    assert containers["deploy"]["synchronization"] == {
        "mutexes": [{"name": "regraft-deploy-{{workflow.parameters.task}}"}]
    }
    assert [name for name, container in containers.items() if "synchronization" in container] == ["deploy"]


def test_only_deploy_has_the_account_that_may_deploy(
    spec: dict[str, Any], containers: dict[str, dict[str, Any]]
) -> None:
    accounts = {
        name: container.get("serviceAccountName", spec["serviceAccountName"]) for name, container in containers.items()
    }
    assert accounts.pop("deploy") == "regraft-deploy"
    assert set(accounts.values()) == {"regraft-step"}


def test_pods_pass_the_restricted_standard(spec: dict[str, Any], containers: dict[str, dict[str, Any]]) -> None:
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for container in containers.values():
        assert container["container"]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["container"]["resources"].keys() == {"requests", "limits"}


def test_steps_get_the_whole_request(spec: dict[str, Any], containers: dict[str, dict[str, Any]]) -> None:
    assert [parameter["name"] for parameter in spec["arguments"]["parameters"]] == list(PARAMETERS)
    for container in containers.values():
        values = {variable["value"] for variable in container["container"]["env"]}
        assert {f"{{{{workflow.parameters.{name}}}}}" for name in PARAMETERS} <= values
