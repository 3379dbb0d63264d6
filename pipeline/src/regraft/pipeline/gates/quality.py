"""The fourth gate: the new model must be good enough, and not worse than the version in service."""

from __future__ import annotations

from regraft.core.verdict import Reason
from regraft.inference.bundle import Bundle
from regraft.pipeline.gates.evaluation import Evaluation
from regraft.pipeline.tasks import Task


def check(evaluation: Evaluation, task: Task, incumbent: Bundle | None) -> list[Reason]:
    """Return an error where the new model is under the floor or clearly worse than the version in service."""
    reasons = _floor(evaluation, task)
    if incumbent is not None:
        reasons += _against(evaluation, task, incumbent)
    return reasons


def _floor(evaluation: Evaluation, task: Task) -> list[Reason]:
    floor = task.gates.quality_floor
    metric = main_metric(evaluation)
    if floor is None or evaluation.metrics[metric] >= floor:
        return []
    value = evaluation.metrics[metric]
    return [
        Reason(
            code="quality_below_floor",
            gate="quality",
            message=f"{metric} of the new model on held-out rows is {value:.3f}; the floor is {floor:g}",
            figures={"metric": metric, "value": value, "limit": floor},
            remedy=f"{metric} of at least {floor:g}",
            rows=evaluation.worst(evaluation.errors()),
        )
    ]


def main_metric(evaluation: Evaluation) -> str:
    """Return the metric that the floor is for: ROC AUC where there are probabilities, else skill."""
    return "roc_auc" if "roc_auc" in evaluation.metrics else "skill"


def _against(evaluation: Evaluation, task: Task, incumbent: Bundle) -> list[Reason]:
    """Compare on the same rows.

    The version in service may have been trained on some of them. It is therefore given no more credit than the
    held-out skill of its own training, where that is known: what it knows by heart cannot lock later versions out.
    """
    measured = evaluation.incumbent_metrics["skill"]
    credit = min(measured, incumbent.info.metrics.get("skill", measured))
    margin = task.gates.quality_margin
    skill = evaluation.skill
    figures = {"skill": skill, "incumbent_skill": measured, "incumbent_credit": round(credit, 6), "margin": margin}
    changed = task.gates.relation_changed_skill
    if measured < changed:
        return [
            Reason(
                code="relation_changed",
                gate="quality",
                severity="warning",
                message=(
                    f"the version in service is systematically wrong on these rows (skill {measured:.3f}, the new "
                    f"model {skill:.3f}): the same inputs mean something else now, or the labels are turned round"
                ),
                figures=figures | {"limit": changed},
                remedy=f"a skill of the version in service above {changed:g}; nothing, if the world changed",
                rows=evaluation.worst(evaluation.incumbent_errors()),
            )
        ]
    if credit - skill <= margin:
        return []
    return [
        Reason(
            code="worse_than_incumbent",
            gate="quality",
            message=(
                f"the new model has skill {skill:.3f} on held-out rows, the version in service {credit:.3f} on the "
                f"same rows: worse by {credit - skill:.3f}, at most {margin:g} is allowed"
            ),
            figures=figures | {"difference": round(credit - skill, 6)},
            remedy=f"skill of at least {credit - margin:.3f}: more rows, or cleaner ones",
            rows=evaluation.worst(evaluation.errors() - evaluation.incumbent_errors()),
        )
    ]
