"""The third gate: the inputs must say something about the target."""

from __future__ import annotations

from regraft_core.codes import Code
from regraft_core.listing import first_of
from regraft_core.profile import Profile
from regraft_core.verdict import Reason
from regraft_pipeline.gates.chance import standard_error
from regraft_pipeline.gates.evaluation import Evaluation, UntrainableError
from regraft_pipeline.gates.gate import Evidence, Gate
from regraft_pipeline.tasks import Task

LEAST_TELLING = 0.1
"""A limit below this is that of a task whose inputs hardly tell the target: there, chance alone may miss it."""

MOST_NAMED = 10
"""Most classes with few rows that are named."""


def reasons(evidence: Evidence) -> list[Reason]:
    """Return an error where the task's estimator cannot be trained, or learns hardly anything."""
    if evidence.untrainable is not None:
        return [untrainable(evidence.untrainable, evidence.task)]
    if evidence.evaluation is None:
        return []
    evaluation, task = evidence.evaluation, evidence.task
    return [*check(evaluation, task, evidence.reference), *rare(evaluation, task, evidence.rows)]


GATE = Gate(
    "learnability", "Do the inputs say anything about the target?", reasons, lambda verdict: bool(verdict.metrics)
)


def check(evaluation: Evaluation, task: Task, reference: Profile | None) -> list[Reason]:
    """Return an error where the task's estimator does hardly better out of fold than a constant.

    The limit is a share of the skill that the same estimator has on the reference. Few rows teach less, and what they
    teach varies more: of n rows no more than the share 1 - ``learning_rows`` / n is asked, but always ``min_skill``. On
    a heavy tail fewer rows than ``evaluation_rows`` cannot tell bad labels from few, and the error is a warning; a
    skill below 0 is an error always. Of a task that hardly has any skill to lose it is a warning, too, as far as chance
    and how few the rows are explain what is missing: what n rows do not teach is in the order of ``learning_rows`` / n.
    """
    settings = task.gates
    known = reference.skill if reference else None
    share = min(settings.min_relative_skill, 1 - settings.learning_rows / len(evaluation.target))
    limit = max(settings.min_skill, share * (known or 0.0))
    skill = evaluation.skill
    if skill >= limit:
        return []
    few = evaluation.scale == "log" and len(evaluation.target) < settings.evaluation_rows
    undecided = few and skill >= 0  # a model that is worse than a constant has learned nothing, whatever the tail
    if limit < LEAST_TELLING:
        chance = settings.quality_errors * standard_error(evaluation, lambda part: part.skill, settings.seed)
        untaught = settings.learning_rows / len(evaluation.target)
        undecided = undecided or skill >= limit - untaught - chance
    beside = "" if known is None else f" on the reference it has {known:.3f}"
    return [
        Reason(
            code=Code.NOT_LEARNABLE,
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
                "scale": evaluation.scale,
            },
            remedy=f"targets that follow from the inputs: skill of {limit:.3f} or more",
            rows=evaluation.worst(evaluation.errors()),
        )
    ]


def untrainable(error: UntrainableError, task: Task) -> Reason:
    """Return the error for rows to which the estimator cannot be fitted, such as those of one ill among the healthy."""
    return Reason(
        code=Code.NOT_LEARNABLE,
        gate="learnability",
        message=f"the estimator cannot be trained on a part of the rows: {error}",
        column=task.contract.target.name,
        remedy=f"more rows of the rarest values of {task.contract.target.name}",
    )


def rare(evaluation: Evaluation, task: Task, rows: int) -> list[Reason]:
    """Return a warning where classes have so few rows that nothing tells how well they are predicted.

    ``rows`` is how many the dataset has; of many only a part is evaluated, and the warning speaks of that.
    """
    if not evaluation.few:
        return []
    told = []
    for label, number in evaluation.few.items():
        scored = "" if label in evaluation.classes else ": learned from, not scored"
        told.append(f"{label!r} ({number} row{'s' * (number != 1)}{scored})")
    most = task.gates.evaluation_rows
    part = f", of the {most:,} rows that are looked at" if rows > most else ""
    return [
        Reason(
            code=Code.CLASS_FEW_ROWS,
            gate="learnability",
            severity="warning",
            message=(
                f"classes with too few rows to tell how well they are predicted: {first_of(told, MOST_NAMED)}{part}"
            ),
            column=task.contract.target.name,
            figures={"classes": len(told), "limit": 2 * task.gates.folds},
            remedy=f"at least {2 * task.gates.folds} rows of each class{part}",
        )
    ]
