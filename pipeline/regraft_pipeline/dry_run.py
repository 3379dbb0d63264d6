"""What a run would say of a dataset, with nothing written and nothing put into service."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from regraft_core import layout
from regraft_core.errors import RegraftError
from regraft_core.fit.asked import asked_lately
from regraft_core.logs import get_logger
from regraft_core.serving import Serving
from regraft_core.stores.folders import Folder
from regraft_core.stores.objects import get_model, open_store
from regraft_core.verdict import Verdict
from regraft_inference.bundle import Bundle
from regraft_pipeline import gates, reference
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import train
from regraft_pipeline.tasks import Task

log = get_logger(__name__)


def dry_run(csv: Path, task: Task, settings: PipelineSettings) -> Verdict:
    """Return the verdict on a file, held against the reference, the version in service and what that was asked lately.

    Where the gates accept, the model is trained, written and loaded as well. Raises RegraftError where that fails.
    """
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    serving = get_model(store, layout.serving(task.name), Serving)
    with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
        found = gates.judge(
            csv,
            task,
            reference=reference.current(task, store),
            incumbent=None if serving is None else _bundle(serving, Path(folder, "incumbent"), settings),
            asked=None if serving is None else asked_lately(store, task.name, serving.version, time.time()),
        )
        if found.verdict.accepted and found.data is not None and found.profile is not None:
            home, estimator = Path(folder, "bundle"), train.fitted(task, found.data)
            train.write(home, task, found.data, estimator, found.verdict, data_sha256=found.profile.data_sha256)
            Bundle.load(home)
    return found.verdict


def _bundle(serving: Serving, folder: Path, settings: PipelineSettings) -> Bundle | None:
    """Return the bundle of the version in service, None where it cannot be read: a run goes on without it, too."""
    try:
        Folder.at(serving.uri, endpoint_url=settings.s3_endpoint_url).download(folder)
        return Bundle.load(folder)
    except RegraftError as error:
        log.warning("version in service not compared", version=serving.version, reason=error.message)
        return None
