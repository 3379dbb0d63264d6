"""How good ``auto`` is on real tables beside other learners: ``python -m tests.bench.tabular.skill``.

Skill is R squared of numbers (of those with a heavy tail on the scale log(1 + x), on which all learn them then), and of
classes 2 AUC - 1, the mean over the classes. All see the same rows: at most ``MOST_ROWS``, cut five times into five
folds of which each is held out once. What was measured is kept in ``.bench/skill``, a file for each table and cut;
``--minutes`` stops after some. All tables are cut once before one is cut again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from regraft_core.definition import read_definition
from regraft_inference.estimators.encoding import Encoding
from regraft_inference.estimators.tabular import AutoEstimator
from regraft_inference.estimators.targets import has_heavy_tail
from regraft_pipeline.gates import structure
from regraft_pipeline.gates.evaluation import folds_of
from regraft_pipeline.init import draft
from regraft_pipeline.init.table import read_table
from regraft_pipeline.init.written import as_yaml
from regraft_pipeline.tasks import Task
from regraft_pipeline.tasks.files import task_of
from tests.bench import page
from tests.bench.tabular.real import TABLES
from tests.bench.tabular.rivals import LEARNERS, Floats
from tests.bench.tabular.table import KnownTable

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".bench" / "skill"
OURS = "auto"
FOLDS = 5
CUTS = 5
MOST_ROWS = 1000
LEAST_SKILL = 0.2
"""Best skill of a table that says something."""

MEAN, WORST = 0.98, 0.90
SEED = 0


@dataclass(frozen=True)
class Skills:
    """Held-out skill of each learner on one table, the mean over the cuts that were made."""

    table: str
    rows: int
    columns: int
    problem: str
    skills: dict[str, float]
    seconds: dict[str, float]
    """Of CPU, for learning five times, once on all but each fold."""
    cuts: int = 1

    @property
    def best(self) -> float:
        """The best skill of a learner that is not ours."""
        return max(skill for name, skill in self.skills.items() if name != OURS)

    @property
    def rank(self) -> int:
        """Place of ours among all."""
        return 1 + sum(skill > self.skills[OURS] for skill in self.skills.values())

    @property
    def share(self) -> float:
        """Our skill as a share of the best other one."""
        return self.skills[OURS] / self.best


def measure(table: KnownTable, cut: int) -> Skills:
    """Let all learners learn from four folds of a table and tell the fifth, five times."""
    with tempfile.TemporaryDirectory() as folder:
        task, frame = _read(table, Path(folder))
    chosen = np.random.default_rng(SEED).permutation(len(frame))[:MOST_ROWS]
    frame = frame.iloc[np.sort(chosen)].reset_index(drop=True)
    rng = np.random.default_rng([SEED, cut])
    target = task.target_of(frame)
    classes = task.kind == "classification"
    heavy = not classes and has_heavy_tail(target)
    folds = folds_of(target, FOLDS, rng)
    if len(np.unique(target)) == len(target):  # of numbers that are all different it knows one way only
        folds = rng.permutation(len(target)) % FOLDS
    said: dict[str, list[Floats]] = {name: [] for name in (OURS, *LEARNERS)}
    seconds = dict.fromkeys(said, 0.0)
    truth = []
    for fold in range(FOLDS):
        inside, outside = frame[folds != fold], frame[folds == fold]
        learned = target[folds != fold].astype(np.float64 if not classes else str)
        learned = np.log1p(learned) if heavy else learned
        encoding = Encoding.learn(task.contract, task.columns_of(inside))
        matrix, asked = (encoding.matrix(task.columns_of(each)) for each in (inside, outside))
        truth.append(target[folds == fold])
        began = time.process_time()
        said[OURS].append(_ours(task, inside, outside, heavy=heavy))
        seconds[OURS] += time.process_time() - began
        for name, learner in LEARNERS.items():
            began = time.process_time()
            said[name].append(learner(matrix, learned, asked, encoding.parts, classes))
            seconds[name] += time.process_time() - began
    skills = {name: _skill(truth, found, target, classes=classes, heavy=heavy) for name, found in said.items()}
    return Skills(table.name, len(frame), len(task.contract.features), task.kind, skills, seconds)


def _read(table: KnownTable, folder: Path) -> tuple[Task, pd.DataFrame]:
    """Return the task that ``init`` makes of a table, and its valid rows."""
    path = folder / "raw.csv"
    table.write(path)
    read = read_table(path)
    drawn = draft(read.frame, table.target)
    drawn.readable(read.frame).to_csv(folder / "reference.csv", index=False, lineterminator="\n")
    settings = {"min_rows": 20, "one_target_per_input": False, "max_null_share": 1.0}
    task = task_of(read_definition(as_yaml(drawn, table.name, settings)), folder)
    data = structure.check(folder / "reference.csv", task, folder).data
    if data is None:
        raise ValueError(f"{table.name} cannot be read")
    return task, data.frame()


def _ours(task: Task, inside: pd.DataFrame, outside: pd.DataFrame, *, heavy: bool) -> Floats:
    estimator = AutoEstimator.for_task(task.contract, task.kind)
    estimator.logarithms = heavy
    estimator.fit(task.columns_of(inside), task.target_of(inside))
    columns = task.columns_of(outside)
    if task.kind == "classification":
        return estimator.probabilities(columns)
    numbers = estimator.predict(columns).astype(np.float64)
    return np.log1p(np.maximum(numbers, 0)) if heavy else numbers


def _skill(truth: list[NDArray[np.generic]], found: list[Floats], target: NDArray[np.generic], *, classes: bool,
           heavy: bool) -> float:  # fmt: skip
    """Return the mean over the folds."""
    if not classes:
        pairs = [(np.log1p(true.astype(float)) if heavy else true.astype(float), each) for true, each in
                 zip(truth, found, strict=True)]  # fmt: skip
        errors = sum(float(np.square(true - each).sum()) for true, each in pairs)
        values = np.concatenate([true for true, _ in pairs])
        return 1 - errors / float(np.square(values - values.mean()).sum())
    names = np.unique(target.astype(str))
    areas = [
        np.mean([roc_auc_score(true.astype(str) == name, each[:, place]) for place, name in enumerate(names)])
        for true, each in zip(truth, found, strict=True)
    ]
    return float(2 * np.mean(areas) - 1)


def mean_of(cuts: Sequence[Skills]) -> Skills:
    """Return what several cuts of one table say together."""
    first = cuts[0]
    skills = {name: float(np.mean([one.skills[name] for one in cuts])) for name in first.skills}
    seconds = {name: float(np.mean([one.seconds[name] for one in cuts])) for name in first.seconds}
    return Skills(first.table, first.rows, first.columns, first.problem, skills, seconds, len(cuts))


def told_by(found: Sequence[Skills]) -> list[Skills]:
    """Return the tables that say something: somebody has skill there."""
    return [one for one in found if one.best > LEAST_SKILL]


def reached(found: Sequence[Skills]) -> bool:
    """Whether the share of the best other learner's skill is what is aimed at, in the mean and on the worst table."""
    shares = [one.share for one in told_by(found)]
    return not shares or (float(np.mean(shares)) >= MEAN and min(shares) >= WORST)


