"""What a task's file says of the requests to its model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RequestSettings(BaseModel):
    """Which rows that are asked are kept, and how long. Nothing is kept where a file says nothing of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    keep: float = Field(0.0, ge=0, le=1, description="Share of the rows that are kept with their answers; 0: none")
    days: int = Field(
        30, ge=1, le=3650, description="How long they are kept, and what is told of them, before they are deleted"
    )
