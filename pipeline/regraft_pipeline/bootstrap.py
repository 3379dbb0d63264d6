"""The first reference and the first version of every task, from the dataset that ships with it.

The dataset is put into the store as if it had been downloaded; from there it goes the way of every other one. In a
cluster this module is a Job: ``python -m regraft_pipeline.bootstrap``.
"""

from __future__ import annotations

import hashlib
import sys

from regraft_core import layout
from regraft_core.logs import configure_logging, get_logger
from regraft_core.runs import Run, RunRequest, RunState, new_run_id, now
from regraft_core.stores.objects import ObjectStore, open_store, put_model
from regraft_pipeline import reference
from regraft_pipeline.assembly import open_deployer, open_registry
from regraft_pipeline.runner import run_to_end
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import DownloadResult
from regraft_pipeline.tasks import Task, load_tasks

ATTEMPTS = 5

log = get_logger(__name__)


def prepare(task: Task, store: ObjectStore, run_id: str) -> RunRequest:
    """Put the bootstrap dataset where a run of this id finds it, the reference where there is none."""
    data = reference.shipped_csv(task)
    sha256 = hashlib.sha256(data).hexdigest()
    url = f"bootstrap:{task.name}"
    if not store.exists(layout.reference(task.name)):
        first = {"created_at": now(), "blessed_by": "bootstrap", "why": "ships with the task"}
        put_model(store, layout.reference(task.name), reference.shipped(task).model_copy(update=first))
    store.put(layout.raw_dataset(sha256), data)
    downloaded = DownloadResult(data_sha256=sha256, bytes=len(data), final_url=url, message="ships with the task")
    put_model(store, layout.step_result(run_id, "download"), downloaded)
    return RunRequest(run_id=run_id, kind="bootstrap", task=task.name, data_url=url, accepted_at=now())


def bootstrap(task: Task, settings: PipelineSettings) -> Run | None:
    """Bring a task's first version into service; None where it has one."""
    if open_registry(settings).prod(task) is not None:
        return None
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    run = Run.accept(prepare(task, store, new_run_id()))
    run_to_end(run, settings, save=lambda _: None, attempts=ATTEMPTS)
    return run


def restore(task: Task, settings: PipelineSettings) -> bool:
    """Roll out what the registry says is in service, where nothing is as in a new cluster; return whether it was so."""
    prod, deployer = open_registry(settings).prod(task), open_deployer(settings)
    if prod is None or deployer.current(task.name) is not None:
        return False
    deployer.roll_out(task.name, prod.uri, prod.number)
    return True


def main() -> int:
    """Bootstrap or restore all tasks; the exit code tells whether each has a version in service now."""
    settings = PipelineSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    failed = []
    for task in load_tasks().values():
        run = bootstrap(task, settings)
        if run is None:
            log.info("a version is in service", task=task.name, restored=restore(task, settings))
        elif run.state not in (RunState.PROMOTED, RunState.SUPERSEDED):
            failed.append(task.name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
