"""The steps of a run, in their order. A step is added by its module in ``regraft_pipeline.steps`` and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from regraft_core.results import DeployResult, DownloadResult, RegisterResult, Result, TrainResult, ValidateResult

MINUTE = 60


@dataclass(frozen=True)
class Limits:
    """``seconds`` after which the step is stopped, and the memory it is given, in MiB: asked for, and at most."""

    seconds: int = 10 * MINUTE
    memory: int = 256
    most_memory: int = 1024
    cpu: str = "100m"


@dataclass(frozen=True)
class Plan:
    """What a step leaves, what it may take wherever it runs, and to which later step it may skip.

    A step that ``serves`` changes what is in service: a task has one of them at a time, and it is asked to end, not
    stopped, for it may have to put back what served. In a cluster it alone may touch the predictor.
    """

    result: type[Result]
    limits: Limits = field(default_factory=Limits)
    skips_to: str | None = None
    serves: bool = False


STEPS: Mapping[str, Plan] = {
    "download": Plan(DownloadResult, Limits(seconds=20 * MINUTE), skips_to="deploy"),
    "validate": Plan(ValidateResult),
    "train": Plan(TrainResult, Limits(seconds=60 * MINUTE, memory=512, most_memory=2048, cpu="250m")),
    "register": Plan(RegisterResult),
    "deploy": Plan(DeployResult, Limits(seconds=30 * MINUTE), serves=True),
}
"""The steps of a training run, by name; ``regraft_pipeline.steps.NAME`` has the step's ``run``."""

SERVING_STEP = next(name for name, plan in STEPS.items() if plan.serves)

ROLLBACK_STEPS = ("deploy",)
"""The steps of a rollback."""
