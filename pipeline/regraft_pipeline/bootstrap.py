"""The first reference and the first version of every task, from the dataset that ships with it.

The dataset is put into the store as if it had been downloaded; from there it goes the way of every other one. In a
cluster this module is a Job: ``python -m regraft_pipeline.bootstrap``.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from importlib.metadata import entry_points

from regraft_core import layout
from regraft_core.logs import configure_logging, get_logger
from regraft_core.runs import Run, RunRequest, RunState, new_run_id, now
from regraft_core.stores.objects import open_store, put_model
from regraft_core.taskstate import learn_from
from regraft_pipeline import reference
from regraft_pipeline.assembly import open_deployer, open_registry
from regraft_pipeline.deployers import DisplacedError, Place
from regraft_pipeline.runner import run_to_end
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import Context, DownloadResult
from regraft_pipeline.taskcheck import check
from regraft_pipeline.tasks import GROUP, Task, load_task

ATTEMPTS = 5

log = get_logger(__name__)


def request_for(task: str, run_id: str) -> RunRequest:
    """Return the request of a run on the dataset that ships with a task."""
    return RunRequest(run_id=run_id, kind="bootstrap", task=task, data_url=f"bootstrap:{task}", accepted_at=now())


def provide(context: Context) -> DownloadResult:
    """Put the bootstrap dataset where the run finds it, as if downloaded, and the reference where there is none."""
    store = context.store
    task = load_task(context.task.name)  # what is kept of a run that is taken up again has no dataset beside it
    data = reference.shipped_csv(task)
    sha256 = hashlib.sha256(data).hexdigest()
    if not store.exists(layout.reference(task.name)):
        first = {"created_at": now(), "blessed_by": "bootstrap", "why": "the task's own reference dataset"}
        put_model(store, layout.reference(task.name), reference.shipped(task).model_copy(update=first))
    store.put(layout.raw_dataset(sha256), data)
    url = str(context.request.data_url)
    return context.finish(
        "download",
        DownloadResult(data_sha256=sha256, bytes=len(data), final_url=url, message="the task's own reference dataset"),
    )


def bootstrap(task: Task, settings: PipelineSettings) -> Run | None:
    """Bring a task's first version into service; None where it has one.

    A run that finds something in service when its turn comes leaves it there.
    """
    if open_registry(settings).prod(task) is not None:
        return None
    run = Run.accept(request_for(task.name, new_run_id()))
    run_to_end(run, settings, save=lambda _: None, attempts=ATTEMPTS)
    return run


def restore(task: Task, settings: PipelineSettings) -> bool:
    """Roll out what the registry says is in service, where nothing is as in a new cluster; return whether it was so."""
    prod, deployer = open_registry(settings).prod(task), open_deployer(settings)
    empty = deployer.placed(task.name)
    if prod is None or empty.uri is not None:
        return False
    place = Place(uri=prod.uri, version=prod.number, order=prod.prod_order)
    if not deployer.place(task.name, empty, place):
        return False
    with contextlib.suppress(DisplacedError):  # a run is at it
        deployer.prove(task.name, place)
    return True


def main() -> int:
    """Bootstrap or restore all tasks, each for itself; the exit code tells whether trying again makes sense."""
    settings = PipelineSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    names = sorted({entry.name for entry in entry_points(group=GROUP)})
    settled = [settle(name, settings) for name in names]
    return 0 if all(settled) else 1


def settle(name: str, settings: PipelineSettings) -> bool:
    """Bring a task into service, or write down why that cannot be; False where it may be otherwise the next time."""
    try:
        task = check(name, settings)
        if task is None:
            return True
        run = bootstrap(task, settings)
        if run is None:
            log.info("a version is in service", task=name, restored=restore(task, settings))
            return True
        learn_from(open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url), run)
    except Exception as error:
        log.exception("task is not in service", task=name, reason=str(error))
        return False
    return run.state is not RunState.FAILED


if __name__ == "__main__":
    sys.exit(main())
