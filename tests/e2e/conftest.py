"""Regraft on the cluster that kubectl's context names, through its ingress."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Generator, Iterator

import httpx
import pytest

from tests.checker.client import Accepted, RunView, Service
from tests.e2e.cluster import ROOT
from tests.e2e.registry import Registry

URL = os.environ.get("REGRAFT_E2E_URL", "http://localhost:8080")
MLFLOW_URL = os.environ.get("REGRAFT_E2E_MLFLOW_URL", "http://localhost:8081")
DATASETS_URL = os.environ.get("REGRAFT_E2E_DATASETS_URL", "http://datasets.regraft-datasets.svc")
"""Where the cluster, not this machine, finds the checker's datasets."""

LOGS = ROOT / "e2e-logs"
RUN_SECONDS = 400


class Installation(Service):
    """The installed service, with what these tests ask of it again and again."""

    def post(self, dataset: str, seed: int, *, task: str | None = None, key: str | None = None) -> Accepted:
        return self.trigger(f"{DATASETS_URL}/{dataset}.csv?seed={seed}", task=task, key=key)

    def end(self, accepted: Accepted) -> RunView:
        return self.wait(accepted, timeout=RUN_SECONDS)

    def put_in_service(self, task: str, version: str) -> Accepted:
        answer = httpx.post(f"{URL}/rollback", json={"task": task, "version": version})
        assert answer.status_code == 202, answer.text
        return Accepted(answer.json()["run_id"], answer.json()["status_url"])

    def serving(self, task: str = "passwords") -> str:
        """The version that the predictor of a task says it is."""
        answer = httpx.get(f"{URL}/{task}/schema")
        assert answer.status_code == 200, answer.text
        return answer.headers["Regraft-Model-Version"]


@pytest.fixture(scope="session")
def service() -> Iterator[Installation]:
    with Installation(f"{URL}/trigger", f"{URL}/predict") as service:
        yield service


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    with Registry(MLFLOW_URL) as registry:
        yield registry


@pytest.fixture
def seed() -> int:
    """A seed whose datasets nobody has posted yet."""
    return secrets.randbelow(1_000_000)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print what was measured, of a test that passes, too."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", flush=True)

    return tell


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs take a while here."""
    for item in items:
        item.add_marker(pytest.mark.timeout(900))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put everything that explains a failure into a folder of the test's name."""
    report = yield
    if report.failed:
        folder = LOGS / item.name
        dump = ["k8s/scripts/dump.sh", str(folder)]
        said = subprocess.run(dump, cwd=ROOT, capture_output=True, text=True, check=False).stderr
        report.sections.append(("the cluster at that moment", f"{folder}\n{said[-500:]}"))
    return report
