"""Skill in service is measured as the gates measure it, and its error is what other samples show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from regraft_core.fit.skill import Pair, Skill, skill_of
from regraft_core.profile import Scale
from regraft_pipeline.gates.evaluation import metrics_of

type Sample = tuple[Any, Any, Any]


def numbers(rng: np.random.Generator, rows: int) -> Sample:
    truth = rng.gamma(2.0, 10.0, rows)
    return truth, truth + rng.normal(0, 5, rows), None


def mostly_none(rng: np.random.Generator, rows: int) -> Sample:
    expected = rng.random(rows)
    return rng.poisson(expected), expected, None


def codes(rng: np.random.Generator, rows: int) -> Sample:
    chance = rng.random(rows)
    return (rng.random(rows) < chance).astype(int), (chance > 0.5).astype(int), chance


def ties(rng: np.random.Generator, rows: int) -> Sample:
    truth, answer, chance = codes(rng, rows)
    return truth, answer, chance.round(1)


def words(rng: np.random.Generator, rows: int) -> Sample:
    truth = rng.choice(["a", "b", "c"], rows, p=[0.6, 0.3, 0.1])
    return truth, np.where(rng.random(rows) < 0.7, truth, "a"), None


CASES: list[tuple[Any, Scale, Any]] = [
    (numbers, "linear", None),
    (numbers, "log", None),
    (mostly_none, "squares", None),
    (codes, "classes", (0, 1)),
    (ties, "classes", (0, 1)),
    (words, "classes", ("a", "b", "c")),
]


def pairs(truth: Any, answer: Any, chance: Any) -> list[Pair]:
    of_second = [None] * len(truth) if chance is None else chance.tolist()
    return [Pair(*each) for each in zip(truth.tolist(), answer.tolist(), of_second, strict=True)]


def measured(sample: Sample, scale: Scale, classes: Any) -> Skill:
    found = skill_of(pairs(*sample), scale, classes)
    assert found is not None
    return found


@pytest.mark.parametrize(("make", "scale", "classes"), CASES)
def test_the_skill_is_that_of_the_gates_and_its_error_that_of_other_samples(
    make: Any, scale: Scale, classes: Any
) -> None:
    rng = np.random.default_rng(7)
    samples = [make(rng, 300) for _ in range(200)]
    found = [measured(sample, scale, classes) for sample in samples]
    for sample, one in zip(samples[:20], found, strict=False):
        truth, answer, chance = sample
        both = None if chance is None else np.stack([1 - chance, chance], axis=1)
        assert one.skill == pytest.approx(metrics_of(truth, answer, scale, both, (0, 1))["skill"], abs=1e-5)
    spread = np.std([one.skill for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.25)


def test_rows_that_cannot_tell_have_no_skill() -> None:
    assert skill_of([], "linear", None) is None
    assert skill_of([Pair(1.0, 2.0)] * 50, "linear", None) is None  # the constant is always right
    assert skill_of([Pair(1, 1)] * 50, "classes", (0, 1)) is None  # one class alone
    nine = [Pair(1, 1, 0.9)] * 9 + [Pair(0, 0, 0.1)] * 100
    assert skill_of(nine, "classes", (0, 1)) is None


def test_a_world_that_turned_round_has_the_skill_turned_round() -> None:
    rng = np.random.default_rng(7)
    truth, answer, chance = codes(rng, 500)
    right, turned = (measured((one, answer, chance), "classes", (0, 1)).skill for one in (truth, 1 - truth))
    assert turned == pytest.approx(-right)


def test_booleans_are_told_apart_as_codes_are() -> None:
    some = [Pair(bool(n % 2), bool(n % 2), 0.9 if n % 2 else 0.2) for n in range(100)]
    assert measured_skill(some) == 1.0


def measured_skill(some: list[Pair]) -> float:
    found = skill_of(some, "classes", (False, True))
    assert found is not None
    return found.skill
