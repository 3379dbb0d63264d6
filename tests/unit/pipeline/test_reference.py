from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, TemporaryError
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_pipeline import reference
from regraft_pipeline.bootstrap import bootstrap
from regraft_pipeline.gates import Profile
from regraft_pipeline.registry import mlflow
from regraft_pipeline.registry.mlflow import MlflowApi
from regraft_pipeline.runner import run_to_end
from regraft_pipeline.steps import validate
from tests.checker import datasets
from tests.unit.pipeline.plant import Plant, shipped


def test_the_shipped_dataset_is_the_reference_until_a_person_blesses_another(plant: Plant, tmp_path: Path) -> None:
    assert reference.current(plant.task, plant.store).data_sha256 == reference.shipped(plant.task).data_sha256
    csv = tmp_path / "drifted.csv"
    csv.write_bytes(datasets.drifted(1))
    blessed = reference.bless_file(csv, plant.task, plant.settings, by="ada", why="the world has changed")
    stored = get_model(plant.store, layout.reference(plant.task.name), Profile)
    assert stored == blessed == reference.current(plant.task, plant.store)
    assert (blessed.blessed_by, blessed.why) == ("ada", "the world has changed")
    tags = plant.mlflow.get_registered_model(plant.model_name).tags
    assert (tags["reference_by"], tags["reference_sha256"]) == ("ada", blessed.data_sha256)
    assert (tags["reference_at"], tags["reference_why"]) == (f"{blessed.created_at}", "the world has changed")


def test_a_run_rejected_for_drift_can_be_blessed_and_then_passes(plant: Plant) -> None:
    plant.put_reference()
    first, second = plant.request(1), plant.request(2)
    for request in (first, second):
        plant.put_dataset(request, datasets.drifted(1))
    assert not validate.run(plant.context(first)).accepted
    reference.bless_run(first.run_id, plant.settings, by="ada", why="the world has changed")
    assert validate.run(plant.context(second)).accepted


def test_a_dataset_that_is_bad_in_itself_never_becomes_the_reference(plant: Plant, tmp_path: Path) -> None:
    plant.put_reference()
    before = plant.store.get(layout.reference(plant.task.name))
    csv = tmp_path / "shuffled.csv"
    csv.write_bytes(datasets.shuffled_labels(1))
    plant.put_dataset(plant.request(1), csv.read_bytes())
    validate.run(plant.context(plant.request(1)))
    with pytest.raises(RegraftError, match="does not pass the gates") as caught:
        reference.bless_file(csv, plant.task, plant.settings, by="ada", why="?")
    assert caught.value.code == "reference_unfit"
    with pytest.raises(RegraftError, match="is no reference") as caught:
        reference.bless_run(plant.request(1).run_id, plant.settings, by="ada", why="?")
    assert caught.value.code == "reference_unfit"
    assert plant.store.get(layout.reference(plant.task.name)) == before


@pytest.fixture
def reference_of_others(plant: Plant) -> Profile:
    """A profile that is not the reference: that of the shipped data, under another sum."""
    return shipped(plant.task.name).model_copy(update={"data_sha256": "f" * 64})


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Writes:
    """Counts what is written to store and registry, and lets one of the writes fail before it is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen, self._fatal = 0, -1
        self._error: BaseException = KilledError()
        for owner, name in ((FileStore, "put"), (FileStore, "put_file"), (MlflowApi, "post")):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def fail_at(self, number: int, error: BaseException) -> None:
        self.seen, self._fatal, self._error = 0, number, error

    def _counted(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **fields: Any) -> Any:
            self.seen += 1
            if self.seen - 1 == self._fatal:
                raise self._error
            return write(*arguments, **fields)

        return counted


def bless(plant: Plant, profile: Profile, by: str) -> Profile:
    return reference.bless(plant.task, profile, plant.settings, by=by, why="the world has changed")


def test_whoever_reads_the_reference_while_one_is_blessed_and_killed_finds_the_one_or_the_other(
    plant: Plant, reference_of_others: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.put_reference()
    old = reference.current(plant.task, plant.store)
    blessed = bless(plant, reference_of_others, by="ada")
    writes = Writes(monkeypatch)
    number = 0
    while True:
        put_model(plant.store, layout.reference(plant.task.name), old)
        writes.fail_at(number, KilledError())
        try:
            bless(plant, reference_of_others, by=f"grace{number}")
        except KilledError:
            found = reference.current(plant.task, plant.store)
            whole = found.blessed_by == f"grace{number}" and found.data_sha256 == blessed.data_sha256
            assert found == old if number == 0 else whole
        else:
            break
        number += 1
    assert number >= 3  # the reference, and those tags that changed
    writes.fail_at(-1, KilledError())
    plant.registry.tell_reference(plant.task, reference.current(plant.task, plant.store))
    tags = plant.mlflow.get_registered_model(plant.model_name).tags
    assert tags["reference_by"] == reference.current(plant.task, plant.store).blessed_by


def test_blessing_needs_no_registry_and_the_next_run_tells_it(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(mlflow, "PATIENCE_SECONDS", 0.0)
        gone = plant.settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
        csv = tmp_path / "drifted.csv"
        csv.write_bytes(datasets.drifted(1))
        blessed = reference.bless_file(csv, plant.task, gone, by="ada", why="the world has changed")
    assert reference.current(plant.task, plant.store) == blessed
    run = plant.run(1)
    plant.put_dataset(run, datasets.drifted(2))
    run_to_end(run, plant.settings, lambda _: None)
    assert run.state == "promoted"
    tags = plant.mlflow.get_registered_model(plant.model_name).tags
    assert (tags["reference_by"], tags["reference_sha256"]) == ("ada", blessed.data_sha256)
    assert tags["reference_at"] == f"{blessed.created_at}"


def test_a_store_that_cannot_be_written_is_told_and_changes_nothing(
    plant: Plant, reference_of_others: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant.put_reference()
    old = reference.current(plant.task, plant.store)
    Writes(monkeypatch).fail_at(0, TemporaryError("away", code=Code.STORE_UNREACHABLE))
    with pytest.raises(TemporaryError):
        bless(plant, reference_of_others, by="ada")
    assert reference.current(plant.task, plant.store) == old
    with pytest.raises(MlflowException):  # nobody has made the registered model
        plant.mlflow.get_registered_model(plant.model_name)


def test_a_run_that_nobody_knows_cannot_be_blessed(plant: Plant) -> None:
    with pytest.raises(RegraftError) as caught:
        reference.bless_run("run-none", plant.settings, by="ada", why="?")
    assert caught.value.code == "run_unknown"


def test_bootstrapping_twice_brings_one_version_into_service(plant: Plant) -> None:
    run = bootstrap(plant.task, plant.settings)
    assert run is not None
    assert run.state == "promoted"
    assert bootstrap(plant.task, plant.settings) is None
    plant.assert_serves(plant.registry.version(plant.task, "1"))
