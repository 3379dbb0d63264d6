"""What the steps of a run leave in the object store, for the next ones and for the record of the run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from regraft_core.contract import Contract
from regraft_core.states import Cause, RunState, Step

CONTINUE = "continue"
"""The outcome of a step after which the run goes on."""


class Result(BaseModel):
    """What a step leaves for the next ones. ``end`` is set where the run ends with this step."""

    end: RunState | None = None
    cause: Cause | None = None
    then: str | None = Field(None, description="The step the run goes on with, where that is not the next one")
    message: str = ""

    @property
    def outcome(self) -> str:
        """What the workflow is told: the state the run ends in, the step it goes on with, or ``continue``."""
        return self.end or self.then or CONTINUE


class DownloadResult(Result):
    """The dataset is in the store."""

    data_sha256: str
    bytes: int
    final_url: str = Field(description="Address after redirects")
    version: str | None = Field(None, description="The version in service, where it was trained on this very dataset")


class ValidateResult(Result):
    """The verdict and the report are in the store."""

    accepted: bool


class TrainResult(Result):
    """The bundle is in the store, below ``layout.bundle(run_id)``."""

    metrics: dict[str, float]
    parameters: dict[str, Any]
    seconds: float
    contract: Contract | None = Field(None, description="What the model is asked with; none: 0.1 did not say")


class RegisterResult(Result):
    """The version is in the registry."""

    version: str
    uri: str = Field(description="Address of the bundle's folder, ends with a slash")
    mlflow_run_id: str
    link: str = Field(description="Address of MLflow's run in a browser")


class DeployResult(Result):
    """The version is in service, or the old one is back."""

    version: str | None = None


class Attempt(Step):
    """The last time that a step was tried, as its own container tells it."""

    cause: Cause | None = None


class Cancellation(BaseModel):
    """The run is to end. Whoever works on it heeds this where it can."""

    at: datetime
    because: Cause | None = Field(None, description="What it has failed with already; none: somebody wants its end")
