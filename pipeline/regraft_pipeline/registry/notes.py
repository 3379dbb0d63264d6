"""Descriptions for MLflow's pages, in Markdown: what a model is for, what a run found, and the way back to Regraft."""

from __future__ import annotations

import json
from collections.abc import Mapping

from regraft_core.contract import Column, Contract
from regraft_core.runs import RunRequest
from regraft_core.verdict import Verdict
from regraft_pipeline.tasks import Task

EXAMPLES: dict[str, str | float] = {
    "string": "abc",
    "text": "some words",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "date": "2026-01-31",
    "datetime": "2026-01-31T12:00:00",
}


def of_task(task: Task) -> str:
    """Return what the registered model predicts, from what, and how it is asked."""
    request = json.dumps({column.name: [_example(column)] for column in task.contract.features})
    return (
        f"{task.description or task.name}.\n\n{_columns(task.contract)}\n\n"
        f"The version with the alias `prod` is in service: `POST /{task.name}/predict` with `{request}`. Regraft "
        "trains, registers and promotes a version from each dataset that its gates accept."
    )


def of_experiment(task: Task) -> str:
    """Return what the runs of an experiment are."""
    return f"Trainings of the task `{task.name}`: {task.description}. Each run is a dataset that the gates accepted."


def of_run(request: RunRequest, verdict: Verdict, public_url: str | None) -> str:
    """Return what came of a run's dataset: links, rows, warnings, the model beside the one in service."""
    data = request.data_url or "the task's own reference dataset"
    parts = [f"Trained on {verdict.usable_rows:,} of {verdict.rows:,} rows of {_text(data)}"]
    if public_url:
        address = f"{public_url.rstrip('/')}/runs/{request.run_id}"
        parts.insert(0, f"[The run in Regraft]({address}) · [Its data report]({address}/report)")
    if verdict.reasons:
        codes = ", ".join(dict.fromkeys(f"`{reason.code}`" for reason in verdict.reasons))
        parts.append(f"The gates accepted it with warnings: {codes}.")
    else:
        parts.append("Every gate accepted it.")
    parts.append(_beside(verdict.metrics, verdict.incumbent_metrics))
    parts.append("`report.html` and `plots/` among the artifacts show the data and the model.")
    return "\n\n".join(part for part in parts if part)


def _beside(metrics: Mapping[str, float], incumbent: Mapping[str, float]) -> str:
    """Return metrics as a list: tables have no room between their columns on MLflow's pages."""
    if not metrics:
        return ""
    lines = [
        f"- {name} **{value:.4g}**" + (f" (in service then: {incumbent[name]:.4g})" if name in incumbent else "")
        for name, value in metrics.items()
    ]
    return "\n".join(["On rows that it has not seen:", "", *lines])


def _columns(contract: Contract) -> str:
    lines = ["From", ""]
    for column in contract.columns:
        if column is contract.target:
            lines += ["", "it predicts", ""]
        unit = f" [{column.unit}]" if column.unit else ""
        lines.append(f"- `{column.name}` ({column.type}) {_text(column.description + unit)}")
    return "\n".join(lines)


def _example(column: Column) -> str | float:
    if column.categories:
        return column.categories[0]
    if column.minimum is not None and column.maximum is not None and column.is_number:
        return (column.minimum + column.maximum) // 2
    return EXAMPLES[column.type]


def _text(words: str) -> str:
    """Keep what comes from outside from being markup."""
    return "".join(f"\\{sign}" if sign in "\\`*[]<>|!" else sign for sign in words.replace("\n", " "))
