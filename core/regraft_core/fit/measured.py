"""How good a version is in service: its skill where it is known what really happened, beside the held-out one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from regraft_core.fit.counts import Known
from regraft_core.fit.skill import Pair, skill_of

MIN_OUTCOMES = 100
"""Fewer rows whose outcome is known tell nothing."""

LOST_ERRORS = 3.0
"""Standard errors by which skill may be below the held-out one."""

MOST_EVALUATED = 20_000
"""Rows that held-out skill is measured on at most."""


class MeasuredSkill(BaseModel):
    """The skill of a version on rows whose outcome is known; 1: always right, 0: no better than a constant."""

    model_config = ConfigDict(frozen=True)

    version: str
    rows: int = Field(description="Rows whose outcome is known, the newest 1,000 at most")
    skill: float | None = Field(description="none: too few rows, or none of one class")
    standard_error: float | None = Field(description="How far chance may have moved the skill")
    held_out: float | None = Field(description="Skill on rows that the version had not seen when it was judged")
    lost: bool = Field(description="Whether the skill is below the held-out one by more than chance explains")


def measured_of(version: str, known: Known | None, pairs: Sequence[Pair]) -> MeasuredSkill:
    """Return the measured skill of a version.

    The held-out skill has an error, too. It is that of the measured one, as far as the numbers of rows differ.
    """
    profile = None if known is None else known.profile
    held_out = None if known is None else known.skill
    found = None
    if profile is not None and profile.scale is not None and len(pairs) >= MIN_OUTCOMES:
        contract = None if known is None else known.contract
        found = skill_of(pairs, profile.scale, None if contract is None else contract.classes)
    lost = False
    if found is not None and held_out is not None and profile is not None:
        evaluated = max(min(profile.rows, MOST_EVALUATED), 1)
        error = found.error * math.sqrt(1 + len(pairs) / evaluated)
        lost = found.skill < held_out - LOST_ERRORS * error
    return MeasuredSkill(
        version=version,
        rows=len(pairs),
        skill=None if found is None else round(found.skill, 6),
        standard_error=None if found is None else round(found.error, 6),
        held_out=held_out,
        lost=lost,
    )
