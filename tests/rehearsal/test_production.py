"""The overlay for production, installed as docs/operations.md says: S3, PostgreSQL, TLS, token, two pods a task."""

from __future__ import annotations

import json
import secrets
import subprocess
from typing import Any

import httpx
import pytest

from tests.checker.client import Service
from tests.checker.cycles import COURSE, Course
from tests.e2e.cluster import NAMESPACE as REGRAFT
from tests.e2e.cluster import eventually, get, kubectl, rolled_out
from tests.rehearsal.site import MLFLOW_HOST, SITE, Site, remove_regraft

DATASETS_URL = "http://datasets.regraft-datasets.svc"
GOOD, DRIFTED = COURSE[1], COURSE[0]
TASKS = ("passwords", "heart-disease")


def test_good_data_is_served_and_drifted_data_is_refused(service: Service) -> None:
    course = Course(service, DATASETS_URL, seed=secrets.randbelow(1_000_000), timeout=400)
    for cycle in (DRIFTED, GOOD):
        assert course.play(cycle).problems == []


def test_only_who_has_the_token_may_post(url: str, browser: httpx.Client) -> None:
    answer = browser.post(f"{url}/trigger", json={"data_url": "https://data.example.org/a.csv"})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert browser.get(f"{url}/runs").is_success


def test_hosts_that_are_not_named_stay_out_of_reach(service: Service) -> None:
    run = service.wait(service.trigger("http://kubernetes.default.svc/version"), timeout=400)
    assert run.state == "failed"
    assert run.codes == ("source_forbidden_address",)


def test_the_certificate_is_the_sites(url: str) -> None:
    with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
        httpx.get(url)


@pytest.mark.parametrize("task", TASKS)
def test_two_pods_serve_each_task(site: Site, task: str) -> None:
    deployment = get("deployment", f"{task}-predictor")
    assert deployment["status"]["availableReplicas"] == 2


def test_the_registry_is_in_postgresql_and_says_what_serves(url: str, browser: httpx.Client) -> None:
    stored = _query("select version from registered_model_aliases where name = 'rehearsal-mlops-project-model'")
    assert stored == browser.get(f"{url}/passwords/schema").headers["Regraft-Model-Version"]


def test_mlflow_has_a_name_of_its_own(url: str, browser: httpx.Client) -> None:
    port = httpx.URL(url).port
    page = browser.get(
        f"https://127.0.0.1:{port}/", headers={"Host": MLFLOW_HOST}, extensions={"sni_hostname": MLFLOW_HOST}
    )
    assert page.status_code == 200
    assert "MLflow" in page.text


def test_nothing_starts_with_a_secret_that_everybody_knows(site: Site, url: str, browser: httpx.Client) -> None:
    with site.with_known_secret():
        kubectl("rollout", "restart", "deployment/regraft-trigger")
        reason = eventually(_why_a_trigger_does_not_start, seconds=120)
        assert "AWS_SECRET_ACCESS_KEY is a default that everybody knows" in reason
        assert browser.get(f"{url}/health").is_success  # the old pod answers all the while
    kubectl("rollout", "restart", "deployment/regraft-trigger")
    rolled_out("regraft-trigger")


def test_a_namespace_with_a_quota_runs_the_course(site: Site) -> None:
    used = get("resourcequota", "team")["status"]["used"]
    assert all(not amount.startswith("0") for amount in used.values()), used


FLOWS = [
    ("somebody's pod", SITE, "", f"passwords-predictor.{REGRAFT}:80", False),
    ("somebody's pod", SITE, "", f"mlflow.{REGRAFT}:5000", False),
    ("somebody's pod", SITE, "", f"regraft-trigger.{REGRAFT}:80", False),
    ("a pod of the namespace", REGRAFT, "", "mlflow:5000", False),
    ("a pod of the namespace", REGRAFT, "", "passwords-predictor:80", False),
    ("regraft.sh", REGRAFT, "app.kubernetes.io/name=command", "mlflow:5000", True),
    ("a step", REGRAFT, "workflows.argoproj.io/workflow=none", "mlflow:5000", True),
    ("a step", REGRAFT, "workflows.argoproj.io/workflow=none", "passwords-predictor:80", True),
    ("a step", REGRAFT, "workflows.argoproj.io/workflow=none", "kubernetes.default:443", True),
    ("a step", REGRAFT, "workflows.argoproj.io/workflow=none", f"s3.{SITE}:9000", True),
    ("bootstrap", REGRAFT, "app.kubernetes.io/name=bootstrap", "mlflow:5000", True),
]


