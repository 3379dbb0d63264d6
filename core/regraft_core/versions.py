"""The versions of a task as its runs tell of them: what each was trained on, how good it is, when it served."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, Field

from regraft_core.runs import Run, RunState, StepState


class Service(BaseModel):
    """A time in which a version was in service."""

    since: datetime
    until: datetime | None = Field(None, description="none: it serves still")
    run_id: str = Field(description="The run that put it into service")
    kind: str = Field(description="train, bootstrap, or rollback: somebody put it back")


class VersionShown(BaseModel):
    """A version of a task's model."""

    version: str
    run_id: str | None = Field(None, description="The run that made it; none: it is not kept any more")
    made_at: datetime | None = None
    data_url: str | None = None
    data_sha256: str | None = Field(None, description="The dataset that it was trained on")
    metrics: dict[str, float] = Field(default_factory=dict, description="Measured on rows that it has not seen")
    serving: bool = False
    served: list[Service] = Field(default_factory=list, description="When it served, the last time first")


def versions_of(runs: Iterable[Run]) -> list[VersionShown]:
    """Return the versions that runs of one task made or put into service, newest first."""
    runs = [run for run in runs if run.version is not None]
    found: dict[str, VersionShown] = {}
    for run in runs:
        if run.kind != "rollback" and _registered(run):
            found[run.version or ""] = VersionShown(
                version=run.version or "",
                run_id=run.run_id,
                made_at=run.finished_at,
                data_url=run.data_url,
                data_sha256=run.data_sha256,
                metrics=run.metrics,
            )
    until: datetime | None = None
    promoted = [run for run in runs if run.state is RunState.PROMOTED and run.finished_at]
    for run in sorted(promoted, key=lambda run: run.finished_at or run.accepted_at, reverse=True):
        shown = found.setdefault(run.version or "", VersionShown(version=run.version or ""))
        since = run.finished_at or run.accepted_at
        shown.serving = shown.serving or until is None
        shown.served.append(Service(since=since, until=until, run_id=run.run_id, kind=run.kind))
        until = since
    return sorted(found.values(), key=lambda shown: int(shown.version) if shown.version.isdigit() else 0, reverse=True)


def _registered(run: Run) -> bool:
    return any(step.name == "register" and step.state is StepState.SUCCEEDED for step in run.steps)
