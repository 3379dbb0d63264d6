"""What a run would say of a dataset, with nothing written and nothing put into service."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from regraft_core import layout
from regraft_core.fit.asked import Asked, asked_lately
from regraft_core.profile import Profile
from regraft_core.serving import Serving
from regraft_core.stores.objects import get_model, open_store
from regraft_core.verdict import Verdict
from regraft_inference.bundle import Bundle
from regraft_pipeline import gates, reference
from regraft_pipeline.incumbent import load_incumbent
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import train
from regraft_pipeline.tasks import Task


@dataclass(frozen=True)
class Held:
    """What a dataset is held against."""

    reference: Profile
    incumbent: Bundle | None = None
    asked: Asked | None = None


def dry_run(csv: Path, task: Task, settings: PipelineSettings) -> Verdict:
    """Return the verdict on a file, held against the reference, the version in service and what that was asked lately.

    Where the gates accept, the model is trained, written and loaded as well. Raises RegraftError where that fails.
    """
    store = open_store(settings.store_url, endpoint_url=settings.s3_endpoint_url)
    serving = get_model(store, layout.serving(task.name), Serving)
    with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
        incumbent = asked = None
        if serving is not None:
            home = Path(folder, "incumbent")
            incumbent = load_incumbent(serving.version, serving.uri, home, endpoint_url=settings.s3_endpoint_url)
            asked = asked_lately(store, task.name, serving.version, time.time())
        return judged(csv, task, Held(reference.current(task, store), incumbent, asked))


def judged(csv: Path, task: Task, held: Held) -> Verdict:
    """Do as ``dry_run``, with what the file is held against at hand."""
    found = gates.judge(csv, task, reference=held.reference, incumbent=held.incumbent, asked=held.asked)
    if found.verdict.accepted and found.data is not None and found.profile is not None:
        with tempfile.TemporaryDirectory(prefix="regraft-") as folder:
            home, estimator = Path(folder, "bundle"), train.fitted(task, found.data, found.profile)
            train.write(home, task, found.data, estimator, found.verdict, data_sha256=found.profile.data_sha256)
            Bundle.load(home)
    return found.verdict
