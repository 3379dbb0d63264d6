"""What becomes of the objects of 0.1 where those of today are applied over them.

``tests/e2e/test_upgrade.py`` does it on a cluster.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from regraft_core.kube import Cluster
from tests.courses import servers
from tests.e2e.release import FIRST, is_known, unpack
from tests.unit.k8s.rendered import ROOT, Object, kustomize, name_of, needs_kubectl

pytestmark = [
    needs_kubectl,
    pytest.mark.skipif(not is_known(FIRST), reason="the history does not go back to 0.1"),
]

OVERLAYS = ("k8s/overlays/kind", "k8s/overlays/production")

needs_servers = pytest.mark.skipif(
    shutil.which("etcd") is None or not os.environ.get("KSERVE_CRDS_MANIFEST"),
    reason="there is no etcd, or no definitions of KServe's",
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(FIRST, tmp_path_factory.mktemp("first") / "regraft")


def key_of(each: Object) -> tuple[str, str]:
    return each["kind"], name_of(each)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_upgrade_leaves_behind_is_named_in_the_docs(first: Path, overlay: str) -> None:
    """``kubectl apply`` deletes nothing: what only 0.1 had stays until somebody removes it."""
    left = {key_of(each) for each in kustomize(first / overlay)} - {key_of(each) for each in kustomize(overlay)}
    section = (ROOT / "docs/operations.md").read_text().partition("### From 0.1")[2].partition("\n## ")[0]
    # The end of a generated name is a hash.
    unnamed = [(kind, name) for kind, name in left if f"`{kind.lower()}/{name.partition('check-')[0]}" not in section]
    assert unnamed == []


@pytest.mark.long
@needs_servers
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_todays_objects_can_be_applied_over_those_of_the_first_release(
    first: Path, overlay: str, tmp_path: Path
) -> None:
    """A real API server says what cannot be changed: selectors, templates of Jobs, volumes, addresses of Services."""
    definitions = (*servers.KSERVE, *(servers.ARGO if os.environ.get("ARGO_WORKFLOWS_MANIFEST") else ()))
    with servers.control_plane(tmp_path / "cluster", definitions) as cluster:
        defined = set(_kinds(cluster))
        for folder in (first / overlay, overlay):
            objects = [each for each in kustomize(folder) if each["apiVersion"].partition("/")[0] in defined]
            assert {"Deployment", "InferenceService", "Ingress"} <= {each["kind"] for each in objects}
            if folder == overlay and overlay.endswith("kind"):
                # `make up` deletes a Job that would change, and says so.
                _kubectl(cluster, "delete", "job", "regraft-bootstrap", "--namespace", "regraft")
            _kubectl(
                cluster, "apply", "--server-side", "--force-conflicts", "--validate=strict", "--filename", "-",
                text=yaml.safe_dump_all(objects),
            )  # fmt: skip
            if folder != overlay:
                _serve(cluster)
        served = json.loads(_kubectl(cluster, "get", *SERVICE, "--output", "json"))
    assert served["spec"]["predictor"]["model"]["storageUri"] == "s3://regraft/v/1/"
    assert served["metadata"]["annotations"]["regraft.dev/version"] == "1"


SERVICE = ("inferenceservice", "passwords", "--namespace", "regraft")


def _serve(cluster: Cluster) -> None:
    """Set an address as the deploy step does: it must outlive what is applied."""
    patch = [
        {"op": "add", "path": "/spec/predictor/model/storageUri", "value": "s3://regraft/v/1/"},
        {"op": "add", "path": "/metadata/annotations/regraft.dev~1version", "value": "1"},
    ]
    _kubectl(cluster, "patch", *SERVICE, "--type", "json", "--patch", json.dumps(patch))


def _kinds(cluster: Cluster) -> Iterator[str]:
    """Yield the groups of kinds that the API server knows; the core has no name."""
    yield "v1"
    with cluster.client() as client:
        yield from (group["name"] for group in client.get("/apis").json()["groups"])


def _kubectl(cluster: Cluster, *arguments: str, text: str | None = None) -> str:
    access = ["--server", cluster.server, "--token", servers.TOKEN, "--insecure-skip-tls-verify"]
    command = ["kubectl", *access, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
