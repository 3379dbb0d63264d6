"""The verdict of the gates: accepted or rejected, with every reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from regraft_core.formats import Versioned
from regraft_core.profile import Comparison, Profile

Figure = float | int | str | bool | None


class Reason(BaseModel):
    """One thing that a gate found. An error rejects the dataset, a warning does not."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    code: str = Field(description="Stable name, for programs")
    gate: str = Field(description="The gate that found it: structure, drift, learnability, quality or another")
    severity: Literal["error", "warning"] = "error"
    message: str = Field(description="What is wrong, in a sentence with its figures")
    column: str | None = None
    figures: dict[str, Figure] = Field(default_factory=dict, description="What was measured, and the thresholds")
    remedy: str = Field("", description="What would have passed")
    rows: list[dict[str, Any]] = Field(
        default_factory=list, description="A few example rows: 'line' (1-based line of the CSV) and the values as read"
    )


def refuses(reasons: Iterable[Reason]) -> bool:
    """Whether any of some reasons rejects a dataset."""
    return any(reason.severity == "error" for reason in reasons)


class Verdict(Versioned):
    """What the gates say of a dataset."""

    # A figure that is not finite must come back as it was, and plain JSON has none.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    task: str
    accepted: bool
    reasons: list[Reason] = Field(default_factory=list, description="Errors first, in the order of the gates")
    rows: int = Field(0, description="Rows read")
    usable_rows: int = Field(0, description="Rows left for training")
    metrics: dict[str, float] = Field(default_factory=dict, description="Held-out metrics of the new model")
    incumbent_metrics: dict[str, float] = Field(
        default_factory=dict, description="The same of the version in service, on the same rows"
    )
    profile: Profile | None = Field(None, description="Profile of the dataset; none where no rows could be read")
    reference: Profile | None = Field(None, description="Profile it was held against")
    comparisons: list[Comparison] = Field(
        default_factory=list, description="The dataset beside the reference: the target first, then the inputs"
    )

    @field_validator("profile", "reference", mode="wrap")
    @classmethod
    def _readable(cls, value: Any, read: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Profile | None:
        """Leave out what another release wrote of a dataset in a way of its own: the verdict stands without it."""
        try:
            found: Profile | None = read(value)
        except ValidationError:
            if info.mode != "json":
                raise
            return None
        return found

    @model_validator(mode="before")
    @classmethod
    def _of_format_1(cls, data: Any) -> Any:
        """Read the first format: the comparisons stood in the profile, and what was not there was an empty object."""
        if not isinstance(data, dict) or not isinstance(profile := data.get("profile"), dict):
            return data
        comparisons = data.get("comparisons") or profile.get("comparisons", [])
        reference = data.get("reference") or None
        return data | {"profile": profile or None, "reference": reference, "comparisons": comparisons}

    @property
    def errors(self) -> list[Reason]:
        """The reasons to reject."""
        return [reason for reason in self.reasons if reason.severity == "error"]

    @property
    def warnings(self) -> list[Reason]:
        """What was found and let pass."""
        return [reason for reason in self.reasons if reason.severity == "warning"]

    def summary(self) -> str:
        """Return the verdict in one sentence."""
        if self.accepted:
            warnings = len(self.warnings)
            return "accepted" + (f" with {warnings} warning{'s' * (warnings != 1)}" if warnings else "")
        return "rejected: " + "; ".join(reason.message for reason in self.errors)
