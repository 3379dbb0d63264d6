"""The task ``heart-disease``: whether a patient has a narrowed coronary artery, from thirteen clinical values.

Its file is in ``shipped``; this makes its reference, and more of the kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from regraft_pipeline.tasks.files import shipped

BOOTSTRAP_SEED = 2
BOOTSTRAP_ROWS = 600


def generate(seed: int, rows: int = BOOTSTRAP_ROWS) -> pd.DataFrame:
    """Return made-up patients; marginal distributions resemble the Cleveland data.

    ``condition`` is drawn from the logistic model of ``risk``.
    """
    return _draw(seed, rows)[0]


def auc_limit(seed: int, rows: int) -> float:
    """Return the ROC AUC of the true risk on generated rows: no model can be better but by chance."""
    frame, probability = _draw(seed, rows)
    return float(roc_auc_score(frame["condition"], probability))


def risk(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return the probability of the condition that the generator uses, shape (rows,).

    A logistic model: the logit is linear in age, blood pressure, cholesterol, heart rate and ST depression, with a
    step for each code. The signs and sizes are those that logistic regressions of the Cleveland data report.
    """
    logit = (
        -6.35
        + 0.02 * (frame["age"] - 54)
        + 1.5 * frame["sex"]
        + np.array([0.0, 0.6, 0.4, 2.6])[frame["cp"]]
        + 0.025 * (frame["trestbps"] - 131)
        + 0.006 * (frame["chol"] - 247)
        - 0.4 * frame["fbs"]
        + np.array([0.0, 0.6, 0.5])[frame["restecg"]]
        - 0.03 * (frame["thalach"] - 150)
        + 1.0 * frame["exang"]
        + 0.55 * frame["oldpeak"]
        + np.array([0.0, 1.2, 0.8])[frame["slope"]]
        + np.array([0.0, 2.3, 3.0, 3.2])[frame["ca"]]
        + np.array([0.0, 0.6, 2.0])[frame["thal"]]
    )
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)


def _draw(seed: int, rows: int) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)

    def normal(mean: Any, deviation: float, low: float, high: float) -> NDArray[np.float64]:
        return np.clip(np.round(rng.normal(mean, deviation, rows)), low, high)

    def codes(*shares: float) -> NDArray[np.int64]:
        return rng.choice(len(shares), rows, p=shares)

    age = normal(54.4, 9.0, 29, 77)
    frame = pd.DataFrame(
        {
            "age": age,
            "sex": codes(0.32, 0.68),
            "cp": codes(0.08, 0.17, 0.28, 0.47),
            "trestbps": normal(131 + 0.5 * (age - 54), 16.5, 94, 200),
            "chol": normal(247 + 1.1 * (age - 54), 48, 126, 564),
            "fbs": codes(0.85, 0.15),
            "restecg": codes(0.49, 0.02, 0.49),
            "thalach": normal(150 - 0.9 * (age - 54), 21, 71, 202),
            "exang": codes(0.67, 0.33),
            "oldpeak": np.round(np.clip(rng.exponential(1.5, rows) - 0.5, 0, 6.2), 1),
            "slope": codes(0.47, 0.46, 0.07),
            "ca": codes(0.585, 0.22, 0.13, 0.065),
            "thal": codes(0.55, 0.06, 0.39),
        }
    )
    probability = risk(frame)
    frame["condition"] = (rng.random(rows) < probability).astype(np.int64)
    return frame, probability


def bootstrap() -> pd.DataFrame:
    """Return the first dataset and reference."""
    return generate(BOOTSTRAP_SEED)


TASK = shipped("heart-disease", bootstrap)
CONTRACT = TASK.contract