def report(found: Sequence[Skills]) -> str:
    """Return the table and what it comes to, as Markdown."""
    names = [OURS, *LEARNERS]
    telling = told_by(found)
    lines = [f"| table | rows | columns | cuts | {' | '.join(names)} | rank | of the best |", "|---|" + "---:|" * 12]
    for one in telling:
        cells = " | ".join(f"{one.skills[name]:.3f}" for name in names)
        lines.append(
            f"| {one.table} | {one.rows:,} | {one.columns} | {one.cuts} | {cells} | {one.rank} | {one.share:.3f} |"
        )
    seconds = {name: float(np.median([one.seconds[name] / FOLDS for one in telling])) for name in names}
    cells = " | ".join(f"{seconds[name]:.1f} s" for name in names)
    lines.append(f"| training, median | | | | {cells} | | |")
    shares = [one.share for one in telling]
    whole = [one.share for one in telling if one.cuts == CUTS]
    mean_ranks = ", ".join(f"{name} {_mean_rank(telling, name):.1f}" for name in names)
    weak = ", ".join(one.table for one in found if one not in telling)
    lines += [
        "",
        f"{len(telling)} tables whose best skill is over {LEAST_SKILL}: of the best other learner's skill `auto` has "
        f"{np.mean(shares):.3f} in the mean (aim {MEAN}) and {min(shares):.3f} on the worst table (aim {WORST}). "
        + (
            f"Of the {len(whole)} that were cut {CUTS} times: {np.mean(whole):.3f} and {min(whole):.3f}. "
            if whole
            else ""
        )
        + f"Mean rank among the seven: {mean_ranks}."
        + (f" Nobody does better than that on {weak}." if weak else ""),
    ]
    return "\n".join(lines) + "\n"


def _mean_rank(found: Sequence[Skills], name: str) -> float:
    return float(np.mean([1 + sum(skill > one.skills[name] for skill in one.skills.values()) for one in found]))


def _path(table: KnownTable, cut: int) -> Path:
    return KEPT / f"{table.name}-{cut}.json"


def _kept(table: KnownTable) -> list[Skills]:
    paths = [_path(table, cut) for cut in range(CUTS)]
    return [Skills(**json.loads(path.read_bytes())) for path in paths if path.exists()]


def main() -> int:
    """Measure what is not measured yet, print, and write the page. The exit code is 0 only if the aims are reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tabular.skill", description=__doc__)
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no table after so many minutes")
    parser.add_argument("--only", nargs="*", help="names of tables")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore")
    until = time.monotonic() + 60 * options.minutes
    KEPT.mkdir(parents=True, exist_ok=True)
    left_out: set[str] = set()
    for cut in range(CUTS):
        for table in TABLES:
            path = _path(table, cut)
            asked = not options.only or table.name in options.only
            if path.exists() or not asked or table.name in left_out or time.monotonic() > until:
                continue
            try:
                one = measure(table, cut)
            except ValueError as error:  # such as a class that a fold has not
                print(f"{table.name} cannot be measured: {error}", flush=True)
                left_out.add(table.name)
                continue
            path.write_text(json.dumps(asdict(one)))
            print(
                f"{one.table} {cut}: rank {one.rank}, {one.share:.3f} of the best; {one.skills} {one.seconds}",
                flush=True,
            )
    found = [mean_of(cuts) for table in TABLES if (cuts := _kept(table))]
    text = report(found)
    print(text)
    page.put(ROOT / "docs" / "tables.md", "skill", text)
    return 0 if reached(found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
