"""What a dataset of a task is held against, for those who judge one elsewhere."""

from __future__ import annotations

from pydantic import BaseModel, Field

from regraft_core.fit.asked import Asked
from regraft_core.profile import Profile


class Standards(BaseModel):
    """The standards of a task as a run would have them now."""

    definition: str | None = Field(None, description="The task's file, as JSON in a text; none: a package has the task")
    reference: Profile | None = Field(None, description="none: nobody has blessed a dataset, and no run has begun yet")
    version: str | None = Field(None, description="The version in service")
    asked: Asked | None = Field(None, description="What that version was asked within a day; none: nobody has told")


class Blessed(BaseModel):
    """A dataset is the reference."""

    task: str
    rows: int
    data_sha256: str
