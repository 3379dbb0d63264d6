"""An installation of 0.1 becomes one of today, as the docs say it: what serves goes on serving meanwhile.

It begins with an empty cluster: Regraft, its registry and its bucket are removed first. What only a bare API server has
to say is in ``tests/unit/k8s/test_upgrade.py``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.checker import datasets
from tests.checker.client import PASSWORDS
from tests.drill.asking import Asking
from tests.drill.drill import patiently
from tests.e2e.cluster import NAMESPACE, PLATFORM, ROOT, get, kubectl, rolled_out, storage_uri
from tests.e2e.conftest import Installation
from tests.e2e.registry import Registry
from tests.e2e.release import FIRST, is_known, set_tag, unpack

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not is_known(FIRST), reason="the history does not go back to 0.1"),
]

TAG = "0.1.0"
IMAGES = {
    "trigger": "trigger-service/Dockerfile",
    "pipeline": "pipeline/Dockerfile",
    "predictor": "inference/Dockerfile",
}


@pytest.fixture
def first_release(tmp_path: Path) -> Iterator[None]:
    """Regraft 0.1 with its first versions in service, on the platform of today; today's Regraft after it."""
    source = unpack(FIRST, tmp_path / "first")
    set_tag(source, TAG)
    for image, file in IMAGES.items():
        name = f"docker.io/regraft/{image}:{TAG}"
        _run(
            "docker",
            "build",
            "--quiet",
            "--file",
            file,
            "--build-arg",
            f"VERSION={TAG}",
            "--tag",
            name,
            ".",
            cwd=source,
        )
        _run("kind", "load", "docker-image", name, "--name", _cluster(), cwd=ROOT)
    kubectl("delete", "namespace", NAMESPACE, PLATFORM, "--ignore-not-found", "--timeout", "280s")
    try:
        _install("k8s/platform", ROOT)
        for deployment in ("minio", "mlflow"):
            rolled_out(deployment, namespace=PLATFORM)
        kubectl("wait", "--for", "condition=Complete", "job/bucket", "--timeout", "200s", namespace=PLATFORM)
        _install("k8s/overlays/kind", source)
        _bootstrapped()
        yield
    finally:
        _run("make", "up", cwd=ROOT)


def test_what_the_first_release_serves_goes_on_and_the_next_run_is_promoted(
    first_release: None, service: Installation, registry: Registry, seed: int, tell: Callable[[str], None]
) -> None:
    promoted = service.end(patiently(lambda: service.post("good", seed)))
    assert promoted.state == "promoted", promoted
    rows = datasets.unseen("good", seed, 50).columns
    prod, uri, answers = registry.prod(), storage_uri(PASSWORDS), service.predict(PASSWORDS, rows)
    assert answers.version == prod.number
    asking = Asking((service.trigger_url, service.predict_url), [PASSWORDS], pause=0.2)

    with asking.running():
        _run("make", "up", cwd=ROOT)

    tell(f"{asking.answered} predictions answered during the upgrade, {len(asking.failures)} failed")
    assert asking.answered > 100
    assert [failure.said for failure in asking.failures] == []
    image = get("servingruntime", "regraft")["spec"]["containers"][0]["image"]
    assert image.endswith(":dev"), "it is 0.1 still"
    assert (registry.prod(), storage_uri(PASSWORDS)) == (prod, uri)
    after = service.predict(PASSWORDS, rows)
    assert after.version == answers.version
    assert after.values == pytest.approx(answers.values, rel=1e-9)
    assert service.end(service.post("good", seed)).state == "unchanged", "the dataset of 0.1 is known"

    # What is left of 0.1 is what the docs say: on kind nothing.
    newer = service.end(service.post("good", seed + 1))
    assert newer.state == "promoted", newer
    assert registry.prod().number == newer.version == service.serving()
    back = service.end(service.put_in_service(PASSWORDS, prod.number))
    assert back.state == "promoted", back
    assert service.predict(PASSWORDS, rows).values == pytest.approx(answers.values, rel=1e-9)


def _install(folder: str, root: Path) -> None:
    manifests = kubectl("kustomize", "--load-restrictor", "LoadRestrictionsNone", str(root / folder))
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", "-", namespace="", text=manifests)


def _bootstrapped() -> None:
    """Wait, as 0.1's own `make up` does, until the first versions serve."""
    rolled_out("regraft-trigger")
    kubectl("wait", "--for", "condition=Complete", "job/regraft-bootstrap", "--timeout", "290s")
    for task in ("passwords", "heart-disease"):
        rolled_out(f"{task}-predictor")


def _cluster() -> str:
    """Name of kind's cluster, which is that of the context without its beginning."""
    return kubectl("config", "current-context").strip().removeprefix("kind-")


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-3000:]}"
