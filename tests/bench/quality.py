"""How well and how fast the password estimator learns: ``python -m tests.bench.quality [--quick]``.

Everything is seeded, so the shares and errors are the same on every machine; the times are not.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import timeit
from functools import partial
from pathlib import Path

import numpy as np

from regraft.inference.estimators.passwords import PasswordEstimator
from tests.bench.families import FamilyA, FamilyB, Floats, Sample, variants

ROWS = 1000
TRAINING_ROWS = 200_000
TEST_ROWS = 100_000


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer seeds and users")
    quick = parser.parse_args().quick
    print_levels(seeds=2 if quick else 10)
    print_speed()
    print_counts(users=1_000_000 if quick else 5_000_000)


def print_levels(seeds: int) -> None:
    """Print the share of passwords of family A that are answered within 0.05 of the truth."""
    print(f"Family A, {ROWS} rows, {seeds} seeds: share within 0.05, mean and least\n")
    print(f"{'':28}{'unseen':>15}{'decidable':>15}{'own':>15}")
    for name in variants(0):
        found = np.array([shares(variants(seed)[name]) for seed in range(seeds)])
        cells = [f"{mean:9.3f} {least:.3f}" for mean, least in zip(found.mean(axis=0), found.min(axis=0), strict=True)]
        print(f"{name:28}{''.join(cells)}", flush=True)


def shares(family: FamilyA) -> tuple[float, float, float]:
    """Return the shares of right answers: of unseen passwords, those of them that can be told, and its own."""
    own = family.sample(ROWS, 1)
    unseen = family.sample(ROWS, 2).without(own)
    estimator = PasswordEstimator().fit({"Password": own.words}, own.target)
    fresh = right(estimator, unseen)
    return float(fresh.mean()), float(fresh[unseen.decidable].mean()), float(right(estimator, own).mean())


def right(estimator: PasswordEstimator, sample: Sample) -> Floats:
    """Return 1 for each answer within 0.05 of the truth, else 0."""
    return (np.abs(estimator.predict({"Password": sample.words}) - sample.target) <= 0.05).astype(np.float64)


def print_speed() -> None:
    """Print how long predictions of a few levels take."""
    own = FamilyA(0).sample(ROWS, 1)
    estimator = PasswordEstimator().fit({"Password": own.words}, own.target)
    print("\nPredictions, best of 5")
    for rows in (1, 100, 10_000):
        columns = {"Password": (own.words * 10)[:rows]}
        repeats = max(1, 2000 // rows)
        timer = timeit.Timer(partial(estimator.predict, columns))
        seconds = min(timer.repeat(5, repeats)) / repeats
        print(f"{rows:7} rows {1000 * seconds:9.3f} ms {rows / seconds:12,.0f} rows/s")


def print_counts(users: int) -> None:
    """Print the error on family B, next to that of the best constant."""
    try:
        family = FamilyB(0)
    except ImportError:
        print("\nFamily B is left out: its word lists need the package zxcvbn")
        return
    words, target = family.sample(users)
    start = time.process_time()
    estimator = PasswordEstimator().fit({"Password": words[:TRAINING_ROWS]}, target[:TRAINING_ROWS])
    seconds = time.process_time() - start
    test = slice(TRAINING_ROWS, TRAINING_ROWS + TEST_ROWS)
    constant = np.full(len(target[test]), np.expm1(np.log1p(target[:TRAINING_ROWS]).mean()))
    with tempfile.TemporaryDirectory() as folder:
        estimator.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    print(f"\nFamily B, {users:,} users, {TRAINING_ROWS:,} rows to learn from, {len(target[test]):,} to test")
    print(f"RMSLE {rmsle(estimator.predict({'Password': words[test]}), target[test]):.4f}", end=", ")
    print(f"of a constant {rmsle(constant, target[test]):.4f}; fit {seconds:.1f} CPU s, model {size / 1e6:.1f} MB")


def rmsle(predicted: Floats, actual: Floats) -> float:
    """Return the root of the mean squared error of log1p."""
    return float(np.sqrt(np.mean((np.log1p(predicted) - np.log1p(actual)) ** 2)))


if __name__ == "__main__":
    main()
