"""Puts together what a step works with, as the settings say."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.definition import read_definition
from regraft_core.errors import RegraftError
from regraft_core.logs import get_logger
from regraft_core.runs import RunRequest
from regraft_core.stores.objects import ObjectStore, open_store
from regraft_pipeline.deployers import Deployer
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steplog import kept_log
from regraft_pipeline.steps import Context, Progress, Result
from regraft_pipeline.tasks import Task, load_task
from regraft_pipeline.tasks.files import task_of


def run_step(
    step: str, request: RunRequest, settings: PipelineSettings, *, progress: Progress, workdir: Path
) -> Result:
    """Run a step and return what it leaves. What it logs and raises is kept in the store."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    with kept_log(store, request.run_id, step):
        context = make_context(request, settings, progress=progress, workdir=workdir)
        # Only this step's module: each brings libraries that the others do not need, and a process begins cold.
        result: Result
        if step == "download" and request.kind == "bootstrap":
            result = importlib.import_module("regraft_pipeline.bootstrap").provide(context)
        else:
            result = importlib.import_module(f"regraft_pipeline.steps.{step}").run(context)
        return result


def make_context(request: RunRequest, settings: PipelineSettings, *, progress: Progress, workdir: Path) -> Context:
    """Return the context of a run. Raises NotFoundError (``task_unknown``), RegraftError (``task_broken``)."""
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    return Context(
        request=request,
        task=kept_task(request, store),
        settings=settings,
        store=store,
        registry=open_registry(settings),
        open_deployer=lambda: open_deployer(settings),
        workdir=workdir,
        progress=progress,
        log=get_logger("regraft_pipeline.steps").bind(run_id=request.run_id, task=request.task),
    )


def kept_task(request: RunRequest, store: ObjectStore) -> Task:
    """Return the task of a run as it was when the run was accepted, whatever has become of its file since.

    In a cluster the trigger service keeps the definition; a file is kept when the run's first step begins. Raises
    NotFoundError (``task_unknown``), RegraftError (``task_broken``, ``task_invalid``).
    """
    task = task_of_run(request.run_id, request.task, store)
    key = layout.definition(request.run_id)
    if task.file is not None and not store.exists(key):
        store.put(key, json.dumps(task.file.plain()).encode())
    return task


def task_of_run(run_id: str, name: str, store: ObjectStore) -> Task:
    """Return the task of a run by the definition that is kept of it, else as it is now. Raises as ``kept_task``."""
    if (kept := store.get(layout.definition(run_id))) is not None:
        return task_of(read_definition(kept, f"the definition of {run_id}"), None)
    return sound_task(name)


def sound_task(name: str) -> Task:
    """Return a task. Raises NotFoundError (``task_unknown``), RegraftError (``task_broken``) with what is wrong."""
    try:
        return load_task(name)
    except RegraftError:
        raise
    except (Exception, SystemExit) as error:
        raise RegraftError(
            f"the task {name} cannot be loaded: {type(error).__name__}: {error}", code=Code.TASK_BROKEN, task=name
        ) from error


def open_registry(settings: PipelineSettings) -> Registry:
    """Return the registry of the settings; nothing is asked of it yet."""
    return Registry(
        settings.mlflow_tracking_uri,
        owner=settings.owner,
        public_url=settings.mlflow_public_url,
        ca_file=settings.ca_file,
    )


DEPLOYERS: Mapping[str, str] = {
    "local": "regraft_pipeline.deployers.local",
    "kserve": "regraft_pipeline.deployers.kserve",
}
"""Modules that bring versions into service, by the name that ``REGRAFT_DEPLOYER`` has; each has ``of(settings)``."""


def open_deployer(settings: PipelineSettings) -> Deployer:
    """Return the deployer of the settings; only its own module is loaded."""
    deployer: Deployer = importlib.import_module(DEPLOYERS[settings.deployer]).of(settings)
    return deployer
