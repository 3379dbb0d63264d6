"""The fourth gate: the new model must be good enough, and not worse than the version in service."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from regraft_core.codes import Code
from regraft_core.listing import first_of
from regraft_core.verdict import Reason
from regraft_inference.bundle import Bundle
from regraft_pipeline.gates.chance import standard_error
from regraft_pipeline.gates.evaluation import Evaluation
from regraft_pipeline.gates.gate import Evidence, Gate
from regraft_pipeline.tasks import Task

LESS_IS_BETTER = frozenset({"mae", "rmse", "rmsle", "log_loss", "brier"})
"""Metrics that are errors."""

BOTH_ERRORS = 1.5
"""Standard errors beyond which it is said that both models do worse than they should: the better of two seldom does."""

MOST_NAMED = 10
"""Most classes that are named."""


def reasons(evidence: Evidence) -> list[Reason]:
    """Return an error where the new model is under the floor or clearly worse than the version in service."""
    return [] if evidence.evaluation is None else check(evidence.evaluation, evidence.task, evidence.incumbent)


GATE = Gate(
    "quality",
    "Is the new model good, and no worse than the one in service?",
    reasons,
    lambda verdict: bool(verdict.metrics),
)


def check(evaluation: Evaluation, task: Task, incumbent: Bundle | None) -> list[Reason]:
    """Return an error where the new model is under the floor or clearly worse than the version in service."""
    reasons = [*_floor(evaluation, task), *_never_right(evaluation, task)]
    if incumbent is not None:
        reasons += _against(evaluation, task, incumbent)
    return reasons


def _floor(evaluation: Evaluation, task: Task) -> list[Reason]:
    floor = task.gates.quality_floor
    metric = main_metric(evaluation, task)
    value = evaluation.metrics[metric]
    less_is_better = metric in LESS_IS_BETTER
    if floor is None or (value <= floor if less_is_better else value >= floor):
        return []
    return [
        Reason(
            code=Code.QUALITY_BELOW_FLOOR,
            gate="quality",
            message=f"{metric} of the new model on held-out rows is {value:.3f}; the floor is {floor:g}"
            + (" (less is better)" if less_is_better else ""),
            figures={"metric": metric, "value": value, "limit": floor},
            remedy=f"{metric} of at {'most' if less_is_better else 'least'} {floor:g}",
            rows=evaluation.worst(evaluation.errors()),
        )
    ]


def _never_right(evaluation: Evaluation, task: Task) -> list[Reason]:
    """Return a warning where the new model gets no row of a class right.

    A class is left aside of which so few rows are evaluated that this tells nothing: that is a warning of its own.
    """
    right = evaluation.predicted == evaluation.target
    known = {one: evaluation.target == one for one in evaluation.classes if one not in evaluation.few}
    missed = {one: rows for one, rows in known.items() if not right[rows].any()}
    if not missed:
        return []
    told = [f"{label!r} (0 of {int(rows.sum())} rows)" for label, rows in missed.items()]
    return [
        Reason(
            code=Code.CLASS_NEVER_RIGHT,
            gate="quality",
            severity="warning",
            message=f"classes of which the new model gets no held-out row right: {first_of(told, MOST_NAMED)}",
            column=task.contract.target.name,
            figures={"classes": len(told)},
            remedy="more rows of these classes, or inputs that tell them from the others",
            rows=evaluation.worst(evaluation.errors() * np.isin(evaluation.target, list(missed))),
        )
    ]


def main_metric(evaluation: Evaluation, task: Task) -> str:
    """Return the metric that the floor is for: the task's; else ROC AUC of two classes by probabilities, else skill."""
    if task.metric is not None and task.metric in evaluation.metrics:
        return task.metric
    return "roc_auc" if "roc_auc" in evaluation.metrics and len(evaluation.classes) <= 2 else "skill"


def _against(evaluation: Evaluation, task: Task, incumbent: Bundle) -> list[Reason]:
    """Compare on the same rows.

    The version in service may have been trained on some of them. It is therefore given no more credit than the
    held-out skill of its own training, where that is known: what it knows by heart cannot lock later versions out.
    Nor can chance: of few rows, a difference counts only as far as chance does not explain it.
    """
    skill = _comparable(evaluation, incumbent)
    new, measured = skill(evaluation.metrics), skill(evaluation.incumbent_metrics)
    known = incumbent.info.metrics
    held_out = skill(known) if "skill" in known else None
    most = measured if held_out is None else held_out
    settings = task.gates
    figures = {
        "skill": new,
        "incumbent_skill": measured,
        "incumbent_credit": round(min(measured, most), 6),
        "margin": settings.quality_margin,
    }
    if measured < settings.relation_changed_skill:
        return [_relation_changed(evaluation, figures, settings.relation_changed_skill)]

    def behind(part: Evaluation) -> float:
        return min(skill(part.incumbent_metrics), most) - skill(part.metrics)

    if (difference := behind(evaluation)) > settings.quality_margin:
        chance = settings.quality_errors * standard_error(evaluation, behind, settings.seed)
        figures |= {"difference": round(difference, 6), "chance": round(chance, 6)}
        if difference > settings.quality_margin + chance:
            return [_worse(evaluation, figures)]
    return [] if held_out is None else _lost(evaluation, task, incumbent, held_out, skill)


type Skill = Callable[[Mapping[str, float]], float]


