"""Servers for the courses: a real MLflow, and the control plane of a cluster without nodes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import yaml

from regraft_core.kube import BearerToken, Cluster
from tests.courses.worlds import NAMESPACE

Definition = tuple[str, str]
"""A definition of a kind: the variable that names upstream's file, and the name in it."""

INFERENCE_SERVICE = ("KSERVE_CRDS_MANIFEST", "inferenceservices.serving.kserve.io")
KSERVE = (INFERENCE_SERVICE, ("KSERVE_CRDS_MANIFEST", "servingruntimes.serving.kserve.io"))
ARGO = tuple(
    ("ARGO_WORKFLOWS_MANIFEST", f"{kind}.argoproj.io") for kind in ("workflowtemplates", "cronworkflows", "workflows")
)

DISCOVERY = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}

START_SECONDS = 240
TOKEN = "courses"


@contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """Run a real MLflow with a database in the folder; yield its address."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "regraft_cli.embedded.mlflow", "--folder", str(folder), "--port", str(port)]
    with _running(command, folder.with_suffix(".log")):
        _await(httpx.Client(base_url=url, trust_env=False), "/")
        yield url


@contextmanager
def control_plane(folder: Path, definitions: Sequence[Definition] = (INFERENCE_SERVICE,)) -> Iterator[Cluster]:
    """Run etcd and kube-apiserver on free ports, with definitions of upstream's kinds; yield the cluster.

    The programs are looked for in the path: etcd, and kube-apiserver alone or as hyperkube's.
    """
    folder.mkdir()
    etcd, peer, port = _free_port(), _free_port(), _free_port()
    (folder / "tokens.csv").write_text(f"{TOKEN},courses,1,system:masters\n")
    key, public = folder / "sa.key", folder / "sa.pub"
    _openssl("genrsa", "-out", str(key), "2048")
    _openssl("rsa", "-in", str(key), "-pubout", "-out", str(public))
    store = [_program("etcd"), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"]
    clients = f"http://127.0.0.1:{etcd}"
    store += ["--listen-client-urls", clients, "--advertise-client-urls", clients]
    store += ["--listen-peer-urls", f"http://127.0.0.1:{peer}"]
    server = [*_apiserver(), "--etcd-servers", clients, "--secure-port", str(port), "--bind-address", "127.0.0.1"]
    server += ["--cert-dir", str(folder), "--token-auth-file", str(folder / "tokens.csv"), "--authorization-mode=RBAC"]
    server += ["--service-account-key-file", str(public), "--service-account-signing-key-file", str(key)]
    server += ["--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.99.0.0/24"]
    server += ["--disable-admission-plugins=ServiceAccount"]  # nobody is there who would make one
    with ExitStack() as stack:
        stack.enter_context(_running(store, folder / "etcd.log"))
        stack.enter_context(_running(server, folder / "apiserver.log"))
        cluster = Cluster(f"https://127.0.0.1:{port}", verify=False, auth=BearerToken(lambda: TOKEN))
        client = stack.enter_context(cluster.client())
        _await(client, "/readyz")
        client.post("/api/v1/namespaces", json={"metadata": {"name": NAMESPACE}}).raise_for_status()
        for variable, name in definitions:
            _define(client, variable, name)
        yield cluster


def _define(client: httpx.Client, variable: str, name: str) -> None:
    """Tell the API server of a kind."""
    definition = yaml.load(_definition(variable, name), yaml.CSafeLoader)
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    client.post(path, json=definition).raise_for_status()
    version = next(each["name"] for each in definition["spec"]["versions"] if each["served"])
    plural, _, group = name.partition(".")
    _await(client, f"/apis/{group}/{version}/namespaces/{NAMESPACE}/{plural}")
    while plural not in client.get("/apis", headers=DISCOVERY).text:  # which kubectl goes by, and comes later
        time.sleep(0.1)


def _definition(variable: str, name: str) -> str:
    """Return upstream's definition of a kind, a document of a file of many."""
    path = os.environ.get(variable, "")
    if not path:
        raise SystemExit(f"{variable} must name the file with upstream's definitions")
    if path.startswith("http"):
        text = httpx.get(path, follow_redirects=True).raise_for_status().text
    else:
        text = Path(path).read_text()
    return next(document for document in text.split("\n---\n") if f"\n  name: {name}\n" in document)


def _apiserver() -> list[str]:
    return [_program("kube-apiserver")] if shutil.which("kube-apiserver") else [_program("hyperkube"), "kube-apiserver"]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not in the path")
    return found


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            yield
        finally:
            process.terminate()


def _await(client: httpx.Client, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if client.get(path).is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"{client.base_url} does not answer")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
