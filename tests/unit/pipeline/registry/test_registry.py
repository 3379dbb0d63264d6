from __future__ import annotations

import pytest

from regraft_core.errors import NotFoundError, RegraftError, TemporaryError
from regraft_pipeline.registry import mlflow as mlflowapi
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.registry.version import Dataset, Tracking
from tests.unit.pipeline.plant import Plant, shipped


def test_a_task_that_nobody_registered_has_no_version_in_service(plant: Plant) -> None:
    assert plant.registry.prod(plant.task) is None


def test_tracking_twice_finds_the_same_run_and_model(plant: Plant) -> None:
    request = plant.request(1)
    assert plant.registry.track(plant.task, request) == plant.registry.track(plant.task, request)


def test_a_version_is_made_once_and_tells_where_its_bundle_is(plant: Plant) -> None:
    tracking = plant.registry.track(plant.task, plant.request(1))
    tags = {"run_id": "run-1", "data_url": "http://data/1.csv", "data_sha256": "abc", "verdict": "accepted"}
    first, second = (
        plant.registry.create_version(plant.task, tracking, tags=tags, description="first") for _ in range(2)
    )
    assert first == second
    assert first.number == "1"
    assert first.uri == tracking.model_uri
    assert first.uri.startswith("file:///")
    assert first.uri.endswith("/")
    assert (first.run_id, first.data_url, first.data_sha256) == ("run-1", "http://data/1.csv", "abc")
    seen = plant.mlflow.get_model_version(plant.model_name, "1")
    assert (seen.source, seen.description, seen.tags) == (f"models:/{tracking.model_id}", "first", tags)


def test_what_is_logged_is_seen_by_mlflows_own_client(plant: Plant) -> None:
    tracking = plant.registry.track(plant.task, plant.request(1))
    dataset = Dataset("passwords", "a" * 64, 'http://x/"y', rows=7, contract=plant.task.contract)
    parameters = {f"p{number}": number for number in range(120)} | {"long": "x" * 10_000}
    for _ in range(2):
        plant.registry.log(tracking, parameters=parameters, metrics={"skill": 0.5})
        plant.registry.log_dataset(tracking, dataset)
    plant.registry.end(tracking)
    run = plant.mlflow.get_run(tracking.mlflow_run_id)
    assert run.data.metrics == {"skill": 0.5}
    assert len(run.data.params) == 121
    assert run.data.tags["run_id"] == plant.request(1).run_id
    assert run.info.status == "FINISHED"
    assert [found.dataset.digest for found in run.inputs.dataset_inputs] == ["a" * 36]
    assert plant.registry.link(tracking).endswith(f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")


def test_promotion_moves_the_alias_and_remembers_who_did_it(plant: Plant) -> None:
    request = plant.request(1)
    version = plant.register(request)
    assert plant.registry.prod(plant.task) is None
    plant.registry.promote(plant.task, version, request)
    plant.registry.date(plant.task, version, request)
    prod = plant.registry.prod(plant.task)
    assert prod is not None
    assert (prod.number, prod.uri, prod.prod_run_id) == (version.number, version.uri, request.run_id)
    assert prod.prod_order == request.order
    assert prod.promoted_at is not None
    assert plant.prod() == version.number


def test_a_bootstrap_is_earlier_than_everything(plant: Plant) -> None:
    request = plant.request(1, kind="bootstrap")
    plant.registry.promote(plant.task, plant.register(request), request)
    prod = plant.registry.prod(plant.task)
    assert prod is not None
    assert "" < prod.prod_order < plant.request(0).order


def test_the_one_before_is_the_newest_that_was_ever_in_service(plant: Plant) -> None:
    requests = [plant.request(number) for number in range(1, 5)]
    versions = [plant.register(request) for request in requests]
    for number in (0, 1, 3):  # the third never was
        plant.registry.promote(plant.task, versions[number], requests[number])
        plant.registry.date(plant.task, versions[number], requests[number])
    prod = plant.registry.prod(plant.task)
    assert prod is not None
    assert plant.registry.previous(plant.task, prod).number == versions[1].number
    first = plant.registry.version(plant.task, versions[0].number)
    with pytest.raises(NotFoundError) as caught:
        plant.registry.previous(plant.task, first)
    assert caught.value.code == "version_unknown"


@pytest.mark.parametrize("number", ["99", "none", ""])
def test_a_version_that_is_not_there_is_unknown(plant: Plant, number: str) -> None:
    plant.register(plant.request(1))
    with pytest.raises(NotFoundError) as caught:
        plant.registry.version(plant.task, number)
    assert caught.value.code == "version_unknown"


def test_the_registered_model_tells_who_made_the_reference(plant: Plant) -> None:
    for by in ("ada", "grace"):
        blessed = shipped(plant.task.name).model_copy(update={"blessed_by": by, "why": "the world has changed"})
        plant.registry.tell_reference(plant.task, blessed)
        tags = plant.mlflow.get_registered_model(plant.model_name).tags
        assert (tags["reference_by"], tags["reference_sha256"]) == (by, blessed.data_sha256)


def test_a_server_that_is_not_there_is_a_failure_that_can_pass(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflowapi, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(TemporaryError) as caught:
        Registry("http://127.0.0.1:9", owner="x").prod(plant.task)
    assert caught.value.code == "mlflow_unreachable"


def test_an_address_that_is_no_server_is_refused() -> None:
    with pytest.raises(RegraftError) as caught:
        Registry("sqlite:///x.db", owner="x")
    assert caught.value.code == "setting_invalid"


def test_the_password_of_the_server_is_never_shown(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflowapi, "PATIENCE_SECONDS", 0.1)
    registry = Registry("http://admin:5ECRET42@127.0.0.1:9/base", owner="x")
    with pytest.raises(TemporaryError) as caught:
        registry.prod(plant.task)
    assert "5ECRET42" not in caught.value.message
    assert "http://127.0.0.1:9/base" in caught.value.message
    assert registry.link(Tracking("r", "e", "", "m", "")) == "http://127.0.0.1:9/base/#/experiments/e/runs/r"
