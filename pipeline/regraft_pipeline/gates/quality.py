"""The fourth gate: the new model must be good enough, and not worse than the version in service."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regraft_core.codes import Code
from regraft_core.verdict import Reason
from regraft_inference.bundle import Bundle
from regraft_pipeline.gates.evaluation import Evaluation
from regraft_pipeline.gates.gate import Evidence, Gate
from regraft_pipeline.tasks import Task

LESS_IS_BETTER = frozenset({"mae", "rmse", "rmsle", "log_loss", "brier"})
"""Metrics that are errors."""

PARTS = 20
"""Parts of the rows that are left out in turn, to see how much a figure depends on them."""


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
    reasons = _floor(evaluation, task)
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


def main_metric(evaluation: Evaluation, task: Task) -> str:
    """Return the metric that the floor is for: the task's; else ROC AUC where there are probabilities, else skill."""
    if task.metric is not None and task.metric in evaluation.metrics:
        return task.metric
    return "roc_auc" if "roc_auc" in evaluation.metrics else "skill"


def _against(evaluation: Evaluation, task: Task, incumbent: Bundle) -> list[Reason]:
    """Compare on the same rows.

    The version in service may have been trained on some of them. It is therefore given no more credit than the
    held-out skill of its own training, where that is known: what it knows by heart cannot lock later versions out.
    Nor can chance: of few rows, a difference counts only as far as chance does not explain it.
    """
    measured = evaluation.incumbent_metrics["skill"]
    most = incumbent.info.metrics.get("skill", measured)
    difference = _behind(evaluation, most)
    settings = task.gates
    figures = {
        "skill": evaluation.skill,
        "incumbent_skill": measured,
        "incumbent_credit": round(min(measured, most), 6),
        "margin": settings.quality_margin,
    }
    if measured < settings.relation_changed_skill:
        return [_relation_changed(evaluation, figures, settings.relation_changed_skill)]
    if difference <= settings.quality_margin:
        return _lost(evaluation, task, incumbent)
    chance = settings.quality_errors * standard_error(evaluation, lambda part: _behind(part, most), settings.seed)
    figures |= {"difference": round(difference, 6), "chance": round(chance, 6)}
    if difference <= settings.quality_margin + chance:
        return _lost(evaluation, task, incumbent)
    return [_worse(evaluation, figures)]


def _lost(evaluation: Evaluation, task: Task, incumbent: Bundle) -> list[Reason]:
    """Return a warning where the new model is clearly worse on its rows than the version in service was on its own.

    It may be no worse than that version on these rows, since both are measured on them: labels that are wrong in one
    row of seven make every model look worse. As for learnability, less is asked of few rows, and chance is allowed.
    """
    settings, held_out = task.gates, incumbent.info.metrics.get("skill")
    if held_out is None:
        return []
    asked = held_out * max(1 - settings.learning_rows / len(evaluation.target), 0)
    if asked - evaluation.skill <= settings.quality_margin:
        return []
    chance = settings.quality_errors * standard_error(evaluation, lambda part: part.skill, settings.seed)
    if asked - evaluation.skill <= settings.quality_margin + chance:
        return []
    return [
        Reason(
            code=Code.SKILL_LOST,
            gate="quality",
            severity="warning",
            message=(
                f"the new model has skill {evaluation.skill:.3f} on held-out rows; the version in service had "
                f"{held_out:.3f} on those of its own dataset: the labels may be wrong in part, or the inputs say less"
            ),
            figures={
                "skill": evaluation.skill,
                "held_out_skill": held_out,
                "asked": round(asked, 6),
                "margin": settings.quality_margin,
                "chance": round(chance, 6),
            },
            remedy=f"skill of at least {asked - settings.quality_margin - chance:.3f}",
            rows=evaluation.worst(evaluation.errors()),
        )
    ]


def _behind(evaluation: Evaluation, most: float) -> float:
    """Return how much less skill the new model has than the version in service, which is given ``most`` at most."""
    return min(evaluation.incumbent_metrics["skill"], most) - evaluation.skill


def standard_error(evaluation: Evaluation, statistic: Callable[[Evaluation], float], seed: int) -> float:
    """Return the standard error of a statistic of the rows.

    By the jackknife that leaves out each of 20 parts in turn, drawn by the seed: Kott, The Delete-A-Group Jackknife,
    Journal of Official Statistics 17 (2001) 521-526.
    """
    parts = np.random.default_rng(seed).permutation(len(evaluation.target)) % PARTS
    without = np.array([statistic(evaluation.of_rows(parts != part)) for part in range(PARTS)])
    return float(np.sqrt((PARTS - 1) / PARTS * np.square(without - without.mean()).sum()))


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
            f"the new model has skill {figures['skill']:.3f} on held-out rows, the version in service "
            f"{figures['incumbent_credit']:.3f} on the same rows: worse by {figures['difference']:.3f}, at most "
            f"{allowed:.3f} is allowed ({figures['margin']:g}, and {figures['chance']:.3f} for chance)"
        ),
        figures=figures,
        remedy=f"skill of at least {figures['incumbent_credit'] - allowed:.3f}: more rows, or cleaner ones",
        rows=evaluation.worst(evaluation.errors() - evaluation.incumbent_errors()),
    )
