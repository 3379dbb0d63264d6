"""What is asked in the benches of serving: the two tasks that ship, and a generated table of twelve columns.

Each bundle is made as the steps make it: all gates, the task's estimator, a profile whose bins requests are counted in.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regraft_core.contract import Column, Contract
from regraft_inference.bundle import version_json
from regraft_inference.columns import json_values
from regraft_inference.estimators.tabular import AutoEstimator, BoostedEstimator
from regraft_pipeline import gates
from regraft_pipeline.steps.train import fitted, write
from regraft_pipeline.tasks import GateSettings, Task, heart_disease, load_task
from tests.bench.material import passwords, training_rows

SEED = 1
ROWS = 1000
BOOSTED = "twelve-columns-boosted"
"""Name of the task that asks for trees, where ``auto`` takes the additive model."""

TWELVE = Contract(
    task="twelve-columns",
    features=(
        *(Column(name=f"size_{place}", type="number") for place in range(6)),
        Column(name="count", type="integer", minimum=0),
        Column(name="gap", type="number", nullable=True),
        Column(name="plan", type="string", categories=("basic", "family", "firm", "none")),
        Column(name="region", type="string", categories=("east", "north", "south", "west")),
        Column(name="open", type="string"),
        Column(name="paid", type="boolean"),
    ),
    target=Column(name="cost", type="number"),
)


@dataclass(frozen=True)
class Case:
    """A task, the rows that it learns from, and rows that it is asked for: ``asked(rows)`` by the columns' names."""

    task: Task
    training: pd.DataFrame
    asked: Callable[[int], dict[str, list[Any]]]

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.task.name

    def csv(self) -> bytes:
        """Return the training rows as the CSV that somebody would have posted."""
        return self.training.to_csv(index=False, lineterminator="\n").encode()

    def records(self, rows: int) -> list[list[Any]]:
        """Return rows to predict, each in the contract's order."""
        return [list(row) for row in zip(*self.asked(rows).values(), strict=True)]

    def write_bundle(self, folder: Path) -> None:
        """Train, and write the bundle."""
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            Path(file.name).write_bytes(self.csv())
            judged = gates.judge(Path(file.name), self.task, reference=None, incumbent=None)
            if judged.data is None or not judged.verdict.accepted:
                raise SystemExit(f"{self.name}: {judged.verdict.summary()}")
            estimator = fitted(self.task, judged.data, judged.profile)
            write(folder, self.task, judged.data, estimator, judged.verdict, data_sha256="0" * 64, run_id="bench")
        (folder / "version.json").write_text(version_json("1"))


def twelve(seed: int, rows: int) -> pd.DataFrame:
    """Return made-up rows of twelve columns of all kinds; each adds to the cost by itself, and there is noise."""
    rng = np.random.default_rng(seed)
    sizes = np.round(rng.normal(size=(6, rows)), 3)
    count, gap = rng.poisson(4, rows), np.round(rng.uniform(0, 10, rows), 2)
    plan, region, place = rng.integers(0, 4, rows), rng.integers(0, 4, rows), rng.integers(0, 20, rows)
    paid = rng.random(rows) < 0.4
    cost = 50 + 3 * sizes[0] + 2 * np.sin(2 * sizes[1]) + sizes[2] ** 2 - 2 * sizes[3] + 1.5 * (sizes[4] > 0)
    cost += np.sqrt(count) + 0.4 * gap + np.array([0, 2, 5, 1])[plan] + region + 0.2 * place + 2 * paid
    return pd.DataFrame(
        {
            **{f"size_{place}": values for place, values in enumerate(sizes)},
            "count": count,
            "gap": np.where(rng.random(rows) < 0.1, np.nan, gap),
            "plan": np.array(["basic", "family", "firm", "none"])[plan],
            "region": np.array(["east", "north", "south", "west"])[region],
            "open": [f"place {number}" for number in place],
            "paid": paid,
            "cost": np.round(cost + rng.normal(size=rows), 2),
        }
    )


def all_cases() -> list[Case]:
    """Return the cases."""
    shape = Task(
        name="twelve-columns",
        contract=TWELVE,
        kind="regression",
        estimator=lambda: AutoEstimator.for_task(TWELVE, "regression"),
        bootstrap=lambda: twelve(SEED, ROWS),
        gates=GateSettings(min_rows=100),
    )
    boosted = replace(
        shape,
        name=BOOSTED,
        contract=TWELVE.model_copy(update={"task": BOOSTED}),
        estimator=lambda: BoostedEstimator.for_task(boosted.contract, "regression"),
    )
    words, times = training_rows()
    return [
        Case(load_task("passwords"), pd.DataFrame({"Password": words, "Times": times}), _passwords),
        Case(heart_disease.TASK, heart_disease.generate(SEED, ROWS), _of(heart_disease.TASK, heart_disease.generate)),
        Case(shape, shape.bootstrap(), _of(shape, twelve)),
        Case(boosted, boosted.bootstrap(), _of(boosted, twelve)),
    ]


def _passwords(rows: int) -> dict[str, list[Any]]:
    return {"Password": passwords(rows)}


def _of(task: Task, generate: Callable[[int, int], pd.DataFrame]) -> Callable[[int], dict[str, list[Any]]]:
    def asked(rows: int) -> dict[str, list[Any]]:
        columns = task.columns_of(generate(SEED + 1, rows))
        return {column.name: json_values(column, columns[column.name]) for column in task.contract.features}

    return asked
