"""How well, fast and small the estimators of tables learn, beside their aims: ``python -m tests.bench.learning``.

On generated tables of twelve columns of all kinds, and on heart-disease. Everything is seeded; the times depend on the
machine. Prints a table, puts it into docs/tables.md, and ends with 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regraft_core.contract import Column, Contract
from regraft_inference.bundle import Bundle
from regraft_inference.estimators.tabular import AdditiveEstimator, AutoEstimator, BoostedEstimator, TabularEstimator
from regraft_pipeline.tasks import GateSettings, Task, heart_disease
from tests.bench import page
from tests.bench.cases import TWELVE, Case, twelve
from tests.bench.heart import calibration_error
from tests.bench.quality import Table

ROOT = Path(__file__).parents[2]

KINDS: tuple[type[TabularEstimator], ...] = (AutoEstimator, AdditiveEstimator, BoostedEstimator)
FEW, MANY = 1000, 1_000_000
FEW_OF_A_CLASSIFIER = 500
HELD_OUT = 20_000
HELD_OUT_SEED = 9000
EXPLAINED = 10_000
LOADS = 9
MEGABYTE = 1e6

type Made = Callable[[int, int], pd.DataFrame]
"""Makes rows from a seed and a number of them."""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.learning", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="sets that each classifier learns from")
    parser.add_argument("--quick", action="store_true", help="leave out the million rows, and docs/tables.md as it is")
    options = parser.parse_args()
    table = Table()
    table.head()
    of_calibration(table, range(options.seeds))
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as folder:
        of_bundles(table, Path(folder))
    of_training(table, FEW, seconds=10)
    if not options.quick:
        of_training(table, MANY, seconds=300, mib=1536)
        page.put(ROOT / "docs" / "tables.md", "learning", table.markdown())
    sys.exit(table.missed)


def task_of(contract: Contract, made: Made, kind: type[TabularEstimator] = AutoEstimator) -> Task:
    """Return a task of a contract whose target is a number, or else a class."""
    problem: Literal["regression", "classification"]
    problem = "regression" if contract.target.type == "number" else "classification"
    return Task(
        name=contract.task,
        contract=contract,
        kind=problem,
        estimator=lambda: kind.for_task(contract, problem),
        bootstrap=lambda: made(1, FEW),
        gates=GateSettings(min_rows=100),
    )


def dear(seed: int, rows: int) -> pd.DataFrame:
    """Return rows of twelve columns, of which is asked whether they cost more than most."""
    frame = twelve(seed, rows)
    return frame.assign(cost=frame["cost"] > 66)


def price(seed: int, rows: int) -> pd.DataFrame:
    """Return rows of twelve columns that are of one of three classes."""
    frame = twelve(seed, rows)
    names = np.array(["low", "middle", "high"], dtype=object)
    return frame.assign(cost=names[np.searchsorted([62.0, 68.0], frame["cost"])])


def of_calibration(table: Table, seeds: Sequence[int]) -> None:
    """Tell how far probabilities of classifiers are from shares, on rows that they have not learned from."""
    yes = TWELVE.model_copy(update={"task": "dear", "target": Column(name="cost", type="boolean")})
    of_three = Column(name="cost", type="string", categories=("high", "low", "middle"))
    three = TWELVE.model_copy(update={"task": "price", "target": of_three})
    cases: list[tuple[Task, Made]] = [
        (heart_disease.TASK, heart_disease.generate),
        (task_of(yes, dear), dear),
        (task_of(three, price), price),
    ]
    for task, made in cases:
        for kind in KINDS:
            errors = [expected_error(task, made, kind, seed) for seed in seeds]
            what = f"{task.name}, {kind.format}, {FEW_OF_A_CLASSIFIER} rows: calibration error"
            table.row(what, errors, most=0.05)


def expected_error(task: Task, made: Made, kind: type[TabularEstimator], seed: int) -> float:
    """Return the expected calibration error of what is answered: of the second of two classes, or of the likeliest."""
    own, unseen = made(seed, FEW_OF_A_CLASSIFIER), made(HELD_OUT_SEED, HELD_OUT)
    estimator = kind.for_task(task.contract, "classification").fit(task.columns_of(own), task.target_of(own))
    probabilities = estimator.probabilities(task.columns_of(unseen))
    actual = task.target_of(unseen)
    if len(estimator.classes) == 2:
        return calibration_error(probabilities[:, 1], (actual == estimator.classes[1]).astype(np.float64))
    likeliest = probabilities.argmax(axis=1)
    right = np.array(estimator.classes, dtype=object)[likeliest] == actual
    return calibration_error(probabilities.max(axis=1), right.astype(np.float64))


def of_bundles(table: Table, folder: Path) -> None:
    """Tell how long bundles take to load, how large they are, and how exactly reasons add up."""
    for kind in (AdditiveEstimator, BoostedEstimator):
        where = folder / kind.format
        Case(task_of(TWELVE, twelve, kind), twelve(1, FEW), _nothing).write_bundle(where)
        seconds = [_seconds(lambda where=where: Bundle.load(where)) for _ in range(LOADS)]  # type: ignore[misc]
        what = f"{kind.format}: bundle loads, median of {LOADS}, CPU ms"
        table.row(what, [1000 * statistics.median(seconds)], most=100)
        size = sum(path.stat().st_size for path in where.rglob("*") if path.is_file())
        table.row(f"{kind.format}: bundle, MB", [size / MEGABYTE], most=5)
        bundle = Bundle.load(where)
        exact = 1e-9 if kind is AdditiveEstimator else 1e-6
        table.row(f"{kind.format}: reasons of {EXPLAINED:,} rows off by at most", [_off(bundle)], most=exact)


def _off(bundle: Bundle) -> float:
    columns = task_of(TWELVE, twelve).columns_of(twelve(3, EXPLAINED))
    sums = np.array([one.start + sum(one.added) for one in bundle.reasons(columns, bundle.predict(columns))])
    return float(np.abs(sums - bundle.predict(columns)).max())


class Trained(NamedTuple):
    """What it takes to train, in a process of its own."""

    seconds: float
    mib: float
    kind: str


def of_training(table: Table, rows: int, *, seconds: float, mib: float | None = None) -> None:
    """Tell how long training takes, and how much memory a process has that holds the rows and trains."""
    for kind in KINDS:
        with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            found = pool.apply(trained, (kind.format, rows))
        what = f"{kind.format} ({found.kind}), {rows:,} rows of 12 columns"
        table.row(f"{what}: s", [found.seconds], most=seconds)
        if mib is not None:
            table.row(f"{what}: peak memory, MiB", [found.mib], most=mib)


def trained(name: str, rows: int) -> Trained:
    """Train an estimator on so many rows."""
    kind = next(one for one in KINDS if one.format == name)
    columns, target = _rows(rows)
    began = time.perf_counter()
    estimator = kind.for_task(TWELVE, "regression").fit(columns, target)
    seconds = time.perf_counter() - began
    return Trained(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, estimator.fitted.kind)


def _rows(rows: int) -> tuple[dict[str, Any], NDArray[Any]]:
    task, frame = task_of(TWELVE, twelve), twelve(1, rows)
    return task.columns_of(frame), task.target_of(frame)


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _nothing(_rows: int) -> dict[str, list[Any]]:
    return {}


if __name__ == "__main__":
    main()
