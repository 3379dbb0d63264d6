"""An installation of 0.1, of its own images and manifests and on stores of its own, is upgraded to what is here."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.bench.hot_swap import Load
from tests.checker.client import HEART_DISEASE, PASSWORDS, Accepted, RunView
from tests.e2e.cluster import NAMESPACE, ROOT, eventually, has_begun, kubectl, rolled_out
from tests.e2e.conftest import URL, Installation
from tests.e2e.registry import Bucket

pytestmark = pytest.mark.long

RELEASE = "60852ee"
"""The last commit of 0.1."""

DOCKERFILES = {
    "trigger": "trigger-service/Dockerfile",
    "pipeline": "pipeline/Dockerfile",
    "predictor": "inference/Dockerfile",
}
TASKS = (PASSWORDS, HEART_DISEASE)


@dataclass(frozen=True)
class Stores:
    """Bucket and owner of models: nobody else's."""

    name: str

    def settings(self, manifests: str) -> str:
        """Return manifests that name these in place of those of kind."""
        store = "REGRAFT_STORE_URL: s3://"
        assert f"{store}regraft\n" in manifests
        return manifests.replace(f"{store}regraft\n", f"{store}{self.name}\n  REGRAFT_OWNER: {self.name}\n")


@dataclass(frozen=True)
class Before:
    """What the old release has done."""

    promoted: RunView
    refused: RunView
    under_way: Accepted
    serving: dict[str, str]


@pytest.fixture(scope="module")
def stores() -> Stores:
    name = f"upgrade-{secrets.token_hex(4)}"
    with Bucket.opened() as bucket:
        bucket.make(name)
    return Stores(name)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, stores: Stores) -> Iterator[None]:
    """The old release in place of what is there, which comes back at the end."""
    sources = tmp_path_factory.mktemp("old")
    _sources(sources)
    _images(sources)
    _remove()
    try:
        _apply(sources, stores, tag="0.1")
        yield
    finally:
        _remove()
        _run("make", "up")


@pytest.fixture(scope="module")
def before(old: None, service: Installation) -> Before:
    seed = secrets.randbelow(1_000_000)
    promoted, refused = service.end(service.post("good", seed)), service.end(service.post("drifted", seed))
    assert (promoted.state, refused.state) == ("promoted", "rejected")
    under_way = service.post("good", seed + 1)
    eventually(lambda: has_begun(under_way, "download") or None)
    return Before(promoted, refused, under_way, {task: service.serving(task) for task in TASKS})


def test_all_goes_on_and_no_request_fails(before: Before, stores: Stores, service: Installation, seed: int) -> None:
    load = Load((service.trigger_url, service.predict_url), {"Password": ["abc"]})
    with load.running(clients=2):
        _apply(ROOT, stores, tag="dev")
        ends = [service.end(before.under_way), service.end(service.post("good", seed))]
    assert load.failures == []
    assert [end.state for end in ends] == ["promoted", "promoted"], [end.message for end in ends]
    assert service.serving(HEART_DISEASE) == before.serving[HEART_DISEASE]
    assert service.serving() == ends[-1].version
    runs = {run["run_id"]: run["state"] for run in httpx.get(f"{URL}/runs").json()["runs"]}
    for run in (before.promoted, before.refused, *ends):
        assert runs[run.run_id] == run.state
        assert httpx.get(f"{URL}/runs/{run.run_id}/report").is_success
    back = service.end(service.put_in_service(PASSWORDS, before.promoted.version or ""))
    assert back.state == "promoted", back.message
    assert service.serving() == before.promoted.version


def _sources(folder: Path) -> None:
    command = f"git archive {RELEASE} | tar --extract --directory {folder}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("the history of this copy does not reach back to 0.1")


def _images(sources: Path) -> None:
    for name, dockerfile in DOCKERFILES.items():
        image = f"docker.io/regraft/{name}:0.1"
        _run("docker", "build", "--quiet", "--file", dockerfile, *_base_image(), "--tag", image, ".", folder=sources)
        _run("kind", "load", "docker-image", image, "--name", os.environ.get("CLUSTER", "regraft"))


def _base_image() -> tuple[str, str]:
    lines = (ROOT / "k8s/versions.env").read_text().splitlines()
    return "--build-arg", next(line for line in lines if line.startswith("PYTHON_IMAGE="))


def _apply(sources: Path, stores: Stores, *, tag: str) -> None:
    """Apply a release as its documents say, and wait until it is there."""
    rendered = kubectl("kustomize", str(sources / "k8s/overlays/kind")).replace(":dev", f":{tag}")
    kubectl(
        "delete", "job", "regraft-bootstrap", "--ignore-not-found"
    )  # elsewhere that of a release has its tag in its name
    options = ("--server-side", "--force-conflicts", "--filename", "-")
    kubectl("apply", *options, text=stores.settings(rendered))
    kubectl("wait", "--for", "condition=Complete", "job/regraft-bootstrap", "--timeout", "280s")
    for deployment in ("regraft-trigger", *(f"{task}-predictor" for task in TASKS)):
        rolled_out(deployment)
    eventually(lambda: httpx.get(f"{URL}/ready").is_success or None)


def _remove() -> None:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout", "240s")


def _run(*command: str, folder: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed: {done.stdout}{done.stderr}"
