"""Writes ``task.yaml`` and the reference, and holds one half of the table against the other."""

from __future__ import annotations

import json
import re
import tempfile
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regraft_core.codes import Code
from regraft_core.definition import FILE_NAME, read_definition
from regraft_core.definition.task import name_trouble
from regraft_core.errors import BadRequestError
from regraft_core.verdict import Verdict
from regraft_pipeline.gates import Evaluation, judge
from regraft_pipeline.gates.chance import standard_error
from regraft_pipeline.init.draft import FEWEST_ROWS, ColumnDraft, Draft
from regraft_pipeline.init.table import Table
from regraft_pipeline.steps.train import fitted
from regraft_pipeline.tasks.files import task_of
from regraft_pipeline.tasks.task import Task

SEED = 1
LOSS = "held_out_loss_"
"""Begin of the names of an estimator's parameters that tell how well each kind of model does."""

MOST_ROWS = 20_000
"""Most rows of which one half is held against the other."""

TELLING = 2.0
"""Standard errors by which skill is above none where columns tell of the target at all."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ./-]*(?<! )")
_WORDS = re.compile(r"true|false|null|yes|no|on|off|y|n|~", re.IGNORECASE)


@dataclass(frozen=True)
class Written:
    """A task that was written, and what the gates say of one half of its table against the other.

    ``skill`` and the ``model`` that was chosen, with the held-out loss of each that was tried, are those of the first.
    """

    path: Path
    task: Task
    halves: Verdict
    skill: float | None = None
    model: str | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    is_weak: bool = False
    """Whether the columns tell of the target, and hardly."""


def name_of(path: Path, wanted: str | None = None) -> str:
    """Return the name that is wanted, else one after the file's. Raises BadRequestError (``task_invalid``)."""
    if wanted is not None:
        if trouble := name_trouble(wanted):
            raise BadRequestError(f"--name: {trouble}", code=Code.TASK_INVALID)
        return wanted
    letters = unicodedata.normalize("NFKD", path.name.split(".")[0].lower().replace("ß", "ss"))
    plain = "".join(sign for sign in letters if not unicodedata.combining(sign))  # the accents of é and ü stand apart
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    return f"task-{name}".strip("-")[:40].strip("-") if name_trouble(name) else name


def write(draft: Draft, table: Table, csv: Path, folder: Path, *, name: str, force: bool = False) -> Written:
    """Write a draft into ``folder/name``. Raises BadRequestError (``task_exists``, ``task_invalid``)."""
    home = folder / name
    path = home / FILE_NAME
    if path.exists() and not force:
        raise BadRequestError(f"{path} is there already; --force writes it anew", code=Code.TASK_EXISTS)
    rows = draft.readable(table.frame)
    settings: dict[str, Any] = {"min_rows": _min_rows(len(rows)), "one_target_per_input": False} | _gaps(draft)
    read_definition(as_yaml(draft, name, settings), str(path))  # what makes no task leaves nothing behind
    home.mkdir(parents=True, exist_ok=True)
    reference = home / "reference.csv"
    if table.plain and len(rows) == len(table.frame):
        if csv.resolve() != reference.resolve():
            reference.write_bytes(csv.read_bytes())
    else:
        rows.to_csv(reference, index=False, lineterminator="\n")
    text, task = _made(draft, name, settings, path)
    found = halves(task, rows, path)
    if found.skill is not None and found.is_weak:
        text, task = _made(draft, name, settings | {"min_skill": max(0.01, round(found.skill / 2, 3))}, path)
        found = halves(task, rows, path)
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)  # a stack that is up takes the file up as soon as it is there
    return found


def _made(draft: Draft, name: str, settings: Mapping[str, Any], path: Path) -> tuple[str, Task]:
    """Return the file of a draft, and the task that it makes. Raises TaskFileError."""
    text = as_yaml(draft, name, settings)
    return text, task_of(read_definition(text, str(path)), path.parent)


