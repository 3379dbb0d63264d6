"""Thresholds of the gates, as a task sets them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GateSettings(BaseModel):
    """Thresholds of the gates. The defaults come from a power study; a task changes what its data needs."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    min_rows: int = Field(100, ge=1, description="Fewest rows left after duplicates are removed")
    max_lines: int = Field(
        10_000_000, ge=1, description="Most lines of a file, blank ones included; more are refused before they are read"
    )
    max_null_share: float = Field(
        0.01, ge=0, le=1, description="Rows with an empty value: dropped up to this share, then refused"
    )
    max_invalid_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Rows with a value out of its range or length: left out up to this share, then refused",
    )
    max_duplicate_share: float = Field(
        0.20, ge=0, le=1, description="Rows whose features stood in an earlier row already"
    )
    max_conflict_share: float = Field(
        0.01, ge=0, le=1, description="Rows whose features have several different targets"
    )
    one_target_per_input: bool = Field(True, description="Whether the same features may have one target only")
    drift_psi: float = Field(
        0.05, ge=0, description="Population stability index of the target above which a set is refused"
    )
    drift_psi_warning: float = Field(
        0.02, ge=0, description="The same for a warning, for the target and for the inputs"
    )
    drift_p: float = Field(
        0.002, ge=0, le=1, description="Drift counts only where chance explains it with less than this"
    )
    input_drift_psi: float | None = Field(
        1.0, gt=0, description="Population stability index of an input from which a set is refused; none: never"
    )
    swap_psi: float = Field(0.25, ge=0, description="The same for each of two inputs that may be swapped")
    min_relative_skill: float = Field(0.5, ge=0, le=1, description="Least skill, as a share of the reference's own")
    learning_rows: int = Field(50, ge=0, description="Of n rows, no greater share than 1 - this / n is asked")
    min_skill: float = Field(0.1, ge=-1, le=1, description="Least skill, whatever the reference's")
    quality_floor: float | None = Field(None, description="Least value of the task's main metric; none: no floor")
    quality_margin: float = Field(
        0.05, ge=0, description="How much worse than the version in service, in skill, is allowed"
    )
    quality_errors: float = Field(2.5, ge=0, description="Standard errors of that difference by which more is allowed")
    relation_changed_skill: float = Field(
        -0.25, description="Skill of the version in service under which it is not lost but systematically wrong"
    )
    folds: int = Field(
        3, ge=2, le=100, description="Parts of the rows, each predicted by a model that is trained on the others"
    )
    evaluation_rows: int = Field(20_000, ge=10, description="Most rows that the learnability and quality gates look at")
    seed: int = Field(20_240_229, ge=0, description="Seed of every random choice of the gates")
