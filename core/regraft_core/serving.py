"""What is in service for a task. The deploy step writes it, everybody may read it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from regraft_core.contract import Contract
from regraft_core.states import Cause


class Serving(BaseModel):
    """The version of a task that was last proven in service."""

    task: str
    version: str
    run_id: str
    uri: str = Field(description="Address of the bundle")
    data_url: str | None = None
    data_sha256: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    warnings: list[Cause] = Field(default_factory=list, description="What the gates warned of in its dataset")
    contract: Contract | None = Field(None, description="What it is asked with; none: it is not known")
    since: datetime
