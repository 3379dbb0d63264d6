"""What is pruned, on a real registry and a store in a folder."""

from __future__ import annotations

from datetime import timedelta

import pytest

from regraft_core import layout
from regraft_core.record import keep
from regraft_core.runs import RunState, now
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import put_model
from regraft_pipeline.prune import Plan, Policy, carry_out, plan
from regraft_pipeline.registry.version import Version
from tests.unit.pipeline.plant import Plant

LONG_AGO = timedelta(days=200)


def ended_run(plant: Plant, number: int, *, age: timedelta, promoted: bool = True) -> Version:
    """A run as it was when it ended, with a dataset of its own, a version and what its steps worked with."""
    request = plant.request(number, accepted_at=now() - age + timedelta(seconds=number))
    plant.put_dataset(request, b"dataset %d" % number)
    version = plant.register(request)
    plant.store.put(f"{layout.bundle(request.run_id)}model.json", b"{}")
    plant.store.put(layout.clean(request.run_id), b"rows")
    run = plant.run(number, accepted_at=request.accepted_at)
    run.state, run.version, run.finished_at = RunState.PROMOTED, version.number, now()
    keep(plant.store, run)
    if promoted:
        plant.registry.promote(plant.task, version, request)
        plant.registry.date(plant.task, version, request)
    return version


def numbers(found: Plan) -> list[str]:
    return [version.number for _, version in found.versions]


def ended_runs(plant: Plant, count: int) -> list[Version]:
    """So many versions, one after the other in service, all long ago."""
    return [ended_run(plant, number, age=LONG_AGO) for number in range(1, count + 1)]


def test_the_newest_what_serves_what_served_and_what_is_pinned_stay(plant: Plant) -> None:
    first = ended_runs(plant, 6)[0]
    plant.registry.promote(plant.task, first, plant.request(7, kind="rollback"))  # serves again
    plant.mlflow.set_model_version_tag(plant.model_name, "2", "keep", "for the auditors")
    plant.mlflow.set_registered_model_alias(plant.model_name, "champion-2025", "3")
    put_model(plant.store, layout.open_run("run-open"), plant.request(8, kind="rollback", to_version="4"))
    found = plan(plant.settings, Policy(versions=1, days=30))
    assert numbers(found) == ["5"]  # 6 is the newest, 1 serves, 2 and 3 are pinned, 4 is asked for


def test_what_goes_is_gone_and_the_rest_is_whole(plant: Plant) -> None:
    versions = ended_runs(plant, 4)
    found = plan(plant.settings, Policy(versions=2, days=30))
    carry_out(found, plant.settings)
    assert [version.number for version in plant.registry.versions(plant.task)] == ["4", "3"]
    for version in versions:
        is_kept = version.number in ("3", "4")
        assert Folder.at(version.uri).exists() is is_kept
        assert plant.store.exists(layout.record(version.run_id)) is is_kept
        assert not list(plant.store.keys(layout.bundle(version.run_id)))
        assert not plant.store.exists(layout.clean(version.run_id))
    assert len(list(plant.store.keys(layout.DATASETS))) == 2
    assert len(list(plant.store.keys(layout.HISTORY))) == 2
    assert plan(plant.settings, Policy(versions=2, days=30)).counts() == dict.fromkeys(found.counts(), 0)


def test_a_kill_in_between_leaves_what_the_next_call_finds(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = ended_runs(plant, 5)
    policy = Policy(versions=1, days=30)
    removed = 0
    remove = type(plant.store).remove

    def dying(self: object, key: str) -> None:
        nonlocal removed
        removed += 1
        if removed % 7 == 0:
            raise KeyboardInterrupt
        remove(self, key)  # type: ignore[arg-type]

    with monkeypatch.context() as killing:
        killing.setattr(type(plant.store), "remove", dying)
        for _ in range(40):
            try:
                carry_out(plan(plant.settings, policy), plant.settings)
                break
            except KeyboardInterrupt:
                assert plant.prod() == versions[-1].number
    kept = {version.run_id for version in versions[-2:]}
    carry_out(plan(plant.settings, policy), plant.settings)
    left = {key.split("/")[1] for key in plant.store.keys(layout.RUNS)}
    assert left == kept


def test_young_runs_and_their_datasets_stay(plant: Plant) -> None:
    versions = ended_runs(plant, 3)
    found = plan(plant.settings, Policy(versions=1, days=365))
    assert (found.runs, found.datasets) == ({}, [])
    assert len(found.working_files) == 2 * len(versions)


def test_datasets_wait_while_a_run_is_open(plant: Plant) -> None:
    versions = ended_runs(plant, 3)
    put_model(plant.store, layout.open_run("run-open"), plant.request(9))
    found = plan(plant.settings, Policy(versions=1, days=30))
    assert found.datasets
    carry_out(found, plant.settings)
    assert len(list(plant.store.keys(layout.DATASETS))) == len(versions)


def test_a_task_that_cannot_be_read_is_left_alone(plant: Plant) -> None:
    plant.store.put(layout.history(now() - LONG_AGO, "gone-task", "run-of-a-task-gone"), b"")
    plant.store.put(layout.record("run-of-a-task-gone"), b"{}")
    found = plan(plant.settings, Policy(versions=1, days=30))
    assert set(found.left_alone) == {"gone-task"}
    carry_out(found, plant.settings)
    assert plant.store.exists(layout.record("run-of-a-task-gone"))
