"""What is kept and what goes: old versions with their bundles, old runs, datasets that nobody refers to.

``python -m regraft_pipeline.prune`` does it once; on Kubernetes a CronWorkflow calls it, on a laptop ``regraft prune``.
Kept are what serves, what served before it, the newest versions, whatever a person pinned (an alias or the tag
``keep`` on MLflow's page), what an open run names, and all that belongs to these. Everything goes in an order in which
a kill leaves only what the next call finds again.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from regraft_core import layout
from regraft_core.errors import NotFoundError, RegraftError
from regraft_core.logs import configure_logging, get_logger
from regraft_core.record import open_runs
from regraft_core.results import DownloadResult
from regraft_core.runs import RunRequest, now
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import ObjectStore, find_model, open_store
from regraft_pipeline.assembly import open_registry, task_of_run
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.registry.version import Version
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.tasks import Task

KEEP = "keep"
"""Tag by which a person pins a version, whatever its value."""

READERS = 16
"""Results of steps that are read at once."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Policy:
    """How much is kept: versions of each task, and days of runs that no kept version came from."""

    versions: int
    days: int


@dataclass
class Plan:
    """What goes. ``left_alone`` are tasks of which nothing goes, with the reason."""

    versions: list[tuple[Task, Version]] = field(default_factory=list)
    runs: dict[str, list[str]] = field(default_factory=dict)
    working_files: list[str] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    left_alone: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Return how many of each kind."""
        return {
            "versions": len(self.versions),
            "runs": len(self.runs),
            "working_files": len(self.working_files),
            "datasets": len(self.datasets),
        }


def plan(settings: PipelineSettings, policy: Policy, *, task: str | None = None) -> Plan:
    """Return what goes of a task, or of all tasks that have had runs; nothing is removed yet.

    Where one task alone is asked for, datasets stay: others may refer to them.
    """
    store, registry = _store(settings), open_registry(settings)
    ended = {layout.run_of(place): place for place in store.keys(layout.HISTORY)}
    # The newest run comes last here, so that each task is as its newest run had it: its object may be gone.
    newest = {layout.task_of(place): run for run, place in sorted(ended.items(), key=lambda one: one[1], reverse=True)}
    found, waiting = Plan(), open_runs(store)
    kept: list[Version] = []
    for name in sorted(newest) if task is None else [task]:
        try:
            of = task_of_run(newest.get(name, ""), name, store)
            keep, go = _divided(of, registry, policy, waiting)
        except RegraftError as error:
            found.left_alone[name] = error.message
            continue
        kept += keep
        found.versions += [(of, version) for version in go]
    before = now() - timedelta(days=policy.days)
    judged = {
        run: place
        for run, place in ended.items()
        if layout.task_of(place) not in found.left_alone and task in (None, layout.task_of(place))
    }
    keys = _keys_of_runs(store, judged)
    old = _old(judged, before, kept)
    found.runs = {run: [*keys[run], judged[run]] for run in old}
    found.working_files = [key for run in keys if run not in old for key in keys[run] if _is_working_file(key, run)]
    if task is None and not found.left_alone:
        staying = [run for run in ended if run not in old]
        found.datasets = _unused(store, [version.data_sha256 for version in kept], staying)
    return found


def carry_out(found: Plan, settings: PipelineSettings) -> None:
    """Remove what a plan names. Called again after a kill it goes on; what is gone is no error."""
    store, registry = _store(settings), open_registry(settings)
    for task, version in found.versions:
        if any(request.to_version == version.number for request in open_runs(store) if request.task == task.name):
            continue
        bundle = Folder.at(version.uri, endpoint_url=settings.s3_endpoint_url)
        for key in list(bundle.store.keys(bundle.prefix)):
            bundle.store.remove(key)
        registry.delete(task, version)  # last: until it is gone, the next call finds it again
        log.info("version removed", task=task.name, version=version.number)
    for key in found.working_files:
        store.remove(key)
    for run, keys in found.runs.items():
        for key in sorted(keys, key=lambda key: (key.startswith(layout.HISTORY), key == layout.record(run))):
            store.remove(key)
    if not open_runs(store):  # a run that has just begun may be about to rely on a dataset that is there
        for sha256 in found.datasets:
            store.remove(layout.raw_dataset(sha256))
    log.info("pruned", **found.counts())


def _store(settings: PipelineSettings) -> ObjectStore:
    return open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)


def _divided(
    task: Task, registry: Registry, policy: Policy, waiting: Sequence[RunRequest]
) -> tuple[list[Version], list[Version]]:
    """Return the versions of a task that stay, and those that go."""
    versions, prod = registry.versions(task), registry.prod(task)
    asked_for = {request.to_version for request in waiting} | {prod and prod.number, _previous(task, registry, prod)}
    open_runs = {request.run_id for request in waiting}
    stay: list[Version] = []
    go: list[Version] = []
    for place, version in enumerate(versions):
        pinned = version.aliases or KEEP in version.tags
        kept = place < policy.versions or pinned or version.number in asked_for or version.run_id in open_runs
        (stay if kept else go).append(version)
    return stay, go


def _previous(task: Task, registry: Registry, prod: Version | None) -> str | None:
    try:
        return registry.previous(task, prod).number
    except NotFoundError:
        return None


def _old(places: dict[str, str], before: datetime, kept: Sequence[Version]) -> list[str]:
    """Return the runs that ended long ago and that no kept version came from or was put into service by."""
    named = {run for version in kept for run in (version.run_id, version.prod_run_id)}
    return [run for run, place in places.items() if layout.accepted_of(place) < before and run not in named]


def _keys_of_runs(store: ObjectStore, runs: dict[str, str]) -> dict[str, list[str]]:
    keys: dict[str, list[str]] = defaultdict(list)
    for key in store.keys(layout.RUNS):
        if (run := key.split("/")[1]) in runs:
            keys[run].append(key)
    for run in runs:
        keys.setdefault(run, [])
    return keys


def _is_working_file(key: str, run: str) -> bool:
    """Whether only the steps of the run needed it: the bundle is among the registry's artifacts since."""
    return key.startswith(layout.bundle(run)) or key in (layout.clean(run), layout.held_out(run))


def _unused(store: ObjectStore, of_versions: Sequence[str | None], runs: Sequence[str]) -> list[str]:
    """Return the datasets that no kept version was trained on and no kept run has read."""
    stored = set(_datasets(store))
    if not stored:
        return []
    with ThreadPoolExecutor(READERS) as readers:
        read = readers.map(lambda run: find_model(store, layout.step_result(run, "download"), DownloadResult), runs)
        used = {result.data_sha256 for result in read if result is not None}
    return sorted(stored - used - set(of_versions))


def _datasets(store: ObjectStore) -> Iterator[str]:
    for key in store.keys(layout.DATASETS):
        sha256 = key.split("/")[1]
        if key == layout.raw_dataset(sha256):
            yield sha256


def main() -> int:
    """Remove what the settings let go, once."""
    settings = PipelineSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    found = plan(settings, Policy(settings.keep_versions, settings.keep_run_days))
    for task, reason in found.left_alone.items():
        log.warning("task is left alone", task=task, reason=reason)
    carry_out(found, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
