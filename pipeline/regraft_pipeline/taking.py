"""Leaving again: a version's bundle with all that loads it elsewhere, and the dataset that it was trained on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, NotFoundError
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import open_store
from regraft_inference.bundle import Bundle
from regraft_inference.mlmodel import MLFLOW_VERSION
from regraft_pipeline.assembly import open_registry
from regraft_pipeline.registry.version import Version
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.tasks import Task
from regraft_pipeline.wheels import write_wheel

OURS = ("regraft-core", "regraft-inference")
"""What a bundle needs that is on no index."""


def pull(task: Task, number: str, settings: PipelineSettings, folder: Path) -> None:
    """Write a version's bundle into ``folder/model``, and beside it what installs all that loads it.

    Raises as ``package`` does, and NotFoundError (``version_unknown``).
    """
    found = open_registry(settings).version(task, number)
    package(Folder.at(found.uri, endpoint_url=settings.s3_endpoint_url).download, folder)


def package(download: Callable[[Path], None], folder: Path) -> None:
    """Have a bundle written into ``folder/model``, and write beside it what installs all that loads it.

    ``pip install -r requirements.txt`` and plain ``mlflow.pyfunc.load_model("model")`` do the rest. Raises
    BadRequestError (``folder_taken``), BundleError where the bundle is damaged.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadRequestError(f"{folder} is not empty; --output names another folder", code=Code.FOLDER_TAKEN)
    model, wheels = folder / "model", folder / "wheels"
    wheels.mkdir(parents=True)
    try:
        download(model)
        Bundle.load(model)
        for name in OURS:
            write_wheel(name, wheels)
        (folder / "requirements.txt").write_text(requirements(), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder)  # all of it or nothing
        raise


def requirements() -> str:
    """Return what has to be installed: our wheels, and what they and MLflow need in the versions of this place."""
    names = dict.fromkeys([*(name for ours in OURS for name in _needed(ours)), "pandas"])
    pinned = [f"{name}=={version(name)}" for name in names if name not in OURS]
    ours = [f"{name}=={version(name)}" for name in OURS]
    return "\n".join(["--find-links wheels", *ours, f"mlflow-skinny=={MLFLOW_VERSION}", *pinned]) + "\n"


def _needed(name: str) -> list[str]:
    """Return the packages that one needs always, extras aside."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return []
    return [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in lines if "extra ==" not in line]


def dataset_of(task: Task, number: str, settings: PipelineSettings, path: Path) -> Version:
    """Write the dataset that a version was trained on, as it came. Raises NotFoundError (``dataset_gone``)."""
    found = open_registry(settings).version(task, number)
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    key = layout.raw_dataset(found.data_sha256 or "")
    if not found.data_sha256 or not store.exists(key):
        raise NotFoundError(f"the dataset of version {number} of {task.name} is not kept", code=Code.DATASET_GONE)
    store.get_file(key, path)
    return found
