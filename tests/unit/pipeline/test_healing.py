"""What people do on MLflow's page, and what breaks at the worst moment: the next run heals it, nothing serves less."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow.exceptions import MlflowException

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.results import DeployResult
from regraft_core.runs import Run, RunRequest, RunState
from regraft_core.taskstate import learn_from, read_state
from regraft_pipeline import bootstrap, reference
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.registry.version import Version
from regraft_pipeline.runner import run_to_end
from regraft_pipeline.steps import deploy
from regraft_pipeline.tasks import Task
from tests.checker import datasets
from tests.proofs import some
from tests.unit.pipeline.plant import Plant
from tests.unit.pipeline.test_deploy import damage, deployed, put_in_service


def refused() -> RegraftError:
    return RegraftError("MLflow refuses it", code=Code.MLFLOW_REFUSED)


class RefusingRegistry(Registry):
    """A registry that takes no alias, for good."""

    def promote(self, task: Task, version: Version, request: RunRequest, *, replaces: Version | None = None) -> None:
        raise refused()


class UndatedRegistry(Registry):
    """A registry that moves the alias and takes no tag after that, for good."""

    def date(self, task: Task, version: Version, request: RunRequest) -> None:
        raise refused()


def with_registry(plant: Plant, request: RunRequest, kind: type[Registry]) -> DeployResult:
    registry = kind(plant.settings.mlflow_tracking_uri, owner=plant.settings.owner)
    return deploy.run(replace(plant.context(request), registry=registry))


def bundle_of(version: Version) -> Path:
    return Path(urlsplit(version.uri).path)


def promoted(plant: Plant, number: int) -> Run:
    run = plant.run(number)
    plant.put_reference()
    plant.put_dataset(run, datasets.good(number))
    run_to_end(run, plant.settings, lambda _: None)
    assert run.state == RunState.PROMOTED, run.cause
    return run


# What fails while the alias moves


def test_the_old_version_serves_on_where_the_registry_refuses_the_alias_for_good(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    plant.register(plant.request(2))
    with pytest.raises(RegraftError) as caught:
        with_registry(plant, plant.request(2), RefusingRegistry)
    assert caught.value.code == "mlflow_refused"
    plant.assert_serves(old)


def test_the_new_version_serves_on_where_the_alias_moved_and_its_date_cannot_be_written(plant: Plant) -> None:
    put_in_service(plant, 1)
    new = plant.register(plant.request(2))
    assert with_registry(plant, plant.request(2), UndatedRegistry).end == RunState.PROMOTED
    plant.assert_serves(new)


# What is gone, and what was in service before


def test_data_come_in_although_the_bundle_in_service_is_gone(plant: Plant) -> None:
    shutil.rmtree(bundle_of(put_in_service(plant, 1)))
    run = promoted(plant, 2)
    plant.assert_serves(plant.registry.version(plant.task, str(run.version)))


def test_a_rollback_never_puts_back_what_a_person_took_out(plant: Plant) -> None:
    versions = [put_in_service(plant, number) for number in (1, 2, 3)]
    back = plant.request(4, kind="rollback", data_url=None, to_version="1")
    assert deployed(plant, back).version == versions[0].number
    put_in_service(plant, 5)
    deployed(plant, plant.request(6, kind="rollback", data_url=None))
    plant.assert_serves(versions[0])


def edit_contract(bundle: Path, **fields: object) -> None:
    """Change what the contract of a bundle says of its feature, and the checksum with it."""
    contract = json.loads((bundle / "contract.json").read_text())
    contract["features"][0] |= fields
    (bundle / "contract.json").write_text(json.dumps(contract))
    checksums = json.loads((bundle / "checksums.json").read_text())
    checksums["contract.json"] = hashlib.sha256((bundle / "contract.json").read_bytes()).hexdigest()
    (bundle / "checksums.json").write_text(json.dumps(checksums))


def test_the_version_in_service_is_compared_whatever_words_its_contract_had(plant: Plant) -> None:
    serving = promoted(plant, 1)
    edits: list[dict[str, object]] = [{"description": "as others say"}, {"max_length": 7}]
    for number, fields in enumerate(edits, start=2):
        edit_contract(bundle_of(plant.registry.version(plant.task, str(serving.version))), **fields)
        serving = promoted(plant, number)
        assert serving.verdict is not None
        assert bool(serving.verdict.incumbent_metrics) is ("description" in fields)


def test_a_reference_that_is_damaged_costs_its_task_only_until_a_person_makes_another(
    plant: Plant, tmp_path: Path
) -> None:
    plant.store.put(layout.reference(plant.task.name), b'{"task": "pass')
    runs = [plant.run(number) for number in (1, 2)]
    for number, run in enumerate(runs, start=1):
        plant.put_dataset(run, datasets.good(number))
    run_to_end(runs[0], plant.settings, lambda _: None)
    learn_from(plant.store, runs[0])
    state = read_state(plant.store, plant.task.name)
    assert state is not None
    assert state.broken == runs[0].cause
    assert state.broken is not None
    assert state.broken.code == "reference_unreadable"
    assert f"reference/{plant.task.name}.json" in state.broken.message
    assert "regraft bless" in state.broken.message
    csv = tmp_path / "good.csv"
    csv.write_bytes(datasets.good(3))
    reference.bless_file(csv, plant.task, plant.settings, by="ada", why="the reference was damaged")
    run_to_end(runs[1], plant.settings, lambda _: None)
    learn_from(plant.store, runs[1])
    assert runs[1].state == RunState.PROMOTED
    healed = read_state(plant.store, plant.task.name)
    assert healed is not None
    assert healed.broken is None


def test_a_note_of_what_serves_that_is_damaged_is_written_anew_by_the_next_run(plant: Plant) -> None:
    put_in_service(plant, 1)
    plant.store.put(layout.serving(plant.task.name), b"{")
    plant.assert_serves(put_in_service(plant, 2))


# What people do on MLflow's page


def delete_experiment(plant: Plant) -> None:
    experiment = plant.mlflow.get_experiment_by_name(f"regraft-{plant.task.name}")
    assert experiment is not None
    plant.mlflow.delete_experiment(experiment.experiment_id)


def delete_model(plant: Plant) -> None:
    plant.mlflow.delete_registered_model(plant.model_name)


def delete_version(plant: Plant) -> None:
    plant.mlflow.delete_model_version(plant.model_name, str(plant.prod()))


def delete_alias(plant: Plant) -> None:
    plant.mlflow.delete_registered_model_alias(plant.model_name, "prod")


def move_alias(plant: Plant) -> None:
    plant.mlflow.set_registered_model_alias(plant.model_name, "prod", "1")


def named(plant: Plant) -> str | None:
    """Return what the alias names, if there is a model left that could have one."""
    with contextlib.suppress(MlflowException):
        return plant.prod()
    return None


BY_HAND = [delete_experiment, delete_model, delete_version, delete_alias, move_alias]


@pytest.mark.parametrize("change", BY_HAND)
def test_the_next_run_heals_what_was_done_by_hand(plant: Plant, change: Callable[[Plant], None]) -> None:
    for number in (1, 2):
        put_in_service(plant, number)
    change(plant)
    plant.assert_serves(put_in_service(plant, 3))


# Short are those after which the alias has no model, no version, or another version.
@pytest.mark.parametrize("change", some(BY_HAND, short=[delete_model, delete_version, move_alias]))
def test_what_serves_goes_on_serving_where_the_next_version_does_not_stand(
    plant: Plant, change: Callable[[Plant], None]
) -> None:
    versions = {number: put_in_service(plant, number) for number in (1, 2)}
    change(plant)
    damage(plant.register(plant.request(3)))
    result = deployed(plant, plant.request(3))
    served = plant.answering()
    assert result.end == RunState.ROLLED_BACK
    assert f"version {served} serves on" in result.message
    assert served == (named(plant) or versions[2].number)
    placed = plant.context(plant.request(4)).open_deployer().placed(plant.task.name)
    assert placed.uri == versions[int(str(served))].uri


@pytest.mark.parametrize("change", some(BY_HAND, short=[delete_model, delete_alias]))
def test_a_bootstrap_never_puts_its_own_data_over_what_serves(plant: Plant, change: Callable[[Plant], None]) -> None:
    for number in (1, 2):
        put_in_service(plant, number)
    answering = plant.answering()
    change(plant)
    run = bootstrap.bootstrap(plant.task, plant.settings)
    if run is not None:
        assert run.state == RunState.SUPERSEDED
        assert run.cause is not None
        assert "serves" in run.cause.message or "in service" in run.cause.message
    assert plant.answering() == answering


def test_a_rollback_gives_the_alias_back(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    put_in_service(plant, 2)
    delete_alias(plant)
    deployed(plant, plant.request(3, kind="rollback", data_url=None))
    plant.assert_serves(old)


def test_what_a_run_registered_and_somebody_deleted_is_told_with_its_cure(plant: Plant) -> None:
    put_in_service(plant, 1)
    new = plant.register(plant.request(2))
    plant.mlflow.delete_model_version(plant.model_name, new.number)
    with pytest.raises(RegraftError) as caught:
        deployed(plant, plant.request(2))
    assert caught.value.code == "version_unknown"
    assert plant.store.exists(layout.step_result(plant.request(2).run_id, "register"))
    assert plant.prod() == plant.answering() == "1"
