"""Formats of what is kept: a number in each document, and one rule for documents of other releases.

The rule: a document without a number is of format 1. A reader takes every format up to its own; of a newer one it takes
what it knows, and leaves the rest aside, as long as the fields that it needs are there. A release that changes the
meaning of a field gives it another name.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

FORMAT = 2
"""What this release writes."""


class Versioned(BaseModel):
    """A document that outlives the release that wrote it: profile, reference, verdict, record, bundle."""

    model_config = ConfigDict(extra="ignore")

    format: int = Field(FORMAT, ge=1, description="Number of the document's format")

    @model_validator(mode="before")
    @classmethod
    def _without_number(cls, data: Any, info: ValidationInfo) -> Any:
        """Take what was read and has no number for what it is: of the first format."""
        if info.mode == "json" and isinstance(data, dict):
            return {"format": 1} | data
        return data
