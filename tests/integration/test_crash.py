"""The whole stack is killed at each step of a run; whatever was accepted comes to its end after the next start."""

from __future__ import annotations

import time

import httpx
import pytest
from mlflow.tracking import MlflowClient

from regraft_core import layout
from regraft_core.runs import Run, StepState
from regraft_core.serving import Serving
from regraft_core.steps import STEPS
from regraft_core.stores.objects import FileStore, get_model
from regraft_core.stores.queue import RunStore
from tests.checker.client import Service
from tests.checker.stack import Stack
from tests.integration.conftest import Poster
from tests.proofs import some

MODEL = "regraft-mlops-project-model"
READY_SECONDS = 300


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


@pytest.mark.parametrize("step", some(STEPS, short=["register"]))
def test_a_run_survives_the_death_of_everything(stack: Stack, service: Service, poster: Poster, step: str) -> None:
    run_id = service.trigger(poster.address("good", 700 + list(STEPS).index(step))).run_id
    kill_at(stack, run_id, step)
    stack.start().wait_ready(timeout=READY_SECONDS)
    run = ended(stack, run_id)
    assert run.state == "promoted", run.cause
    assert_all_agree(stack, run)
