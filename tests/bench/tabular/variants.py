"""One half of a table held against the other: as it is, which has to pass, and spoilt in ways that have to be seen.

The first half is the reference, and the model of it the version in service.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from regraft_core.written import NOT_KNOWN
from regraft_inference.bundle import Bundle
from regraft_pipeline import gates
from regraft_pipeline.gates import Profile
from regraft_pipeline.steps.train import fitted, write
from regraft_pipeline.tasks import Task

MOST_ROWS = 1_000
"""Most rows of a half: what is shown there is harder to see than with more."""

FLIPPED = 0.3

type Spoil = Callable[[pd.DataFrame, Task, np.random.Generator], pd.DataFrame | None]


@dataclass
class Told:
    """What the gates say: of spoilt halves ``refused``, ``warned`` or ``passed``; of good ones how many they refuse.

    Of each random split both halves are asked, each with the other as the reference.
    """

    spoilt: dict[str, str] = field(default_factory=dict)
    splits: int = 0
    good: int = 0
    refused: list[str] = field(default_factory=list)


def shuffled_target(frame: pd.DataFrame, task: Task, rng: np.random.Generator) -> pd.DataFrame:
    """Targets of other rows."""
    target = task.contract.target.name
    return frame.assign(**{target: rng.permutation(frame[target].to_numpy())})


def flipped_labels(frame: pd.DataFrame, task: Task, rng: np.random.Generator) -> pd.DataFrame:
    """Three in ten rows have another row's target; of classes another class."""
    target = task.contract.target.name
    values = frame[target].to_numpy(dtype=object).copy()
    known = sorted(set(values))
    for row in np.flatnonzero(rng.random(len(values)) < FLIPPED):
        others = [one for one in known if one != values[row]]
        values[row] = others[rng.integers(len(others))]
    return frame.assign(**{target: values})


def other_unit(frame: pd.DataFrame, task: Task, rng: np.random.Generator) -> pd.DataFrame | None:
    """The first number that varies in inches, as it were, instead of millimetres."""
    for column in task.contract.features:
        if column.type != "number" or column.categories is not None or column.format is not None or column.trend:
            continue
        numbers = pd.to_numeric(frame[column.name], errors="coerce")
        if numbers.notna().mean() > 0.5 and numbers.nunique() > 20 and (numbers > 0).mean() > 0.5:
            changed = (numbers / 25.4).map(repr).where(numbers.notna(), frame[column.name])
            return frame.assign(**{column.name: changed})
    return None


def column_gone(frame: pd.DataFrame, task: Task, rng: np.random.Generator) -> pd.DataFrame:
    """A feature is not there."""
    return frame.drop(columns=task.contract.features[-1].name)


def codes_renamed(frame: pd.DataFrame, task: Task, rng: np.random.Generator) -> pd.DataFrame | None:
    """The words of the first string in capitals, with an end."""
    for column in task.contract.features:
        if column.type == "string":
            values = frame[column.name]
            gone = values.str.strip().str.lower().isin({*NOT_KNOWN, ""})
            return frame.assign(**{column.name: (values.str.upper() + "-2").where(~gone, values)})
    return None


SPOILT: dict[str, Spoil] = {
    "target shuffled": shuffled_target,
    "30 % of labels another": flipped_labels,
    "another unit": other_unit,
    "a column gone": column_gone,
    "codes renamed": codes_renamed,
}


def ask(task: Task, frame: pd.DataFrame, *, splits: int, told: Told) -> None:
    """Hold halves of a table against each other, from the first split on that was not asked before.

    The halves of a split change places, and nothing is trained twice where the task is a ``remembering`` one.
    """
    for split in range(told.splits, splits):
        rng = np.random.default_rng((9, split))
        order = rng.permutation(len(frame))[: 2 * MOST_ROWS]
        halves = [frame.iloc[np.sort(half)] for half in np.array_split(order, 2)]
        for (first, second), way in ((halves, "there"), (halves[::-1], "back")):
            with tempfile.TemporaryDirectory() as folder:
                _ask_one(task, first, second, Path(folder), told, rng, f"split {split} {way}")
        told.splits = split + 1


def _ask_one(
    task: Task,
    first: pd.DataFrame,
    second: pd.DataFrame,
    home: Path,
    told: Told,
    rng: np.random.Generator,
    where: str,
) -> None:
    told.good += 1
    reference, incumbent = _served(task, first, home)
    if reference is None:
        told.refused.append(f"{where}: the first half is refused")
        return
    said, why = _refused(task, second, home, reference, incumbent)
    if said == "refused":
        told.refused.append(f"{where}: {why}")
    for name, spoil in SPOILT.items():
        if name not in told.spoilt and (spoilt := spoil(second, task, rng)) is not None:
            told.spoilt[name] = " ".join(_refused(task, spoilt, home, reference, incumbent))


def _served(task: Task, frame: pd.DataFrame, home: Path) -> tuple[Profile | None, Bundle | None]:
    frame.to_csv(home / "first.csv", index=False)
    judged = gates.judge(home / "first.csv", task, reference=None, incumbent=None)
    if not judged.verdict.accepted or judged.data is None:
        return None, None
    write(
        home / "bundle",
        task,
        judged.data,
        fitted(task, judged.data, judged.profile),
        judged.verdict,
        data_sha256="0" * 64,
    )
    return judged.profile, Bundle.load(home / "bundle")


def _refused(
    task: Task, frame: pd.DataFrame, home: Path, reference: Profile, incumbent: Bundle | None
) -> tuple[str, str]:
    """Return ``refused``, ``warned`` or ``passed``, and the first reason's code."""
    path = home / "other.csv"
    frame.to_csv(path, index=False)
    verdict = gates.judge(path, task, reference=reference, incumbent=incumbent).verdict
    if verdict.accepted:
        return ("warned", verdict.reasons[0].code) if verdict.reasons else ("passed", "")
    return "refused", verdict.errors[0].code
