"""Each component that a site may choose, in the overlay for production as it is rendered."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.unit.k8s.rendered import ROOT, Object, kustomize, name_of, needs_kubectl, of_kind

pytestmark = needs_kubectl

Overlay = Callable[..., tuple[Object, ...]]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    """Render the overlay with components besides those that it has, and other settings."""

    def render(*components: str, **settings: str) -> tuple[Object, ...]:
        shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
        folder = tmp_path / "k8s/overlays/production"
        kustomization, values = folder / "kustomization.yaml", folder / "settings.env"
        text = kustomization.read_text()
        for component in components:
            text, found = re.subn(rf"^  # (- ../../components/{component}\b)", r"  \1", text, flags=re.MULTILINE)
            assert found, f"{component} is not offered"
        kustomization.write_text(text)
        lines = values.read_text()
        for name, value in settings.items():
            lines, found = re.subn(rf"^{name}=.*", f"{name}={value}", lines, flags=re.MULTILINE)
            assert found, f"{name} is no setting"
        values.write_text(lines)
        return kustomize(folder)

    return render


def pods(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    """Yield every pod that the overlay makes, by the name of what makes it; steps as Argo puts them together."""
    for each in objects:
        match each["kind"]:
            case "Deployment" | "Job":
                yield name_of(each), each["spec"]["template"]["spec"]
            case "ServingRuntime":
                yield name_of(each), each["spec"]
            case "WorkflowTemplate":
                patch = yaml.safe_load(each["spec"].get("podSpecPatch", "{}"))
                more = (patch.get("containers") or [{}])[0].get("volumeMounts", [])
                for template in each["spec"]["templates"]:
                    if "container" in template:
                        container = template["container"]
                        mounts = [*container.get("volumeMounts", ()), *more]
                        volumes = [*template.get("volumes", ()), *patch.get("volumes", ())]
                        account = {"serviceAccountName": template.get("serviceAccountName", "regraft-step")}
                        yield (
                            template["name"],
                            account
                            | {
                                "containers": [container | {"volumeMounts": mounts}],
                                "volumes": volumes,
                            },
                        )


def containers(objects: tuple[Object, ...]) -> Iterator[tuple[str, Object]]:
    for name, pod in pods(objects):
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            yield f"{name}/{container.get('name', 'main')}", container


def data(objects: tuple[Object, ...], name: str) -> dict[str, str]:
    (found,) = (each for each in of_kind(objects, "ConfigMap") if name_of(each) == name)
    return dict(found["data"])


def test_every_component_is_offered_and_can_be_built(overlay: Overlay) -> None:
    text = (ROOT / "k8s/overlays/production/kustomization.yaml").read_text()
    offered = set(re.findall(r"\.\./\.\./components/([a-z0-9-]+)", text))
    assert offered == {path.name for path in (ROOT / "k8s/components").iterdir()}
    assert overlay(*re.findall(r"# - \.\./\.\./components/([a-z0-9-]+)", text))


def test_quota_gives_every_container_limits(overlay: Overlay) -> None:
    objects = overlay("quota")
    (limits,) = of_kind(objects, "LimitRange")
    (rule,) = limits["spec"]["limits"]
    assert rule["default"].keys() == {"cpu", "memory"}
    for name, container in containers(objects):
        requests = container.get("resources", {}).get("requests", {})
        limit = rule["default"] | container.get("resources", {}).get("limits", {})
        for resource, wanted in requests.items():
            assert quantity(wanted) <= quantity(limit[resource]), f"{name}: {resource}"


def quantity(text: str | int) -> float:
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "": 1}
    found = re.fullmatch(r"([\d.]+)([A-Za-z]*)", str(text))
    assert found
    return float(found[1]) * units[found[2]]


def test_ca_bundle_reaches_whoever_speaks_tls(overlay: Overlay) -> None:
    objects = overlay("ca-bundle")
    for name, container in containers(objects):
        if name.endswith("/secret-check"):
            continue
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts.get("ca") == "/etc/regraft/ca", name
        environment = {each["name"]: each.get("value") for each in container.get("env", ())}
        if {"configMapRef": {"name": "regraft"}} in container["envFrom"]:
            environment |= data(objects, "regraft")
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            assert environment[variable] == "/etc/regraft/ca/ca.crt", name
    for name, pod in pods(objects):
        assert {"name": "ca", "configMap": {"name": "regraft-ca"}} in pod["volumes"], name


def test_a_proxy_is_known_to_all_that_go_out(overlay: Overlay) -> None:
    objects = overlay(HTTPS_PROXY="http://proxy.example.com:3128", NO_PROXY="localhost,.svc")
    for name in ("regraft", "mlflow"):
        assert data(objects, name)["HTTPS_PROXY"] == "http://proxy.example.com:3128"
        assert data(objects, name)["NO_PROXY"] == "localhost,.svc"
    assert data(objects, "regraft")["REGRAFT_DATA_PROXY"] == "env"


def test_workload_identity_needs_no_keys(overlay: Overlay) -> None:
    objects = overlay("workload-identity")
    for name, container in containers(objects):
        for source in container.get("envFrom", ()):
            secret = source.get("secretRef", {})
            assert secret.get("name") != "regraft-s3" or secret["optional"], name
    assert all("secrets" not in account for account in of_kind(objects, "ServiceAccount"))
    assert any(name_of(policy) == "steps-identity" for policy in of_kind(objects, "NetworkPolicy"))


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "AWS_SECRET_ACCESS_KEY is not set"),
        ({"AWS_SECRET_ACCESS_KEY": "minioadmin-minioadmin"}, "everybody knows"),
        ({"AWS_SECRET_ACCESS_KEY": "x7Gh20plQ8vbnmTr"}, ""),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token"}, ""),
        ({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/var/run/secrets/token"}, ""),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_SECRET_ACCESS_KEY": "minio"}, "fewer than 12"),
    ],
)
def test_secret_check_agrees(environment: dict[str, str], says: str) -> None:
    check = ROOT / "k8s/components/secret-check/check.py"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REGRAFT_", "MLFLOW_"))}
    done = subprocess.run([sys.executable, check], env=clean | environment, capture_output=True, text=True, check=False)
    assert bool(done.returncode) is bool(says)
    assert says in done.stderr


def test_every_account_has_the_pull_secret_and_every_pod_an_account(overlay: Overlay) -> None:
    objects = overlay("pull-secret")
    accounts = {name_of(each) for each in of_kind(objects, "ServiceAccount")}
    for account in of_kind(objects, "ServiceAccount"):
        assert account["imagePullSecrets"] == [{"name": "regraft-pull"}]
    predictors = [(name_of(each), each["spec"]["predictor"]) for each in of_kind(objects, "InferenceService")]
    for name, pod in [*pods(objects), *predictors]:
        assert name == "regraft" or pod["serviceAccountName"] in accounts, name


def test_ipv6_binds_nothing_to_ipv4(overlay: Overlay) -> None:
    objects = overlay("ipv6")
    for name, container in containers(objects):
        assert "0.0.0.0" not in yaml.safe_dump(container), name
    hosts = [
        container
        for name, container in containers(objects)
        if name in ("regraft-trigger/trigger", "mlflow/mlflow", "regraft/kserve-container")
    ]
    assert len(hosts) == 3
    assert all("::" in yaml.safe_dump(container) for container in hosts)


def test_a_gateway_leads_where_the_ingress_does(overlay: Overlay) -> None:
    before = kustomize("k8s/overlays/production")
    objects = overlay("gateway-api", GATEWAY="outside", GATEWAY_NAMESPACE="edge")
    assert of_kind(objects, "Ingress") == []
    routes = {name_of(route): route["spec"] for route in of_kind(objects, "HTTPRoute")}
    for spec in routes.values():
        assert spec["parentRefs"] == [{"name": "outside", "namespace": "edge"}]
    assert routes["regraft"]["hostnames"] == ["regraft.example.com"]
    (ingress,) = (each for each in of_kind(before, "Ingress") if name_of(each) == "regraft")
    asked = {
        path["path"].rstrip("/") or "/": path["backend"]["service"]["name"]
        for path in ingress["spec"]["rules"][0]["http"]["paths"]
    }
    routed = {
        match["path"]["value"]: rule["backendRefs"][0]["name"]
        for rule in routes["regraft"]["rules"]
        for match in rule["matches"]
    }
    assert routed == asked


def test_no_sidecar_keeps_what_ends_from_ending() -> None:
    objects = kustomize("k8s/overlays/production")
    (job,) = of_kind(objects, "Job")
    templates = [template["spec"]["podMetadata"] for template in of_kind(objects, "WorkflowTemplate")]
    for metadata in (job["spec"]["template"]["metadata"], *templates):
        assert metadata["labels"]["sidecar.istio.io/inject"] == "false"
        assert metadata["annotations"]["linkerd.io/inject"] == "disabled"


def test_the_limits_of_a_site_stand_in_one_place(overlay: Overlay) -> None:
    objects = overlay(
        RUNS_AT_ONCE="3",
        STEP_MEMORY="3Gi",
        TRAIN_MEMORY="9Gi",
        TRAIN_SECONDS="7777",
        WORKFLOW_TTL_SECONDS="60",
        PREDICTOR_CPU="4",
        PREDICTOR_MEMORY="5Gi",
        KEEP_VERSIONS="6",
        KEEP_RUN_DAYS="7",
    )
    (settings,) = (each for each in of_kind(objects, "ConfigMap") if name_of(each) == "regraft")
    assert (settings["data"]["REGRAFT_KEEP_VERSIONS"], settings["data"]["REGRAFT_KEEP_RUN_DAYS"]) == ("6", "7")
    (namespace,) = of_kind(objects, "Namespace")
    assert namespace["metadata"]["labels"]["workflows.argoproj.io/parallelism-limit"] == "3"
    (template,) = (each for each in of_kind(objects, "WorkflowTemplate") if name_of(each) == "regraft-pipeline")
    assert template["spec"]["ttlStrategy"] == {"secondsAfterCompletion": 60}
    memory = {
        each["name"]: each["container"]["resources"]["limits"]["memory"]
        for each in template["spec"]["templates"]
        if "container" in each
    }
    assert memory == dict.fromkeys(memory, "3Gi") | {"train": "9Gi"}
    (train,) = (each for each in template["spec"]["templates"] if each["name"] == "train")
    assert train["activeDeadlineSeconds"] == 7777
    for service in of_kind(objects, "InferenceService"):
        assert service["spec"]["predictor"]["model"]["resources"]["limits"] == {"cpu": "4", "memory": "5Gi"}


def test_every_setting_is_read() -> None:
    folder = ROOT / "k8s/overlays/production"
    names = re.findall(r"^(\w+)=", (folder / "settings.env").read_text(), re.MULTILINE)
    readers = (folder / "replacements.yaml").read_text() + (ROOT / "k8s/scripts/secrets.sh").read_text()
    assert [name for name in names if f"data.{name}}}" not in readers and f"setting {name})" not in readers] == []