def _comparable(evaluation: Evaluation, incumbent: Bundle) -> Skill:
    """Return how skill is read from metrics, such that two models differ by no more than they do.

    Mean recall hangs on which class is answered where two are as probable, and on the few rows of rare ones: of two
    models that are alike it may differ by far more than chance among the rows explains. So classes are compared by
    2 ROC AUC - 1, the mean over them, wherever both models give probabilities; of two classes that is the skill.
    """
    measured = (evaluation.metrics, evaluation.incumbent_metrics, incumbent.info.metrics)
    if all("roc_auc" in metrics for metrics in measured):
        return lambda metrics: round(2 * metrics["roc_auc"] - 1, 6)
    return lambda metrics: metrics["skill"]


def _name(evaluation: Evaluation) -> str:
    """Return what the skill of two models is, where it is not the one that stands among the metrics."""
    is_ranked = len(evaluation.classes) > 2 and {"roc_auc"} <= evaluation.metrics.keys() & evaluation.incumbent_metrics
    return "skill (2 ROC AUC - 1)" if is_ranked else "skill"


def _lost(evaluation: Evaluation, task: Task, incumbent: Bundle, held_out: float, skill: Skill) -> list[Reason]:
    """Return a warning where the rows are clearly harder to predict than those of the version in service were.

    It may be no worse than that version on these rows, since both are measured on them: labels that are wrong in one
    row of seven make every model look worse. Two signs tell. The new model is behind the held-out skill, of which less
    is asked of few rows, as for learnability. Or both models are, where they are about as good as each other: the
    version in service has not learned from these rows, so that how few they are is no excuse.
    """
    settings, rows, name = task.gates, len(evaluation.target), _name(evaluation)
    new, served = skill(evaluation.metrics), skill(evaluation.incumbent_metrics)
    by_rows = held_out * max(1 - settings.learning_rows / rows, 0)

    def chance(statistic: Callable[[Evaluation], float], errors: float) -> float:
        return errors * standard_error(evaluation, statistic, settings.seed)

    def better(part: Evaluation) -> float:
        return max(skill(part.metrics), skill(part.incumbent_metrics))

    margin, best = settings.quality_margin, better(evaluation)
    if by_rows - new > margin:
        allowed = margin + chance(lambda part: skill(part.metrics), settings.quality_errors)
        if by_rows - new > allowed:
            said = f"the new model has {name} {new:.3f} on held-out rows"
            figures = {"skill": new, "held_out_skill": held_out, "asked": by_rows, "allowed": allowed}
            return [_skill_lost(evaluation, said, figures)]
    if new - served <= margin < held_out - best:
        allowed = max(margin, chance(better, BOTH_ERRORS) * math.sqrt(1 + rows / _rows_of(incumbent, task, rows)))
        if held_out - best > allowed:
            said = f"the new model and the version in service have {name} {new:.3f} and {served:.3f} on these rows"
            figures = {"skill": best, "held_out_skill": held_out, "asked": held_out, "allowed": allowed}
            return [_skill_lost(evaluation, said, figures)]
    return []


def _rows_of(incumbent: Bundle, task: Task, otherwise: int) -> int:
    """Return on how many rows the held-out skill of a version was measured."""
    profile = incumbent.profile()
    return min(otherwise if profile is None else profile.rows, task.gates.evaluation_rows)


def _skill_lost(evaluation: Evaluation, said: str, figures: Mapping[str, float]) -> Reason:
    return Reason(
        code=Code.SKILL_LOST,
        gate="quality",
        severity="warning",
        message=(
            f"{said}; the version in service had {figures['held_out_skill']:.3f} on those of its own dataset: "
            "the labels may be wrong in part, or the inputs say less"
        ),
        figures={name: round(value, 6) for name, value in figures.items()},
        remedy=f"skill of at least {figures['asked'] - figures['allowed']:.3f}",
        rows=evaluation.worst(evaluation.errors()),
    )


def _relation_changed(evaluation: Evaluation, figures: dict[str, float], limit: float) -> Reason:
    return Reason(
        code=Code.RELATION_CHANGED,
        gate="quality",
        severity="warning",
        message=(
            f"the version in service is systematically wrong on these rows (skill {figures['incumbent_skill']:.3f}, "
            f"the new model {figures['skill']:.3f}): the same inputs mean something else now, or the labels are turned "
            "round"
        ),
        figures=figures | {"limit": limit},
        remedy=f"a skill of the version in service above {limit:g}; nothing, if the world changed",
        rows=evaluation.worst(evaluation.incumbent_errors()),
    )


def _worse(evaluation: Evaluation, figures: dict[str, float]) -> Reason:
    allowed = figures["margin"] + figures["chance"]
    return Reason(
        code=Code.WORSE_THAN_INCUMBENT,
        gate="quality",
        message=(
            f"the new model has {_name(evaluation)} {figures['skill']:.3f} on held-out rows, the version in service "
            f"{figures['incumbent_credit']:.3f} on the same rows: worse by {figures['difference']:.3f}, at most "
            f"{allowed:.3f} is allowed ({figures['margin']:g}, and {figures['chance']:.3f} for chance)"
        ),
        figures=figures,
        remedy=f"skill of at least {figures['incumbent_credit'] - allowed:.3f}: more rows, or cleaner ones",
        rows=evaluation.worst(evaluation.errors() - evaluation.incumbent_errors()),
    )
