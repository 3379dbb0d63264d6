"""Where a run and each of its steps are."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class RunState(StrEnum):
    """Where a run is; all but the first two are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    PROMOTED = "promoted"
    REJECTED = "rejected"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the run has come to its end."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


class StepState(StrEnum):
    """Where a step is."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Step(BaseModel):
    """One step of a run."""

    name: str
    state: StepState = StepState.PENDING
    started_at: datetime | None = None
    finished_at: datetime | None = None
    message: str = ""
    starts: int = Field(0, description="How often the step was begun, where that is counted")
    progress: float | None = Field(None, description="Share that is done, from 0 to 1, where it is known")
    pod: str | None = None


class Cause(BaseModel):
    """Why a run ended as it did: a stable code and a sentence."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
