"""Small real bundles for the tests of whatever serves them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.tree import DecisionTreeClassifier

from regraft_core.contract import Column, Contract
from regraft_core.profile import Profile
from regraft_inference.bundle import BundleInfo, version_json, write_bundle
from regraft_inference.estimators import Columns, Estimator
from regraft_inference.estimators.sklearn import SklearnEstimator
from regraft_inference.estimators.tabular import AdditiveEstimator, TabularEstimator

PASSWORDS = Contract(
    task="passwords",
    features=(Column(name="Password", type="string", max_length=64),),
    target=Column(name="Times", type="number", minimum=0),
    max_request_rows=5000,
)

HEART = Contract(
    task="heart-disease",
    features=(
        Column(name="age", type="integer", unit="years", minimum=1, maximum=120),
        Column(name="sex", type="integer", categories=(0, 1)),
        Column(name="oldpeak", type="number", minimum=0, maximum=10),
    ),
    target=Column(name="condition", type="integer", categories=(0, 1)),
)

HEART_ROWS: dict[str, list[float]] = {
    "age": [40, 60, 50, 70],
    "sex": [0, 1, 1, 0],
    "oldpeak": [0.5, 2.5, 1.0, 4.0],
}
HEART_ANSWERS = [0, 1, 0, 1]


def write_passwords_bundle(
    folder: Path, *, answer: float = 1.0, version: str = "1", task: str = PASSWORDS.task
) -> Path:
    """Write a bundle that answers every password with the same number."""
    model = DummyRegressor(strategy="constant", constant=answer)
    estimator = SklearnEstimator(model, features=["Password"], integer=False)
    golden = {"Password": [f"password-{row}" for row in range(20)]}
    estimator.fit(golden, np.full(20, answer))
    return _write(folder, PASSWORDS.model_copy(update={"task": task}), estimator, golden, version)


def write_heart_bundle(folder: Path, *, version: str = "1", profile: Profile | None = None, **info: Any) -> Path:
    """Write a bundle that tells an oldpeak above 1.75 from one below."""
    estimator = SklearnEstimator(DecisionTreeClassifier(random_state=0), features=HEART.feature_names, integer=True)
    golden = {
        "age": np.array(HEART_ROWS["age"], dtype=np.int64),
        "sex": np.array(HEART_ROWS["sex"], dtype=np.int64),
        "oldpeak": np.array(HEART_ROWS["oldpeak"]),
    }
    estimator.fit(golden, np.array(HEART_ANSWERS))
    return _write(folder, HEART, estimator, golden, version, profile, **info)


def write_reasoning_bundle(
    folder: Path, *, version: str = "1", kind: type[TabularEstimator] = AdditiveEstimator
) -> Path:
    """Write a bundle of a model that gives reasons."""
    rng = np.random.default_rng(0)
    columns = {
        "age": rng.integers(30, 80, 80),
        "sex": rng.integers(0, 2, 80),
        "oldpeak": np.round(rng.uniform(0, 5, 80), 1),
    }
    target = (columns["oldpeak"] + columns["sex"] + rng.normal(size=80) > 3).astype(np.int64)
    estimator = kind(HEART, "classification").fit(columns, target)
    return _write(folder, HEART, estimator, {name: values[:20] for name, values in columns.items()}, version)


def sha256_of(version: str) -> str:
    """Return what a test bundle of this version calls the SHA-256 of its dataset."""
    return version.rjust(64, "0")


def _write(
    folder: Path,
    contract: Contract,
    estimator: Estimator,
    golden: Columns,
    version: str,
    profile: Profile | None = None,
    **more: Any,
) -> Path:
    info = BundleInfo(
        task=contract.task,
        run_id=f"run-{version}",
        data_sha256=sha256_of(version),
        estimator=estimator.format,
        created_at=datetime(2024, 2, 29, tzinfo=UTC),
        **more,
    )
    write_bundle(folder, contract=contract, estimator=estimator, info=info, golden=golden, profile=profile)
    (folder / "version.json").write_text(version_json(version))
    return folder
