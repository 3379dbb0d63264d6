from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from regraft_core.steps import STEPS
from regraft_core.workflows import PARAMETERS, PUT_BACK, RECORD
from regraft_pipeline.argo.template import manifests, prune_schedule, prune_template, workflow_template

BASE = Path(__file__).parents[4] / "k8s" / "base"


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(workflow_template().to_yaml())["spec"]
    return found


@pytest.fixture(scope="module")
def containers(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {template["name"]: template for template in spec["templates"] if "container" in template}


def test_the_committed_yaml_is_what_the_source_renders() -> None:
    for name, content in manifests().items():
        assert (BASE / name).read_text() == content, "run `make manifests`"


def test_pruning_is_called_every_night_as_a_step_is(spec: dict[str, Any]) -> None:
    pruned, schedule = yaml.safe_load(prune_template().to_yaml()), yaml.safe_load(prune_schedule().to_yaml())
    assert schedule["spec"]["workflowSpec"] == {"workflowTemplateRef": {"name": pruned["metadata"]["name"]}}
    for key in ("securityContext", "podMetadata", "serviceAccountName"):
        assert pruned["spec"][key] == spec[key]
    assert "onExit" not in pruned["spec"]  # it is no run, and leaves no record


def test_every_step_is_a_container_and_so_is_the_exit_handler(
    spec: dict[str, Any], containers: dict[str, dict[str, Any]]
) -> None:
    assert list(containers) == [*STEPS, PUT_BACK, RECORD]
    assert [container["container"]["args"] for container in containers.values()] == [[name] for name in containers]
    [exit_handler] = [template for template in spec["templates"] if template["name"] == spec["onExit"]]
    assert exit_handler["steps"] == [
        [
            {
                "name": PUT_BACK,
                "template": PUT_BACK,
                "when": "'{{workflow.status}}' != 'Succeeded'",
                "continueOn": {"error": True, "failed": True},
            }
        ],
        [{"name": RECORD, "template": RECORD}],
    ]


def test_what_may_be_the_entrypoint_asks_for_nothing_that_only_an_exit_handler_has(
    containers: dict[str, dict[str, Any]],
) -> None:
    asks = {name for name, container in containers.items() if re.search(r"workflow\.(status|failures)", str(container))}
    assert asks == {RECORD}


def test_a_step_follows_only_on_one_that_goes_on(spec: dict[str, Any]) -> None:
    chains = {template["name"]: template["steps"] for template in spec["templates"] if "steps" in template}
    chains.pop(spec["onExit"])
    train, rollback = chains.pop(spec["entrypoint"])[0]
    assert (train["template"], train["when"]) == ("from-download", "'{{workflow.parameters.kind}}' != 'rollback'")
    assert (rollback["template"], rollback["when"]) == ("from-deploy", "'{{workflow.parameters.kind}}' == 'rollback'")
    for step, after in itertools.pairwise([*STEPS, None]):
        [[first], *then] = chains.pop(f"from-{step}")
        assert first == {"name": step, "template": step}
        if after is None:
            assert then == []
        else:
            goes_on = f"'{{{{steps.{step}.outputs.parameters.outcome}}}}' == 'continue'"
            [[next_one, *others]] = then
            assert next_one == {"name": f"from-{after}", "template": f"from-{after}", "when": goes_on}
            assert [other["template"] for other in others] == (["from-deploy"] if step == "download" else [])
    assert chains == {}


def test_no_condition_asks_for_the_outcome_of_a_step_that_may_be_skipped(spec: dict[str, Any]) -> None:
    """Some releases of Argo wait for such an outcome for ever."""
    for template in spec["templates"]:
        never_skipped: set[str] = set()
        for group in template.get("steps", []):
            for step in group:
                asked = set(re.findall(r"steps\.([\w-]+)\.outputs", step.get("when", "")))
                assert asked <= never_skipped, f"{template['name']}: {step['name']}"
            never_skipped |= {step["name"] for step in group if "when" not in step}


def test_only_the_steps_have_deadlines(spec: dict[str, Any]) -> None:
    """One of the whole would count while a lock is waited for, and cut the record off."""
    assert "activeDeadlineSeconds" not in spec


def test_no_mesh_puts_a_proxy_beside_a_step(spec: dict[str, Any]) -> None:
    assert spec["podMetadata"]["labels"] == {"sidecar.istio.io/inject": "false"}
    assert spec["podMetadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def test_only_what_can_pass_is_tried_again(containers: dict[str, dict[str, Any]]) -> None:
    for container in containers.values():
        expression = container["retryStrategy"]["expression"]
        assert expression == (
            "lastRetry.status == 'Error' or asInt(lastRetry.exitCode) == 75 or "
            "(asInt(lastRetry.exitCode) in [-1, 137, 143] and not (lastRetry.message matches 'OOMKilled|deadline'))"
        )
        assert container["activeDeadlineSeconds"] > 0


def test_deploys_of_a_task_exclude_each_other(containers: dict[str, dict[str, Any]]) -> None:
    assert containers["deploy"]["synchronization"] == {
        "mutexes": [{"name": "regraft-deploy-{{workflow.parameters.task}}"}]
    }
    assert [name for name, container in containers.items() if "synchronization" in container] == ["deploy"]


def test_only_deploy_and_what_puts_back_after_it_have_the_account_that_may_deploy(
    spec: dict[str, Any], containers: dict[str, dict[str, Any]]
) -> None:
    accounts = {
        name: container.get("serviceAccountName", spec["serviceAccountName"]) for name, container in containers.items()
    }
    assert {accounts.pop("deploy"), accounts.pop(PUT_BACK)} == {"regraft-deploy"}
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
