"""Heart disease: the columns of the Cleveland study, drawn for each of two classes."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from .making import ROWS, Sample, dataset, to_csv

HEART_FEATURES = (
    "age",
    "sex",
    "cp",
    "trestbps",
    "chol",
    "fbs",
    "restecg",
    "thalach",
    "exang",
    "oldpeak",
    "slope",
    "ca",
    "thal",
)
HEART_HEADER = (*HEART_FEATURES, "condition")

Patient = dict[str, float]


def _between(rng: random.Random, low: float, high: float, mean: float, deviation: float) -> float:
    return min(max(rng.gauss(mean, deviation), low), high)


def _patient(rng: random.Random, *, ill: bool) -> Patient:
    """Draw a patient; how the ill differ from the healthy follows the published frequencies of the study."""
    return {
        "age": round(_between(rng, 29, 77, 57 if ill else 52, 8)),
        "sex": int(rng.random() < (0.82 if ill else 0.56)),
        "cp": rng.choices(range(4), (5, 7, 13, 75) if ill else (10, 25, 42, 23))[0],
        "trestbps": round(_between(rng, 94, 200, 135 if ill else 129, 17)),
        "chol": round(_between(rng, 126, 420, 252 if ill else 243, 50)),
        "fbs": int(rng.random() < 0.15),
        "restecg": rng.choices(range(3), (40, 2, 58) if ill else (58, 1, 41))[0],
        "thalach": round(_between(rng, 71, 202, 139 if ill else 159, 21)),
        "exang": int(rng.random() < (0.55 if ill else 0.14)),
        "oldpeak": round(_between(rng, 0, 6.2, 1.6 if ill else 0.4, 1.1), 1),
        "slope": rng.choices(range(3), (26, 65, 9) if ill else (65, 29, 6))[0],
        "ca": rng.choices(range(4), (33, 32, 22, 13) if ill else (81, 13, 4, 2))[0],
        "thal": rng.choices(range(3), (27, 9, 64) if ill else (79, 4, 17))[0],
        "condition": int(ill),
    }


def drawn(seed: int, *, count: int = ROWS, ill_share: float = 0.46) -> list[Patient]:
    rng = random.Random(f"heart {seed} {ill_share}")
    ill = math.floor(count * ill_share)
    patients = [_patient(rng, ill=number < ill) for number in range(count)]
    rng.shuffle(patients)
    return patients


def _heart(patients: Sequence[Patient]) -> bytes:
    return to_csv(HEART_HEADER, [[str(patient[name]) for name in HEART_HEADER] for patient in patients])


@dataset
def heart_good(seed: int) -> bytes:
    """1000 patients, 460 of them ill."""
    return _heart(drawn(seed))


@dataset
def heart_age_in_months(seed: int) -> bytes:
    """The good patients with their ages in months."""
    return _heart([patient | {"age": 12 * patient["age"]} for patient in drawn(seed)])


@dataset
def heart_rare_class(seed: int) -> bytes:
    """1000 patients, 50 of them ill."""
    return _heart(drawn(seed, ill_share=0.05))


@dataset
def heart_columns_swapped(seed: int) -> bytes:
    """The good patients with the values of two columns swapped, the header as it was."""
    return _heart([patient | {"age": patient["chol"], "chol": patient["age"]} for patient in drawn(seed)])


@dataset
def heart_shuffled_labels(seed: int) -> bytes:
    """The good patients with their conditions in random order."""
    patients = drawn(seed)
    conditions = [patient["condition"] for patient in patients]
    random.Random(seed).shuffle(conditions)
    return _heart([patient | {"condition": condition} for patient, condition in zip(patients, conditions, strict=True)])


def sample_of(patients: Sequence[Patient]) -> Sample:
    columns = {name: [patient[name] for patient in patients] for name in HEART_FEATURES}
    return Sample(columns, [patient["condition"] for patient in patients])
