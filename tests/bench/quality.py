"""How well and how fast the password estimator learns, beside its targets: ``python -m tests.bench.quality [--quick]``.

Everything is seeded, so the shares and errors are the same on every machine; the times are not. Ends with 1 where a
target is missed. The largest datasets are measured by ``tests.bench.scale``, whole runs included.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from regraft_inference.estimators.passwords import PasswordEstimator
from tests.bench.families import FamilyA, Floats, Sample, variants
from tests.bench.leak import FamilyB

ROWS = 1000
TRAINING_ROWS = 200_000
TEST_ROWS = 200_000
USERS = 13_300_000
"""Users of family B: as many as give it five million different passwords."""

KNOWN_LIMIT = ("levels 0, 5", "levels 1, 2, 3", "five levels", "62 characters")
ONE_SIGN = ("length", "first letter")
OTHERS = ("16 of 18 letters shared", "shares .8, .2", "3 to 5 characters", "5 % flipped", "20 % flipped", "successors")


@dataclass
class Table:
    """Prints a row for each figure as soon as it is known, and remembers whether a target was missed."""

    missed: bool = False
    lines: list[str] = field(default_factory=list)
    """The rows as Markdown."""

    def head(self) -> None:
        """Print the head."""
        print(f"{'what':58}{'mean':>12}{'least':>12}{'most':>12}   target", flush=True)

    def row(self, what: str, values: Sequence[float], *, least: float | None = None, most: float | None = None) -> None:
        """Print mean and spread; the target is for the mean."""
        mean = float(np.mean(values))
        met = (least is None or mean >= least) and (most is None or mean <= most)
        self.missed |= not met
        target = f">= {least:,.6g}" if least is not None else f"<= {most:,.6g}" if most is not None else "none"
        verdict = "" if target == "none" else "  met" if met else "  MISSED"
        figures = "".join(f"{_figure(value):>12}" for value in (mean, min(values), max(values)))
        print(f"{what:58}{figures}   {target}{verdict}", flush=True)
        cells = " | ".join(_figure(value) for value in (mean, min(values), max(values)))
        self.lines.append(f"| {what} | {cells} | {target} | {'' if met else 'missed'} |")

    def markdown(self) -> str:
        """Return all rows as Markdown."""
        return "\n".join(["| what | mean | least | most | aim | |", "|---|---:|---:|---:|---|---|", *self.lines]) + "\n"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds and users; the targets of counts are not met")
    parser.add_argument("--data", type=Path, help="Parquet file of family B, in random order, to use instead")
    chosen = parser.parse_args()
    seeds = range(2 if chosen.quick else 10)
    table = Table()
    table.head()
    of_levels(table, seeds)
    of_speed(table)
    of_counts(table, chosen.data, users=1_000_000 if chosen.quick else USERS, samples=1 if chosen.quick else 3)
    sys.exit(table.missed)


class Shares(NamedTuple):
    """Shares of right answers: of unseen passwords, of those of them that can be told, of the training set."""

    fresh: float
    decidable: float
    own: float
    limit: float | None


def of_levels(table: Table, seeds: Sequence[int]) -> None:
    """Tell what share of the passwords of family A is answered within 0.05 of the truth."""
    base = [shares(FamilyA(seed), limit=True) for seed in seeds]
    table.row("family A: fresh rows within 0.05", [one.fresh for one in base], least=0.98)
    table.row("family A: those of them that can be told", [one.decidable for one in base], least=0.999)
    table.row("family A: rows of the training set", [one.own for one in base], least=0.998)
    for name in KNOWN_LIMIT:
        found = [shares(variants(seed)[name], limit=True) for seed in seeds]
        table.row(f"{name}: fresh rows within 0.05", [one.fresh for one in found])
        table.row(f"{name}: less than the limit by", [one.limit - one.fresh for one in found if one.limit], most=0.01)
    for name in ONE_SIGN:
        found = [shares(variants(seed)[name]) for seed in seeds]
        table.row(f"{name} alone tells: fresh rows within 0.05", [one.fresh for one in found], least=0.9)
    for name in OTHERS:
        table.row(f"{name}: fresh rows within 0.05", [shares(variants(seed)[name]).fresh for seed in seeds])


def shares(family: FamilyA, *, limit: bool = False) -> Shares:
    """Train on a thousand rows and ask about as many others."""
    own = family.sample(ROWS, 1)
    unseen = family.sample(2 * ROWS, 2).without(own)
    estimator = PasswordEstimator().fit({"Password": own.words}, own.target)
    fresh = right(estimator, unseen)
    return Shares(
        fresh=float(fresh.mean()),
        decidable=float(fresh[unseen.decidable].mean()),
        own=float(right(estimator, own).mean()),
        limit=family.limit(unseen.words) if limit else None,
    )


def right(estimator: PasswordEstimator, sample: Sample) -> Floats:
    """Return 1 for each answer within 0.05 of the truth, else 0."""
    return (np.abs(estimator.predict({"Password": sample.words}) - sample.target) <= 0.05).astype(np.float64)


def of_speed(table: Table) -> None:
    """Tell how fast predictions of a few levels are, in CPU time of one core."""
    own = FamilyA(0).sample(ROWS, 1)
    estimator = PasswordEstimator().fit({"Password": own.words}, own.target)
    seconds = {
        rows: _seconds(partial(estimator.predict, {"Password": (own.words * 10)[:rows]}), rows) for rows in (1, 10_000)
    }
    table.row("one prediction, model loaded, best of 9, ms", [1000 * seconds[1]], most=0.1)
    table.row("batches of 10,000, best of 9, rows/s", [10_000 / seconds[10_000]], least=400_000)


def _seconds(call: Callable[[], object], rows: int) -> float:
    repeats = max(1, 2000 // rows)
    return min(timeit.repeat(call, number=repeats, repeat=9, timer=time.process_time)) / repeats


class Counted(NamedTuple):
    """What a model of counts came to, in a process of its own."""

    rmsle: float
    constant: float
    cpu_seconds: float
    mib: float
    megabytes: float


def of_counts(table: Table, data: Path | None, *, users: int, samples: int) -> None:
    """Tell the error on family B of models that learned from different rows of it, and what they cost."""
    with tempfile.TemporaryDirectory() as folder, get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        paths = [Path(folder) / f"{number}.parquet" for number in range(samples)]
        pool.apply(_draw, (paths, data, users))
        found = pool.map(count, paths, chunksize=1)
    what = f"family B, {TRAINING_ROWS:,} rows"
    table.row(f"{what}: RMSLE on fresh rows", [one.rmsle for one in found], most=0.37)
    table.row(f"{what}: RMSLE of the best constant", [one.constant for one in found])
    table.row(f"{what}: fit, CPU seconds", [one.cpu_seconds for one in found], most=30)
    table.row(f"{what}: peak memory, MiB", [one.mib for one in found], most=700)
    table.row(f"{what}: model, MB", [one.megabytes for one in found], most=5)


def _draw(paths: Sequence[Path], data: Path | None, users: int) -> None:
    """Write a file for each sample: the same fresh rows first, then its own to learn from."""
    rows = FamilyB().sample(users, seed=1) if data is None else pd.read_parquet(data)
    for number, path in enumerate(paths):
        first = TEST_ROWS + number * TRAINING_ROWS
        pd.concat([rows[:TEST_ROWS], rows[first : first + TRAINING_ROWS]]).to_parquet(path, index=False)


def count(path: Path) -> Counted:
    """Train on what a file has after its fresh rows."""
    rows = pq.read_table(path)
    words, target = rows["Password"].to_pylist(), rows["Times"].to_numpy().astype(np.float64)
    del rows
    began = time.process_time()
    estimator = PasswordEstimator().fit({"Password": words[TEST_ROWS:]}, target[TEST_ROWS:])
    seconds = time.process_time() - began
    constant = np.full(TEST_ROWS, np.expm1(np.log1p(target[TEST_ROWS:]).mean()))
    with tempfile.TemporaryDirectory() as folder:
        estimator.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return Counted(
        rmsle=rmsle(estimator.predict({"Password": words[:TEST_ROWS]}), target[:TEST_ROWS]),
        constant=rmsle(constant, target[:TEST_ROWS]),
        cpu_seconds=seconds,
        mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        megabytes=size / 1e6,
    )


def rmsle(predicted: Floats, actual: Floats) -> float:
    """Return the root of the mean squared error of log1p."""
    return float(np.sqrt(np.mean((np.log1p(predicted) - np.log1p(actual)) ** 2)))


def _figure(value: float) -> str:
    if 0 < abs(value) < 1e-4:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.4f}"


if __name__ == "__main__":
    main()