def halves(task: Task, frame: pd.DataFrame, path: Path) -> Written:
    """Return what one half of the rows, drawn at random, tells, and the verdict on the other held against it.

    That classes have few rows in a half says nothing of the table, of which the draft tells it.
    """
    order = np.random.default_rng(SEED).permutation(len(frame))[:MOST_ROWS]
    middle = len(order) // 2
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "one.csv", Path(folder) / "other.csv"]
        for half, rows in zip(paths, (order[:middle], order[middle:]), strict=True):
            frame.iloc[np.sort(rows)].to_csv(half, index=False, lineterminator="\n")
        first = judge(paths[0], task, reference=None, incumbent=None)
        if first.profile is None or first.data is None:
            return Written(path, task, first.verdict)
        second = judge(paths[1], task, reference=first.profile, incumbent=None)
        chosen = fitted(task, first.data, first.profile).parameters() if first.verdict.accepted else {}
    losses = {name.removeprefix(LOSS): value for name, value in chosen.items() if name.startswith(LOSS)}
    reasons = [reason for reason in second.verdict.reasons if reason.code != Code.CLASS_FEW_ROWS]
    verdict = second.verdict.model_copy(update={"reasons": reasons})
    weak = first.evaluation is not None and _is_weak(first.evaluation, task)
    return Written(path, task, verdict, first.profile.skill, chosen.get("model"), losses, weak)


def _is_weak(evaluation: Evaluation, task: Task) -> bool:
    """Whether there is something to learn, and so little that a good dataset may fail what is asked of all tasks."""
    if evaluation.skill >= 2 * task.gates.min_skill:
        return False
    return evaluation.skill > TELLING * standard_error(evaluation, lambda part: part.skill, SEED)


def _min_rows(rows: int) -> int:
    return min(100, max(FEWEST_ROWS, int(rows * 0.4)))


def _gaps(draft: Draft) -> dict[str, Any]:
    """Return how many rows may have no target, where some have none: in a sample there are now and then more."""
    share = draft.target.kind.gaps / draft.rows
    return {"max_null_share": min(1.0, round(2 * share + 0.01, 3))} if share else {}


def as_yaml(draft: Draft, name: str, settings: Mapping[str, Any]) -> str:
    """Return the file of a draft."""
    width = max(len(_line(column)) for column in draft.columns)
    lines = [
        "apiVersion: regraft.dev/v1",
        "kind: Task",
        f"name: {name}",
        f"target: {_scalar(draft.target.name)}",
        f"problem: {draft.problem}",
        "columns:",
        *(f"  {_line(column):<{min(width, 90)}}  # {_comment(column.why)}" for column in draft.columns),
        "estimator: auto",
        f"gates: {_flow(settings)}",
        "reference: reference.csv",
        f'registered_model: "{{owner}}-{name}"',
    ]
    return "\n".join(lines) + "\n"


def _line(column: ColumnDraft) -> str:
    if column.ignored:
        return f"- {_flow({'name': column.name, 'role': 'ignored'})}"
    kind = column.kind
    content: dict[str, Any] = {"name": column.name, "type": kind.type}
    content |= {"format": kind.format} if kind.format else {}
    content |= {"unit": column.unit} if column.unit else {}
    content |= {"minimum": _number(column.minimum)} if column.minimum is not None else {}
    content |= {"maximum": _number(column.maximum)} if column.maximum is not None else {}
    content |= {"categories": list(kind.categories)} if kind.categories is not None else {}
    longest = max(map(len, kind.counts)) if kind.type == "string" and kind.categories is None else 0
    content |= {"max_length": 2 * longest} if longest > 128 else {}
    content |= {"nullable": True} if kind.gaps and not column.is_target else {}
    content |= {"trend": True} if column.trend else {}
    return f"- {_flow(content)}"


def _number(value: float) -> int | float:
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def _flow(content: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in content.items()) + "}"


def _scalar(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_scalar, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _WORDS.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _comment(text: str) -> str:
    return re.sub(r"\s+", " ", text)
