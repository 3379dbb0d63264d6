"""The real stack, started once for all tests here: HTTP, SQLite, MLflow, KServe's model server, worker."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest
from mlflow.tracking import MlflowClient

from tests.checker import datasets
from tests.checker.client import RunView, Service
from tests.checker.datasets import DatasetServer
from tests.checker.stack import Stack

LIMITS = {
    "REGRAFT_MAX_DATASET_BYTES": "20000000",
    "REGRAFT_DOWNLOAD_ATTEMPTS": "2",
    "REGRAFT_READ_TIMEOUT": "3",
    "REGRAFT_DOWNLOAD_TIMEOUT": "8",
    "REGRAFT_STEP_MEMORY_BYTES": str(1 << 30),
}
SHOWN_LOG_CHARACTERS = 6000


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    stack = Stack(folder, environment=LIMITS | {"REGRAFT_TASKS_DIR": str(folder / "tasks")})
    try:
        stack.start().wait_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def service(stack: Stack) -> Iterator[Service]:
    with Service(stack.trigger_url, stack.predict_url) as service:
        yield service


@pytest.fixture(scope="session")
def dataset_server() -> Iterator[DatasetServer]:
    with datasets.serving() as server:
        yield server


@pytest.fixture(scope="session")
def registry(stack: Stack) -> MlflowClient:
    return MlflowClient(stack.addresses["MLflow"])


@dataclass(frozen=True)
class Poster:
    """Posts datasets by name and waits for what becomes of them."""

    service: Service
    base_url: str

    def address(self, name: str, seed: int) -> str:
        return f"{self.base_url}/{name}.csv?seed={seed}"

    def run(self, name: str, seed: int, *, task: str | None = None, force: bool = False) -> RunView:
        accepted = self.service.trigger(self.address(name, seed), task=task, force=force)
        return self.service.wait(accepted, timeout=240)


@pytest.fixture(scope="session")
def poster(service: Service, dataset_server: DatasetServer) -> Poster:
    return Poster(service, f"http://127.0.0.1:{dataset_server.port}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the stack's log where a test that uses it fails."""
    report = yield
    stack = item.funcargs.get("stack")
    if report.failed and isinstance(stack, Stack) and stack.log.exists():
        end = stack.log.read_text(errors="replace")[-SHOWN_LOG_CHARACTERS:]
        report.sections.append((f"end of {stack.log}", end))
    return report