@pytest.mark.parametrize(
    ("namespace", "label", "target", "reached"), [flow[1:] for flow in FLOWS], ids=[f"{f[0]} to {f[3]}" for f in FLOWS]
)
def test_who_may_speak_to_whom(site: Site, namespace: str, label: str, target: str, reached: bool) -> None:
    assert _reaches(namespace, label, target) is reached


def test_a_reference_can_be_blessed_from_inside(site: Site, service: Service) -> None:
    run = service.wait(service.trigger(f"{DATASETS_URL}/good.csv?seed={secrets.randbelow(1_000_000)}"), timeout=400)
    assert run.state == "promoted", run.message
    script = str(site.manifests / "k8s/scripts/regraft.sh")
    command = [script, "bless", run.run_id, "--by", "rehearsal", "--why", "to see that it can be done"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_applying_again_changes_nothing(site: Site) -> None:
    before = _generations()
    site.apply()
    assert _generations() == before


def test_a_new_cluster_serves_what_the_stores_say(site: Site, url: str, browser: httpx.Client) -> None:
    """Bucket and database hold everything: what is installed on them anew serves the version that served before."""
    before = _answers(url, browser)
    remove_regraft()
    site.install()
    assert eventually(lambda: _answers(url, browser) == before, seconds=60)


def _reaches(namespace: str, label: str, target: str) -> bool:
    """Whether a pod with a label comes through to an address, by a pod that tries it."""
    host, port = target.split(":")
    code = f"import socket; socket.create_connection(('{host}', {port}), 5)"
    name = f"try-{secrets.token_hex(4)}"
    container = {
        "name": name,
        "image": "docker.io/regraft/trigger:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", code],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"automountServiceAccountToken": False, "securityContext": security, "containers": [container]}
    options = [
        "--image",
        "docker.io/regraft/trigger:dev",
        "--restart",
        "Never",
        "--overrides",
        json.dumps({"spec": spec}),
    ]
    kubectl("run", name, *options, *(["--labels", label] if label else []), namespace=namespace)
    try:
        phase = eventually(lambda: _end(name, namespace), seconds=120)
        return phase == "Succeeded"
    finally:
        kubectl("delete", "pod", name, "--wait=false", namespace=namespace)


def _end(pod: str, namespace: str) -> str | None:
    phase: str = get("pod", pod, namespace=namespace)["status"]["phase"]
    return phase if phase in ("Succeeded", "Failed") else None


def _answers(url: str, browser: httpx.Client) -> list[Any] | None:
    answers = [browser.get(f"{url}/{task}/schema") for task in TASKS]
    if not all(answer.is_success for answer in answers):
        return None
    names = ("Regraft-Model-Version", "Regraft-Data-Sha256")
    return [[answer.headers[name] for name in names] for answer in answers]


def _why_a_trigger_does_not_start() -> str | None:
    for pod in get("pods", "--selector", "app.kubernetes.io/name=trigger")["items"]:
        for container in pod["status"].get("initContainerStatuses", ()):
            ended = container["state"].get("terminated") or container.get("lastState", {}).get("terminated")
            if ended and ended["exitCode"]:
                return kubectl("logs", pod["metadata"]["name"], "--container", container["name"], check=False)
    return None


def _generations() -> dict[str, int]:
    kinds = "deployments,inferenceservices,workflowtemplates,servingruntimes,ingresses"
    return {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["generation"] for item in get(kinds)["items"]
    }


def _query(sql: str) -> str:
    command = (
        f'PGPASSWORD=$PASSWORD psql --host /data --username mlflow --tuples-only --no-align --command "{sql}" mlflow'
    )
    return kubectl("exec", "deployment/postgresql", "--", "bash", "-c", command, namespace=SITE).strip()
