from __future__ import annotations

from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.errors import RegraftError
from regraft_core.stores.objects import get_model
from regraft_pipeline import reference
from regraft_pipeline.bootstrap import bootstrap
from regraft_pipeline.gates import Profile
from regraft_pipeline.steps import validate
from tests.checker import datasets
from tests.unit.pipeline.plant import Plant


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
