"""Descriptions for MLflow's pages, in Markdown: what a model is for, what a run found, and the way back to Regraft."""

from __future__ import annotations

import json
from collections.abc import Mapping

from regraft.core.contract import Column, Contract
from regraft.core.runs import RunRequest
from regraft.core.verdict import Verdict
from regraft.pipeline.tasks import Task

EXAMPLES: dict[str, str | float] = {"string": "abc", "integer": 1, "number": 1.5}


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
    """Return what came of a run's dataset: rows, warnings, the model beside the one in service, links."""
    data = request.data_url or "the dataset that ships with the task"
    parts = [f"Trained on {verdict.usable_rows:,} of {verdict.rows:,} rows of {_text(data)}."]
    if verdict.reasons:
        codes = ", ".join(dict.fromkeys(f"`{reason.code}`" for reason in verdict.reasons))
        parts.append(f"The gates accepted it with warnings: {codes}.")
    else:
        parts.append("Every gate accepted it.")
    parts.append(_beside(verdict.metrics, verdict.incumbent_metrics))
    where = "`report.html` and `plots/` among the artifacts show the data and the model."
    if public_url:
        address = f"{public_url.rstrip('/')}/runs/{request.run_id}"
        where += f"\n\n[The run in Regraft]({address}) · [Its data report]({address}/report)"
    return "\n\n".join(part for part in (*parts, where) if part)


def _beside(metrics: Mapping[str, float], incumbent: Mapping[str, float]) -> str:
    if not metrics:
        return ""
    heads = ["held-out metric", "this model", *(["the version in service then"] if incumbent else [])]
    rows = [
        [name, f"{value:.4g}", *([f"{incumbent[name]:.4g}" if name in incumbent else ""] if incumbent else [])]
        for name, value in metrics.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _columns(contract: Contract) -> str:
    lines = ["| column | type | what |", "| --- | --- | --- |"]
    for column in contract.columns:
        what = " ".join(filter(None, [column.description, f"[{column.unit}]" if column.unit else ""]))
        role = " (target)" if column is contract.target else ""
        lines.append(f"| `{column.name}`{role} | {column.type} | {_text(what)} |")
    return "\n".join(lines)


def _example(column: Column) -> str | float:
    if column.categories:
        return column.categories[0]
    return column.minimum if column.minimum and column.type != "string" else EXAMPLES[column.type]


def _text(words: str) -> str:
    """Keep what comes from outside from being markup."""
    return "".join(f"\\{sign}" if sign in "\\`*[]<>|!" else sign for sign in words.replace("\n", " "))
