"""What operators see with the tools that they have: kubectl's columns, Argo's command line, KServe's client."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess

import pytest
from kserve import KServeClient

from tests.checker.client import HEART_DISEASE, PASSWORDS, RunView
from tests.e2e.cluster import NAMESPACE, kubectl
from tests.e2e.conftest import Installation

STEPS = ("download", "validate", "train", "register", "deploy", "record")
needs_argo = pytest.mark.skipif(shutil.which("argo") is None, reason="there is no argo")


def test_kubectl_shows_what_serves_and_where() -> None:
    for task in (PASSWORDS, HEART_DISEASE):
        row = _rows(kubectl("get", "inferenceservice", task))[0]
        assert row["READY"] == "True"
        assert row["URL"].startswith(f"http://{task}")


@pytest.fixture(scope="module")
def runs(service: Installation) -> dict[str, RunView]:
    """One that came into service and one that was rejected; both went on at once."""
    seed = secrets.randbelow(1_000_000)
    accepted = {name: service.post(name, seed) for name in ("good", "drifted")}
    return {name: service.end(run) for name, run in accepted.items()}


def test_kubectl_shows_how_a_run_ended_and_why(runs: dict[str, RunView]) -> None:
    for run in runs.values():
        row = _rows(kubectl("get", "workflow", run.run_id))[0]
        assert row["NAME"] == run.run_id
        assert row["STATUS"] == "Succeeded"
    labels = kubectl("get", "workflows", "--selector", f"regraft.dev/task={PASSWORDS}", "--output", "name")
    assert f"workflow.argoproj.io/{runs['drifted'].run_id}" in labels.splitlines()


@needs_argo
def test_argos_command_line_shows_the_run_and_its_steps(runs: dict[str, RunView]) -> None:
    run = runs["good"]
    assert run.run_id in {row["NAME"] for row in _rows(_argo("list"))}
    told = _argo("get", run.run_id)
    assert all(step in told for step in STEPS), told


def test_kserves_client_says_that_it_is_ready() -> None:
    client = KServeClient(config_file=os.environ.get("KUBECONFIG"))
    assert client.is_isvc_ready(PASSWORDS, namespace=NAMESPACE)


def _argo(*arguments: str) -> str:
    done = subprocess.run(
        ["argo", *arguments, "--namespace", NAMESPACE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(table: str) -> list[dict[str, str]]:
    """Return the rows of a table by the names of its columns, which stand above where they begin."""
    head, *lines = table.splitlines()
    names = head.split()
    starts = [head.index(name) for name in names]
    ends = [*starts[1:], None]
    return [{name: line[a:b].strip() for name, a, b in zip(names, starts, ends, strict=True)} for line in lines]
