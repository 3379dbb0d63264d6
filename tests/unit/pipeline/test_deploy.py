from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import DeployError, NotFoundError, RegraftError, TemporaryError
from regraft_core.results import DownloadResult
from regraft_core.runs import RunRequest, RunState, now
from regraft_core.stores.objects import put_model
from regraft_pipeline.deployers import Place
from regraft_pipeline.registry import registry
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.registry.version import Version
from regraft_pipeline.steps import DeployResult, deploy
from regraft_pipeline.tasks import Task
from tests.unit.pipeline.plant import Plant


class GoneRegistry(Registry):
    """A registry that is gone when the alias should move."""

    def promote(self, task: Task, version: Version, request: RunRequest, *, replaces: Version | None = None) -> None:
        raise TemporaryError("gone", code=Code.MLFLOW_UNREACHABLE)


class CutRegistry(Registry):
    """A registry whose process is killed right after the alias has moved."""

    def promote(self, task: Task, version: Version, request: RunRequest, *, replaces: Version | None = None) -> None:
        super().promote(task, version, request, replaces=replaces)
        raise KeyboardInterrupt


class StoppedRegistry(Registry):
    """A registry whose process is killed when it has written one tag of a version."""

    def _tag_version(self, task: Task, version: Version, **tags: str) -> None:
        name = next(iter(tags))
        super()._tag_version(task, version, **{name: tags[name]})
        raise KeyboardInterrupt


def put_in_service(plant: Plant, number: int, **fields: Any) -> Version:
    request = plant.request(number, **fields)
    version = plant.register(request)
    result = deploy.run(plant.context(request))
    assert (result.end, result.version) == (RunState.PROMOTED, version.number)
    return version


def damage(version: Version) -> None:
    folder = Path(urlsplit(version.uri).path)
    (folder / "contract.json").write_text("{}")


def deployed(plant: Plant, request: RunRequest) -> DeployResult:
    return deploy.run(plant.context(request))


def test_a_version_comes_into_service_and_all_agree_on_it(plant: Plant) -> None:
    version = put_in_service(plant, 1)
    plant.assert_serves(version)
    serving = plant.serving()
    assert serving is not None
    assert serving.metrics == {"skill": 0.9}
    assert serving.run_id == plant.request(1).run_id


def test_deploying_again_changes_nothing(plant: Plant) -> None:
    version = put_in_service(plant, 1)
    again = deployed(plant, plant.request(1))
    assert (again.end, again.version) == (RunState.PROMOTED, version.number)
    plant.assert_serves(version)


def test_a_later_run_supersedes_an_earlier_one(plant: Plant) -> None:
    plant.register(plant.request(1))
    later = put_in_service(plant, 2)
    result = deployed(plant, plant.request(1))
    assert result.end == RunState.SUPERSEDED
    assert result.cause is not None
    assert result.cause.code == "superseded"
    plant.assert_serves(later)


def test_a_bootstrap_gives_way_to_whatever_is_in_service(plant: Plant) -> None:
    version = put_in_service(plant, 1)
    bootstrap = plant.request(2, kind="bootstrap")
    plant.register(bootstrap)
    assert deployed(plant, bootstrap).end == RunState.SUPERSEDED
    plant.assert_serves(version)


def test_a_run_accepted_before_the_bootstrap_ended_is_promoted(plant: Plant) -> None:
    put_in_service(plant, 2, kind="bootstrap")
    plant.assert_serves(put_in_service(plant, 1))


