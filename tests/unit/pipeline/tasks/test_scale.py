"""Whether numbers are learned by their logarithms is decided once, by the reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft_core.definition import read_definition
from regraft_core.profile import Scale
from regraft_inference.estimators.tabular import TabularEstimator
from regraft_inference.estimators.targets import has_heavy_tail
from regraft_pipeline.gates import judge
from regraft_pipeline.steps.train import fitted
from regraft_pipeline.tasks import Task, passwords
from regraft_pipeline.tasks.files import task_of

FILE = """
apiVersion: regraft.dev/v1
kind: Task
name: claims
target: paid
problem: regression
columns:
  - {name: size, type: number}
  - {name: paid, type: number, minimum: 0}
estimator: additive
gates: {min_rows: 50, one_target_per_input: false, drift_psi: 9}
reference: reference.csv
"""


def claims(*, most: float, seed: int) -> pd.DataFrame:
    """Return 300 claims, most of which are not paid, the others up to so much."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=300).round(4)
    paid = np.where(size > 0.3, (most * rng.random(300)).round(3), 0.0)
    return pd.DataFrame({"size": size, "paid": paid})


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("claims")
    claims(most=9.6, seed=1).to_csv(folder / "reference.csv", index=False)
    return task_of(read_definition(FILE, str(folder / "task.yaml")), folder)


def link_of(estimator: object) -> str:
    assert isinstance(estimator, TabularEstimator)
    return estimator.fitted.link


@pytest.mark.parametrize(("scale", "link"), [("log", "log1p"), ("squares", "identity"), ("linear", "identity")])
@pytest.mark.parametrize("most", [8.0, 12.0])
def test_an_estimator_learns_on_the_scale_that_it_is_given(task: Task, scale: Scale, link: str, most: float) -> None:
    frame = claims(most=most, seed=2)
    assert link_of(task.estimator_on(scale).fit(task.columns_of(frame), task.target_of(frame))) == link


@pytest.mark.parametrize("most", [8.0, 12.0])
def test_without_a_scale_the_target_decides(task: Task, most: float) -> None:
    frame = claims(most=most, seed=2)
    target = task.target_of(frame)
    link = "log1p" if has_heavy_tail(target) else "identity"
    assert link_of(task.estimator_on(None).fit(task.columns_of(frame), target)) == link


def test_an_estimator_that_has_no_choice_is_as_it_is() -> None:
    assert type(passwords.TASK.estimator_on("log")) is type(passwords.TASK.estimator())


def test_all_later_datasets_are_measured_and_learned_as_the_reference_was(task: Task, tmp_path: Path) -> None:
    light, heavy = tmp_path / "light.csv", tmp_path / "heavy.csv"
    claims(most=8.0, seed=3).to_csv(light, index=False)
    claims(most=12.0, seed=4).to_csv(heavy, index=False)
    known = {path: judge(path, task, reference=None, incumbent=None).profile for path in (light, heavy)}
    assert [profile and profile.scale for profile in known.values()] == ["squares", "log"]
    for path, other in ((light, heavy), (heavy, light)):
        reference = known[other]
        found = judge(path, task, reference=reference, incumbent=None)
        assert found.verdict.accepted, found.verdict.reasons
        assert reference is not None
        assert found.profile is not None
        assert found.data is not None
        assert found.profile.scale == reference.scale
        assert found.profile.skill == pytest.approx(reference.skill, abs=0.25)
        assert link_of(fitted(task, found.data, found.profile)) == ("log1p" if reference.scale == "log" else "identity")
