"""The steps of a run, one module each: ``run(context) -> Result``.

A step reads what earlier steps wrote to the object store and writes its own result there last, so that it can be killed
at any point and started again, here or in another container.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.record import is_cancelled
from regraft_core.results import DeployResult, DownloadResult, RegisterResult, Result, TrainResult, ValidateResult
from regraft_core.runs import RunRequest
from regraft_core.stores.objects import ObjectStore, get_model, put_model
from regraft_core.verdict import Verdict
from regraft_pipeline.deployers import Deployer
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.tasks import Task

__all__ = [
    "Context",
    "DeployResult",
    "DownloadResult",
    "Progress",
    "RegisterResult",
    "Result",
    "TrainResult",
    "ValidateResult",
]

Progress = Callable[[float | None, str], None]
"""Tell how far a step is: share done (None where unknown) and what it is doing."""


@dataclass(frozen=True)
class Context:
    """All that a step works with."""

    request: RunRequest
    task: Task
    settings: PipelineSettings
    store: ObjectStore
    registry: Registry
    open_deployer: Callable[[], Deployer]
    workdir: Path
    progress: Progress
    log: structlog.stdlib.BoundLogger

    def result[R: Result](self, step: str, kind: type[R]) -> R:
        """Return what an earlier step wrote. Raises RegraftError (``step_missing``) where it has not run."""
        found = get_model(self.store, layout.step_result(self.request.run_id, step), kind)
        if found is None:
            raise RegraftError(f"step {step!r} of {self.request.run_id} has left no result", code=Code.STEP_MISSING)
        return found

    def verdict(self) -> Verdict:
        """Return the verdict on the dataset. Raises RegraftError (``step_missing``) where there is none."""
        found = get_model(self.store, layout.verdict(self.request.run_id), Verdict)
        if found is None:
            raise RegraftError(f"{self.request.run_id} has no verdict", code=Code.STEP_MISSING)
        return found

    def cancelled(self) -> bool:
        """Whether somebody wants the run to end: a step that changes what serves asks before, and puts back after."""
        return is_cancelled(self.store, self.request.run_id)

    def finish[R: Result](self, step: str, result: R) -> R:
        """Write a step's result; the step is done when this returns."""
        put_model(self.store, layout.step_result(self.request.run_id, step), result)
        return result