def test_a_version_that_does_not_stand_is_taken_back(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    new = plant.register(plant.request(2))
    damage(new)
    result = deployed(plant, plant.request(2))
    assert (result.end, result.version) == (RunState.ROLLED_BACK, new.number)
    assert result.cause is not None
    assert result.cause.code == "rollout_failed"
    assert "contract.json" in result.cause.message
    plant.assert_serves(old)


def test_a_first_version_that_does_not_stand_leaves_nothing_in_service(plant: Plant) -> None:
    damage(plant.register(plant.request(1)))
    assert deployed(plant, plant.request(1)).end == RunState.ROLLED_BACK
    assert plant.prod() is None
    assert plant.serving() is None


def test_what_cannot_be_put_back_either_is_told(plant: Plant) -> None:
    damage(put_in_service(plant, 1))
    damage(plant.register(plant.request(2)))
    with pytest.raises(DeployError) as caught:
        deployed(plant, plant.request(2))
    assert caught.value.code == "rollback_failed"
    assert plant.prod() == "1"


def test_the_old_version_serves_on_where_the_alias_cannot_be_moved(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    new = plant.register(plant.request(2))
    context = plant.context(plant.request(2))
    gone = GoneRegistry(plant.settings.mlflow_tracking_uri, owner=plant.settings.owner)
    with pytest.raises(TemporaryError):
        deploy.run(replace(context, registry=gone))
    plant.assert_serves(old)
    assert deployed(plant, plant.request(2)).end == RunState.PROMOTED
    plant.assert_serves(new)


def test_a_deploy_that_was_killed_after_the_alias_moved_ends_right(plant: Plant) -> None:
    put_in_service(plant, 1)
    new = plant.register(plant.request(2))
    context = plant.context(plant.request(2))
    cut = CutRegistry(plant.settings.mlflow_tracking_uri, owner=plant.settings.owner)
    with pytest.raises(KeyboardInterrupt):
        deploy.run(replace(context, registry=cut))
    assert deployed(plant, plant.request(2)).end == RunState.PROMOTED
    plant.assert_serves(new)


def test_a_deploy_that_was_killed_before_the_alias_moved_ends_right(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    new = plant.register(plant.request(2))
    context = plant.context(plant.request(2))
    deployer = context.open_deployer()
    deployer.place(plant.task.name, deployer.placed(plant.task.name), Place(uri=new.uri, version=new.number))
    assert plant.prod() == old.number
    assert deployed(plant, plant.request(2)).end == RunState.PROMOTED
    plant.assert_serves(new)


def test_a_rollback_puts_the_one_before_back_and_may_be_repeated(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    put_in_service(plant, 2)
    request = plant.request(3, kind="rollback", data_url=None)
    for _ in range(2):
        result = deployed(plant, request)
        assert (result.end, result.version) == (RunState.PROMOTED, old.number)
        plant.assert_serves(old)


def test_a_rollback_puts_the_one_before_back_whatever_clocks_have_said(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [now() - timedelta(hours=hours) for hours in (0, 1, 2, 1)]
    monkeypatch.setattr(registry, "now", lambda: moments.pop(0) if moments else now())
    versions = [put_in_service(plant, number) for number in (1, 2, 3)]
    for number, version in ((4, versions[1]), (5, versions[0])):
        deployed(plant, plant.request(number, kind="rollback", data_url=None))
        plant.assert_serves(version)


def test_a_rollback_puts_a_named_version_back(plant: Plant) -> None:
    versions = [put_in_service(plant, number) for number in (1, 2, 3)]
    deployed(plant, plant.request(4, kind="rollback", data_url=None, to_version="2"))
    plant.assert_serves(versions[1])


def test_a_dataset_accepted_before_a_rollback_does_not_undo_it(plant: Plant) -> None:
    old = put_in_service(plant, 1)
    put_in_service(plant, 2)
    plant.register(plant.request(3))
    deployed(plant, plant.request(4, kind="rollback", data_url=None))
    assert deployed(plant, plant.request(3)).end == RunState.SUPERSEDED
    plant.assert_serves(old)


@pytest.mark.parametrize("to_version", [None, "77"])
def test_a_rollback_to_what_there_is_not_fails_and_changes_nothing(plant: Plant, to_version: str | None) -> None:
    version = put_in_service(plant, 1)
    with pytest.raises(NotFoundError) as caught:
        deployed(plant, plant.request(2, kind="rollback", data_url=None, to_version=to_version))
    assert caught.value.code == "version_unknown"
    assert to_version is None or caught.value.message.endswith(f"there are: {version.number}")
    plant.assert_serves(version)


def test_a_rollback_where_nothing_serves_fails(plant: Plant) -> None:
    with pytest.raises(RegraftError) as caught:
        deployed(plant, plant.request(1, kind="rollback", data_url=None))
    assert caught.value.code == "version_unknown"


def test_a_predictor_that_is_not_there_is_waited_for_and_told(plant: Plant) -> None:
    plant.settings = plant.settings.model_copy(update={"predictor_url": "http://127.0.0.1:9", "deploy_timeout": 0.3})
    plant.register(plant.request(1))
    result = deployed(plant, plant.request(1))
    assert result.end == RunState.ROLLED_BACK
    assert result.cause is not None
    assert result.cause.code == "predictor_unreachable"


def unchanged(plant: Plant, number: int, version: Version) -> RunRequest:
    """Return a run that found its dataset to be that of a version in service."""
    request = plant.request(number)
    found = DownloadResult(data_sha256="0" * 64, bytes=1, final_url="", version=version.number, then="deploy")
    put_model(plant.store, layout.step_result(request.run_id, "download"), found)
    return request


def test_an_unchanged_dataset_that_was_killed_while_it_was_confirmed_is_unchanged(plant: Plant) -> None:
    put_in_service(plant, 1)
    version = put_in_service(plant, 2)
    request = unchanged(plant, 3, version)
    stopped = StoppedRegistry(plant.settings.mlflow_tracking_uri, owner=plant.settings.owner)
    with pytest.raises(KeyboardInterrupt):
        deploy.run(replace(plant.context(request), registry=stopped))
    assert deployed(plant, request).end == RunState.UNCHANGED
    prod = plant.registry.prod(plant.task)
    assert prod is not None
    assert (prod.prod_order, prod.prod_run_id) == (request.order, request.run_id)


def test_a_dataset_counts_as_unchanged_only_where_its_version_serves(plant: Plant) -> None:
    version = put_in_service(plant, 1)
    damage(version)
    with pytest.raises(DeployError) as caught:
        deployed(plant, unchanged(plant, 2, version))
    assert caught.value.code == "rollout_failed"
    for told in ("version 1", "contract.json", "force trains it anew"):
        assert told in caught.value.message
