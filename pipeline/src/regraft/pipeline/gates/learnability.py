"""The third gate: the inputs must say something about the target."""

from __future__ import annotations

from regraft.core.verdict import Reason
from regraft.pipeline.gates.evaluation import Evaluation
from regraft.pipeline.gates.profile import Profile
from regraft.pipeline.tasks import Task


def check(evaluation: Evaluation, task: Task, reference: Profile | None) -> list[Reason]:
    """Return an error where the task's estimator does hardly better out of fold than a constant.

    The limit is a share of the skill that the same estimator has on the reference. The skill of a ranking varies a lot
    between small samples: the limit is lowered by ``skill_errors`` standard errors, never below ``min_skill``. On a
    heavy tail fewer rows than ``evaluation_rows`` cannot tell bad labels from few, and the error is a warning.
    """
    settings = task.gates
    known = reference.skill if reference else None
    asked = settings.min_relative_skill * (known or 0.0)
    allowance = settings.skill_errors * evaluation.skill_error(asked)
    limit = max(settings.min_skill, asked - allowance)
    skill = evaluation.skill
    if skill >= limit:
        return []
    undecided = evaluation.scale == "log" and len(evaluation.target) < settings.evaluation_rows
    beside = "" if known is None else f" on the reference it has {known:.3f}"
    return [
        Reason(
            code="not_learnable",
            gate="learnability",
            severity="warning" if undecided else "error",
            message=(
                f"a model that is trained on one part of the rows hardly predicts the others: skill {skill:.3f} of 1, "
                f"at least {limit:.3f} is needed;{beside or ' there is no reference'}"
            ),
            column=task.contract.target.name,
            figures={
                "skill": skill,
                "limit": round(limit, 6),
                "reference_skill": known,
                "allowance": round(allowance, 6),
                "scale": evaluation.scale,
            },
            remedy=f"targets that follow from the inputs: skill of {limit:.3f} or more",
            rows=evaluation.worst(evaluation.errors()),
        )
    ]
