from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.record import keep
from regraft_core.runs import Cause, Run, RunRequest, RunState, StepState
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import get_model
from regraft_inference.bundle import Bundle
from regraft_pipeline import runner
from regraft_pipeline.assembly import run_step
from regraft_pipeline.registry import mlflow as mlflowapi
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.runner import run_to_end
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import Progress, Result, deploy, register, train
from tests.checker import datasets
from tests.proofs import some
from tests.unit.pipeline.plant import Plant
from tests.unit.pipeline.test_deploy import put_in_service


class KilledError(BaseException):
    """Stands for SIGKILL: no handler of the steps catches it."""


def states(run: Run) -> list[str]:
    return [str(step.state) for step in run.steps]


def finished(plant: Plant, run: Run) -> Run:
    saved: list[RunState] = []
    run_to_end(run, plant.settings, lambda run: saved.append(run.state), attempts=plant.settings.step_attempts)
    assert saved[0] == RunState.RUNNING
    assert saved[-1] == run.state
    assert get_model(plant.store, layout.record(run.run_id), Run) == run
    return run


def good(plant: Plant, number: int, **fields: Any) -> Run:
    """Return a run that finds a good dataset downloaded."""
    run = plant.run(number, **fields)
    plant.put_reference()
    plant.put_dataset(run, datasets.good(number))
    return run


def test_a_good_dataset_is_promoted_with_all_that_explains_it(plant: Plant, tmp_path: Path) -> None:
    run = finished(plant, good(plant, 1))
    assert (run.state, run.version, states(run)) == (RunState.PROMOTED, "1", ["succeeded"] * 5)
    assert run.verdict is not None
    assert run.verdict.accepted
    assert run.metrics == run.verdict.metrics
    assert run.finished_at is not None
    assert all(step.started_at and step.finished_at for step in run.steps)
    version = plant.registry.version(plant.task, "1")
    plant.assert_serves(version)
    assert (version.run_id, version.data_sha256, version.tags["verdict"]) == (run.run_id, run.data_sha256, "accepted")
    logged = plant.mlflow.get_run(version.mlflow_run_id)
    assert logged.data.metrics["skill"] == pytest.approx(run.metrics["skill"])
    artifacts = {file.path for file in plant.mlflow.list_artifacts(version.mlflow_run_id)}
    assert artifacts == {"plots", "report.html", "verdict.json"}
    plots = {Path(file.path).name for file in plant.mlflow.list_artifacts(version.mlflow_run_id, "plots")}
    assert plots >= {"predicted-against-actual.svg", "residuals.svg", "target-distribution.svg"}
    assert run.links["mlflow"].endswith(version.mlflow_run_id)
    Folder.at(version.uri).download(tmp_path / "bundle")
    bundle = Bundle.load(tmp_path / "bundle")
    bundle.check_golden()
    assert (bundle.version, bundle.info.run_id) == ("1", run.run_id)


