"""What the benches of serving have in common: the data, and a bundle that was trained on them."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regraft_inference.bundle import BundleInfo, version_json, write_bundle
from regraft_pipeline.tasks import load_task
from tests.checker import datasets

SEED = 1


def training_csv() -> bytes:
    """Return the dataset that every contender learns from: 1000 passwords of two classes."""
    return datasets.MAKERS["good"](SEED)


def training_rows() -> tuple[list[str], NDArray[np.float64]]:
    """Return its passwords and its target."""
    rows = list(csv.reader(io.StringIO(training_csv().decode())))[1:]
    return [password for password, _ in rows], np.array([float(times) for _, times in rows])


def passwords(count: int) -> list[str]:
    """Return passwords to predict, none of which is in the dataset."""
    return datasets.unseen("good", SEED, 2 * count).columns["Password"][:count]


def write_trained_bundle(folder: Path) -> None:
    """Train the estimator of the task ``passwords`` and write its bundle, as the steps do."""
    task = load_task("passwords")
    words, target = training_rows()
    estimator = task.estimator().fit({"Password": words}, target)
    info = BundleInfo(
        task=task.name,
        run_id="bench",
        data_sha256="0" * 64,
        estimator=estimator.format,
        created_at=datetime.now(UTC),
    )
    golden = {"Password": words[:20]}
    write_bundle(folder, contract=task.contract, estimator=estimator, info=info, golden=golden, profile=None)
    (folder / "version.json").write_text(version_json("1"))
