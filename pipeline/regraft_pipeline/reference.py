"""References: what new datasets are held against. A person changes them, never a run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, NotFoundError, RegraftError
from regraft_core.listing import first_of
from regraft_core.logs import get_logger
from regraft_core.reference import blessed, profile_of_run, read_reference
from regraft_core.stores.objects import ObjectStore, open_store, put_model
from regraft_pipeline.assembly import open_registry, task_of_run
from regraft_pipeline.gates import Profile, judge
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.tasks import Task

log = get_logger(__name__)

MOST_NAMED = 3
"""Most cures that are named of a file that can be no reference."""


def current(task: Task, store: ObjectStore) -> Profile:
    """Return the reference of a task: the one in the store, else that of the task's own dataset."""
    return read_reference(store, task.name) or shipped(task)


def shipped(task: Task) -> Profile:
    """Return the profile of the task's bootstrap dataset."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("bootstrap.csv" if task.reference is None else task.reference.name)
        path.write_bytes(shipped_csv(task))
        return counted(path, task)


def shipped_csv(task: Task) -> bytes:
    """Return the task's bootstrap dataset as the file that somebody would have posted."""
    return task.first_dataset()


def bless_file(csv: Path, task: Task, settings: PipelineSettings, *, by: str, why: str) -> Profile:
    """Make a CSV file the reference. Raises BadRequestError (``reference_unfit``) where the gates refuse it."""
    return bless(task, counted(csv, task), settings, by=by, why=why)


def bless_run(run_id: str, settings: PipelineSettings, *, by: str, why: str) -> Profile:
    """Make the dataset of a run the reference, even where the run was rejected because of drift alone.

    Raises NotFoundError (``run_unknown``) where there is no such run, BadRequestError (``reference_unfit``) where the
    dataset is bad whatever it is held against.
    """
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    profile = profile_of_run(store, run_id)
    if profile is None:
        raise NotFoundError(f"{run_id!r} is no file, and no run that has been judged", code=Code.RUN_UNKNOWN)
    return bless(task_of_run(run_id, profile.task, store), profile, settings, by=by, why=why)


def bless(task: Task, profile: Profile, settings: PipelineSettings, *, by: str, why: str) -> Profile:
    """Write a profile as the reference, with who decided it: one object, which is there whole or not at all.

    The registry has a copy of who decided; where it cannot be written now, the next run of the task writes it.
    """
    profile = blessed(profile, by=by, why=why)
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    put_model(store, layout.reference(task.name), profile)
    try:
        open_registry(settings).tell_reference(task, profile)
    except RegraftError as error:
        log.warning("registry is told of the reference by the next run", task=task.name, reason=error.message)
    return profile


def counted(csv: Path, task: Task) -> Profile:
    """Return the profile of a file that can be a reference. Raises BadRequestError (``reference_unfit``)."""
    found = judge(csv, task, reference=None, incumbent=None)
    if found.reference is None:
        needed = first_of(list(dict.fromkeys(one.remedy for one in found.verdict.errors if one.remedy)), MOST_NAMED)
        raise BadRequestError(
            f"{csv.name} does not pass the gates, even with nothing to hold it against: {found.verdict.summary()}; "
            f"needed: {needed}, or a task whose file allows what is there",
            code=Code.REFERENCE_UNFIT,
        )
    return found.reference
