"""The worker or the whole stack is killed at each step of a run; whatever was accepted comes to its end after that."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest
from mlflow.tracking import MlflowClient

from regraft_core import layout
from regraft_core.runs import Run, StepState
from regraft_core.serving import Serving
from regraft_core.steps import STEPS
from regraft_core.stores.objects import FileStore, get_model
from regraft_core.stores.queue import RunStore
from tests import plain
from tests.checker.client import Service
from tests.checker.stack import Stack
from tests.integration.conftest import Poster
from tests.proofs import some

MODEL = "regraft-mlops-project-model"
READY_SECONDS = 300


def kill_worker(stack: Stack) -> None:
    """Kill the worker, and with it the step that is under way; the stack starts another."""
    os.kill(json.loads((stack.folder / "stack.json").read_text())["children"]["worker"], signal.SIGKILL)


def kill_all(stack: Stack) -> None:
    """Kill every process, and start the stack again."""
    stack.kill()
    stack.start().wait_ready(timeout=READY_SECONDS)


KILLS: list[tuple[str, Callable[[Stack], None]]] = [
    ("download", kill_all),
    ("validate", kill_worker),
    ("train", kill_worker),
    ("register", kill_worker),
    ("register", kill_all),
    ("deploy", kill_all),
]
"""Nobody but the worker acts before a version is registered: who dies with it is all the same there."""


def wait_for(stack: Stack, run_id: str, step: str) -> None:
    """Return as soon as the run is at the step, or past it."""
    runs = RunStore(stack.folder / "regraft.db")
    deadline = time.monotonic() + 240
    while (run := runs.get(run_id)) is None or run.step(step).state == StepState.PENDING:
        assert time.monotonic() < deadline, f"{run_id} never came to {step}"
        time.sleep(0.002)


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
    answer = plain.post(stack.predict_url, json={"Password": ["abc"]})
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


def _named(at: tuple[str, Callable[[Stack], None]]) -> str:
    return f"{at[0]}-{at[1].__name__}"


def test_every_step_is_one_that_is_killed() -> None:
    assert {step for step, _ in KILLS} == set(STEPS)


@pytest.mark.parametrize("at", some(KILLS, short=[("register", kill_worker)]), ids=_named)
def test_a_run_survives_the_death_of_those_who_work_on_it(
    stack: Stack, service: Service, poster: Poster, at: tuple[str, Callable[[Stack], None]]
) -> None:
    step, kill = at
    run_id = service.trigger(poster.address("good", 700 + KILLS.index(at))).run_id
    wait_for(stack, run_id, step)
    kill(stack)
    run = ended(stack, run_id)
    assert run.state == "promoted", run.cause
    assert_all_agree(stack, run)
