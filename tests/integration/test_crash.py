"""The whole stack is killed at each step of a run; whatever was accepted comes to its end after the next start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from mlflow.tracking import MlflowClient

from regraft_core import layout
from regraft_core.runs import Run, StepState
from regraft_core.serving import Serving
from regraft_core.steps import STEPS
from regraft_core.stores.objects import FileStore, get_model
from regraft_core.stores.queue import RunStore
from tests.checker import datasets
from tests.checker.client import Service
from tests.checker.datasets import DatasetServer
from tests.checker.stack import Stack

MODEL = "regraft-mlops-project-model"
READY_SECONDS = 300


@pytest.fixture(scope="module")
def crashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("crash")).start()
    stack.wait_ready(timeout=READY_SECONDS)
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[DatasetServer]:
    with datasets.serving() as server:
        yield server


def kill_at(stack: Stack, run_id: str, step: str) -> None:
    """Kill every process of the stack as soon as the run is at the step, or past it."""
    runs = RunStore(stack.folder / "regraft.db")
    deadline = time.monotonic() + 240
    while (run := runs.get(run_id)) is None or run.step(step).state == StepState.PENDING:
        assert time.monotonic() < deadline, f"{run_id} never came to {step}"
        time.sleep(0.002)
    stack.kill()


def ended(stack: Stack, run_id: str) -> Run:
    runs = RunStore(stack.folder / "regraft.db")
    deadline = time.monotonic() + 240
    while (run := runs.get(run_id)) is None or not run.state.ended:
        assert time.monotonic() < deadline, f"{run_id} does not end"
        time.sleep(0.05)
    return run


def assert_all_agree(stack: Stack, run: Run) -> None:
    """The run's version is what the alias, the registry, the record and the predictor name, and there is one of it."""
    client = MlflowClient(stack.addresses["MLflow"])
    serving = get_model(FileStore(stack.folder / "bucket"), layout.serving("passwords"), Serving)
    assert serving is not None
    answer = httpx.post(stack.predict_url, json={"Password": ["abc"]}, trust_env=False)
    assert run.version is not None
    named = (
        str(client.get_registered_model(MODEL).aliases["prod"]),
        serving.version,
        answer.headers["Regraft-Model-Version"],
    )
    assert named == (run.version,) * 3
    assert answer.headers["Regraft-Data-Sha256"] == run.data_sha256 == serving.data_sha256
    made = [
        version for version in client.search_model_versions(f"name='{MODEL}'") if version.tags["run_id"] == run.run_id
    ]
    assert [str(version.version) for version in made] == [run.version]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_run_survives_the_death_of_everything(crashing: Stack, server: DatasetServer, step: str) -> None:
    url = f"http://127.0.0.1:{server.port}/good.csv?seed={700 + list(STEPS).index(step)}"
    with closing(Service(crashing.trigger_url, crashing.predict_url)) as service:
        run_id = service.trigger(url).run_id
    kill_at(crashing, run_id, step)
    crashing.start().wait_ready(timeout=READY_SECONDS)
    run = ended(crashing, run_id)
    assert run.state == "promoted", run.cause
    assert_all_agree(crashing, run)
