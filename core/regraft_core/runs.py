"""A run: one trip through the pipeline, from its acceptance to its end."""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from regraft_core.codes import Code
from regraft_core.states import Cause, RunState, Step, StepState
from regraft_core.steps import ROLLBACK_STEPS, STEPS
from regraft_core.verdict import Verdict

__all__ = [
    "Cause",
    "Run",
    "RunRequest",
    "RunState",
    "Step",
    "StepState",
    "new_run_id",
    "now",
    "same_request",
    "warnings_of",
]


class RunRequest(BaseModel):
    """What was accepted. It never changes."""

    run_id: str
    kind: Literal["train", "rollback", "bootstrap"] = "train"
    task: str
    data_url: str | None = Field(None, description="Address of the dataset; none for a rollback")
    force: bool = Field(False, description="Train even on the very dataset that is in service")
    to_version: str | None = Field(None, description="Rollback: the version to put back; none: the one before")
    accepted_at: datetime = Field(description="Moment of acceptance, UTC; decides which of two runs is the later")

    @property
    def order(self) -> str:
        """What runs are ordered by: greater is later. Sortable as text.

        What is there from installation is older than every dataset that anybody sends.
        """
        if self.kind == "bootstrap":
            return f"/{self.run_id}"
        return f"{self.accepted_at.astimezone(UTC).isoformat(timespec='microseconds')}/{self.run_id}"


class Run(RunRequest):
    """A run and what has become of it."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    state: RunState = RunState.QUEUED
    steps: list[Step] = Field(default_factory=list)
    cause: Cause | None = None
    verdict: Verdict | None = None
    version: str | None = Field(None, description="Version of the registered model that the run made or put back")
    data_sha256: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    links: dict[str, str] = Field(default_factory=dict, description="Addresses to open: mlflow, report, workflow")
    updated_at: datetime
    finished_at: datetime | None = None

    @classmethod
    def accept(cls, request: RunRequest) -> Run:
        """Return the run as it is when it has just been accepted."""
        names = ROLLBACK_STEPS if request.kind == "rollback" else STEPS
        return cls(
            **request.model_dump(include=set(RunRequest.model_fields)),
            steps=[Step(name=name) for name in names],
            updated_at=request.accepted_at,
        )

    @computed_field(description="What the gates warned of and let pass: code and message")  # type: ignore[prop-decorator]
    @property
    def warnings(self) -> list[Cause]:
        """What the gates warned of, of a dataset that they accepted."""
        return warnings_of(self.verdict)

    def request(self) -> RunRequest:
        """Return what was accepted."""
        return RunRequest(**self.model_dump(include=set(RunRequest.model_fields)))

    @classmethod
    def unreadable(cls, run_id: str, task: str, accepted_at: datetime, why: str) -> Run:
        """Return what stands for a run of which more cannot be read: it is shown, and nothing waits for it."""
        cause = Cause(code=Code.RECORD_UNREADABLE, message=f"what is kept of {run_id} cannot be read: {why}")
        return cls(
            run_id=run_id,
            task=task,
            accepted_at=accepted_at,
            state=RunState.FAILED,
            cause=cause,
            updated_at=accepted_at,
            finished_at=accepted_at,
        )

    def step(self, name: str) -> Step:
        """Return the step of this name."""
        return next(step for step in self.steps if step.name == name)


def warnings_of(verdict: Verdict | None) -> list[Cause]:
    """Return what the gates warned of, of a dataset that they accepted."""
    if verdict is None or not verdict.accepted:
        return []
    return [Cause(code=reason.code, message=reason.message) for reason in verdict.warnings]


def same_request(one: RunRequest, other: RunRequest) -> bool:
    """Whether two requests ask for the same, whenever they came."""
    asked = {"kind", "task", "data_url", "force", "to_version"}
    return one.model_dump(include=asked) == other.model_dump(include=asked)


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def new_run_id(idempotency_key: str | None = None) -> str:
    """Return a name for a run that is fit for Kubernetes objects; the same key always gives the same name."""
    seed = hashlib.sha256(idempotency_key.encode()).digest() if idempotency_key else secrets.token_bytes(8)
    return "run-" + base64.b32encode(seed)[:12].decode().lower()
