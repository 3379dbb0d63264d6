"""How good and how well calibrated the heart disease estimator is: ``python -m tests.bench.heart``.

Trained on generated patients, asked about 20,000 others; the generator knows the true risk, so that the best possible
ranking is known. Everything is seeded. What the gates refuse of bad sets is in the power study, ``tests.bench.gates``.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from regraft_inference.estimators.tabular import AutoEstimator
from regraft_pipeline.tasks.heart_disease import BOOTSTRAP_ROWS, TASK, auc_limit, generate
from tests.bench.families import Floats

SEEDS = 10
UNSEEN_ROWS = 20_000
UNSEEN_SEED = 4_000_000
BINS = 10


def main() -> None:
    """Measure, and print a table."""
    limit = auc_limit(UNSEEN_SEED, UNSEEN_ROWS)
    print(f"Heart disease, {SEEDS} seeds, {UNSEEN_ROWS:,} unseen patients; the best possible ROC AUC is {limit:.4f}\n")
    print(f"{'trained on':>12}{'ROC AUC, least':>22}{'below the limit, most':>27}{'calibration error, most':>27}")
    for rows in (BOOTSTRAP_ROWS, 1000, 5000, 20_000):
        areas, errors = np.array([measured(seed, rows) for seed in range(SEEDS)]).T
        gaps = limit - areas
        print(
            f"{rows:>12,}{areas.mean():>14.4f} {areas.min():.4f} {gaps.mean():>19.4f} {gaps.max():.4f}"
            f"{errors.mean():>20.4f} {errors.max():.4f}",
            flush=True,
        )


def measured(seed: int, rows: int) -> tuple[float, float]:
    """Return ROC AUC and expected calibration error on unseen patients."""
    own, unseen = generate(seed, rows), generate(UNSEEN_SEED, UNSEEN_ROWS)
    estimator = TASK.estimator().fit(TASK.columns_of(own), TASK.target_of(own))
    if not isinstance(estimator, AutoEstimator):
        raise TypeError(f"{estimator} gives no probabilities")
    probability = estimator.probabilities(TASK.columns_of(unseen))[:, 1]
    actual = unseen["condition"].to_numpy(dtype=np.float64)
    return float(roc_auc_score(actual, probability)), calibration_error(probability, actual)


def calibration_error(probability: Floats, actual: Floats) -> float:
    """Return the expected calibration error: |mean probability - share of the condition|, weighed over ten bins."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return sum(abs(float((probability - actual)[bins == one].sum())) for one in range(BINS)) / len(actual)


if __name__ == "__main__":
    main()