def test_mlflows_pages_tell_the_story_of_a_run(plant: Plant) -> None:
    plant.settings = plant.settings.model_copy(update={"public_url": "https://regraft.example.org"})
    run = finished(plant, good(plant, 1))
    version = plant.mlflow.get_model_version(plant.model_name, "1")
    logged = plant.mlflow.get_run(str(version.run_id))
    note = logged.data.tags["mlflow.note.content"]
    assert note == version.description
    for told in ("1,000 of 1,000 rows", f"https://regraft.example.org/runs/{run.run_id}/report", "- skill **0.9"):
        assert told in note
    assert "- `Password` (string) The password" in plant.mlflow.get_registered_model(plant.model_name).description
    assert logged.data.tags["mlflow.user"] == plant.owner
    assert (logged.data.metrics["rows"], logged.data.metrics["rows_read"]) == (1000, 1000)
    assert "target_psi" in logged.data.metrics
    [made] = logged.outputs.model_outputs
    assert version.source == f"models:/{made.model_id}"
    model = plant.mlflow.get_logged_model(made.model_id)
    assert model.params["estimator"] == logged.data.params["estimator"] == "PasswordEstimator"
    assert {(metric.dataset_name, metric.dataset_digest) for metric in model.metrics or ()} == {
        ("passwords", (run.data_sha256 or "")[:36])
    }
    dataset = logged.inputs.dataset_inputs[0].dataset
    assert json.loads(dataset.schema)["mlflow_colspec"][0] == {"type": "string", "name": "Password", "required": True}
    assert json.loads(dataset.profile) == {"num_rows": 1000, "num_elements": 2000}
    experiment = plant.mlflow.get_experiment(logged.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_a_bad_dataset_is_rejected_and_the_later_steps_are_skipped(plant: Plant) -> None:
    run = plant.run(1)
    plant.put_reference()
    plant.put_dataset(run, datasets.drifted(1))
    finished(plant, run)
    assert run.state == RunState.REJECTED
    assert states(run) == ["succeeded", "succeeded", "skipped", "skipped", "skipped"]
    assert run.cause is not None
    assert run.verdict is not None
    assert run.cause.code == run.verdict.errors[0].code
    assert plant.store.exists(layout.report(run.run_id))
    assert plant.registry.prod(plant.task) is None


def test_a_run_without_a_reference_fails_and_says_what_to_do(plant: Plant) -> None:
    run = plant.run(1)
    plant.put_dataset(run, datasets.good(1))
    finished(plant, run)
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert run.cause.code == "reference_missing"
    assert states(run) == ["succeeded", "failed", "skipped", "skipped", "skipped"]


def test_a_dataset_that_cannot_be_had_fails_the_run(plant: Plant) -> None:
    run = finished(plant, plant.run(1, data_url="http://127.0.0.1:9/a.csv"))
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert run.cause.code == "source_unreachable"
    assert run.steps[0].message == run.cause.message


def test_the_dataset_in_service_is_unchanged_unless_forced(plant: Plant) -> None:
    with datasets.serving() as server:
        url = f"http://127.0.0.1:{server.port}/good.csv?seed=1"
        plant.put_reference()
        runs = [finished(plant, plant.run(number, data_url=url, force=number == 3)) for number in (1, 2, 3)]
    assert [run.state for run in runs] == [RunState.PROMOTED, RunState.UNCHANGED, RunState.PROMOTED]
    assert runs[1].cause is not None
    assert runs[1].cause.code == "dataset_unchanged"
    assert states(runs[1]) == ["succeeded", *["skipped"] * 3, "succeeded"]
    assert runs[2].version == "2"


def test_what_cannot_be_written_down_is_no_failure_of_a_step(plant: Plant) -> None:
    """Progress is told again; what begins or ends a step is raised, and the run is taken up again."""
    run, said = good(plant, 1), []

    def save(run: Run) -> None:
        said.append(run.state)
        if len(said) in (3, 4):
            raise sqlite3.OperationalError("database is locked")

    for _ in range(3):
        try:
            run_to_end(run, plant.settings, save, attempts=2)
            break
        except sqlite3.OperationalError:
            assert run.state == RunState.RUNNING
    assert run.state == RunState.PROMOTED


def test_an_unknown_task_fails_the_run(plant: Plant) -> None:
    run = plant.run(1, task="weather")
    run_to_end(run, plant.settings, lambda run: None)
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert run.cause.code == "task_unknown"


def test_what_can_pass_is_tried_again(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.01)
    tries: list[int] = []
    train_once = train.run

    def fail_first(context: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise TemporaryError("busy")
        return train_once(context)

    monkeypatch.setattr(train, "run", fail_first)
    assert finished(plant, good(plant, 1)).state == RunState.PROMOTED
    assert len(tries) == 2


def test_what_does_not_pass_fails_the_run(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(mlflowapi, "PATIENCE_SECONDS", 0.05)
    plant.settings = plant.settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    run = good(plant, 1)
    run_to_end(run, plant.settings, lambda run: None, attempts=2)
    assert run.state == RunState.FAILED
    assert run.cause is not None
    assert run.cause.code == "mlflow_unreachable"


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (train, "Folder.upload"),
        (register, "plots.draw"),
        (register, "version_json"),
        (deploy, "put_model"),
        (None, "Registry.create_version"),
    ],
)
def test_a_step_that_is_killed_and_started_again_ends_the_same(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, step: Any, where: str
) -> None:
    run = good(plant, 1)
    with monkeypatch.context() as patch:

        def kill(*arguments: object, **options: object) -> None:
            raise KilledError

        if step is None:
            patch.setattr(Registry, where.partition(".")[2], kill)
        else:
            patch.setattr(f"{step.__name__}.{where}", kill)
        with pytest.raises(KilledError):
            run_to_end(run, plant.settings, lambda run: None)
    assert run.state == RunState.RUNNING
    finished(plant, run)
    assert (run.state, run.version, states(run)) == (RunState.PROMOTED, "1", [StepState.SUCCEEDED] * 5)
    plant.assert_serves(plant.registry.version(plant.task, "1"))
    assert len(plant.mlflow.search_model_versions(f"name='{plant.model_name}'")) == 1


def test_a_run_whose_record_stands_has_ended(plant: Plant) -> None:
    """It was killed after its record was written, and before its last state was saved."""
    with_nothing = plant.settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    failed = Run.accept(plant.request(1))
    failed.state, failed.cause = RunState.FAILED, Cause(code="mlflow_unreachable", message="away")
    keep(plant.store, failed)
    again, saved = good(plant, 1), []
    run_to_end(again, with_nothing, lambda run: saved.append(run.state))
    assert again == failed
    assert saved == [RunState.FAILED]


class Stopped:
    """Runs steps here; a deploy is stopped from outside at the moment that is named, and can do nothing any more."""

    def __init__(self, where: str, code: Code, patch: pytest.MonkeyPatch) -> None:
        self._where, self._code, self._patch = where, code, patch

    def __call__(
        self, step: str, request: RunRequest, settings: PipelineSettings, /, *, progress: Progress, workdir: Path
    ) -> Result:
        if step != "deploy" or not self._where:
            return run_step(step, request, settings, progress=progress, workdir=workdir)

        def stop(*_: object, **__: object) -> None:
            raise KilledError

        with self._patch.context() as patch:
            patch.setattr(self._where, stop)
            patch.setattr(deploy.Deploy, "_before", stop)  # nor does it put back
            with pytest.raises(KilledError):
                run_step(step, request, settings, progress=progress, workdir=workdir)
        self._where = ""
        raise RegraftError("it was stopped", code=self._code)


MOMENTS = [
    ("regraft_pipeline.deployers.local.LocalDeployer.prove", RunState.FAILED),
    ("regraft_pipeline.registry.registry.Registry.promote", RunState.FAILED),
    ("regraft_pipeline.steps.deploy.Deploy._note", RunState.PROMOTED),
]
CODES = [Code.STEP_TIMEOUT, Code.STEP_OUT_OF_MEMORY, Code.STEP_KILLED, Code.TEMPORARY]
STOPS = [(*moment, code) for moment in MOMENTS for code in CODES]


# Short are every moment and every code: what a moment leaves does not depend on what stopped it.
@pytest.mark.parametrize(
    "stop",
    some(STOPS, short=[stop for stop in STOPS if CODES[0] in stop or MOMENTS[0][0] in stop]),
    ids=lambda stop: f"{stop[0].rpartition('.')[2]}-{stop[2]}",
)
def test_a_deploy_that_is_stopped_for_good_leaves_nothing_that_was_not_proven(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, stop: tuple[str, RunState, Code]
) -> None:
    where, state, code = stop
    back, old = put_in_service(plant, 1), put_in_service(plant, 2)
    run = plant.run(3, kind="rollback", data_url=None)
    run_to_end(run, plant.settings, lambda _: None, perform=Stopped(where, code, monkeypatch))
    assert run.state == state, run.cause
    assert (run.cause and run.cause.code) == (code if state is RunState.FAILED else None)
    serves = old if state is RunState.FAILED else back
    plant.assert_serves(serves)
    assert plant.context(run).open_deployer().placed(plant.task.name).uri == serves.uri
