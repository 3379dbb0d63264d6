"""A contract that changes while a version serves: told, not compared, and no reference is misread."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regraft_core.definition import TaskDefinition
from regraft_core.verdict import Verdict
from regraft_inference.bundle import Bundle
from regraft_pipeline import gates
from regraft_pipeline.gates import Profile
from regraft_pipeline.steps.train import fitted, write
from regraft_pipeline.tasks import Task
from regraft_pipeline.tasks.files import task_of

ROWS = 400


def frame(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    mass = rng.normal(4200, 800, ROWS).round(1)
    island = rng.choice(["Biscoe", "Dream"], ROWS)
    old = mass + rng.normal(0, 300, ROWS) > 4200
    return pd.DataFrame({"mass": mass, "island": island, "old": np.where(old, "yes", "no")})


def task(*columns: dict[str, Any], target: str = "old", **more: Any) -> Task:
    found = columns or (
        {"name": "mass", "type": "number"},
        {"name": "island", "type": "string", "categories": ["Biscoe", "Dream"]},
        {"name": "old", "type": "string", "categories": ["no", "yes"]},
    )
    content = {"apiVersion": "regraft.dev/v1", "kind": "Task", "name": "penguins", "target": target, "columns": found}
    gates_of = {"one_target_per_input": False}
    definition = TaskDefinition.model_validate({"estimator": "boosted", "gates": gates_of} | content | more)
    return task_of(definition, None)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Profile, Bundle]:
    home = tmp_path_factory.mktemp("served")
    frame(1).to_csv(home / "first.csv", index=False)
    found = gates.judge(home / "first.csv", task(), reference=None, incumbent=None)
    assert found.verdict.accepted
    assert found.data is not None
    assert found.profile is not None
    write(
        home / "bundle",
        task(),
        found.data,
        fitted(task(), found.data, found.profile),
        found.verdict,
        data_sha256="0" * 64,
    )
    return found.profile, Bundle.load(home / "bundle")


def told(rows: pd.DataFrame, of: Task, served: tuple[Profile, Bundle], folder: Path) -> Verdict:
    rows.to_csv(folder / "data.csv", index=False)
    return gates.judge(folder / "data.csv", of, reference=served[0], incumbent=served[1]).verdict


def changed(verdict: Verdict) -> list[str]:
    return [reason.message for reason in verdict.reasons if reason.code == "contract_changed"]


def unreferenced(verdict: Verdict) -> list[str | None]:
    return [reason.column for reason in verdict.reasons if reason.code == "reference_incomplete"]


def test_the_same_contract_changes_nothing_and_is_compared(served: tuple[Profile, Bundle], tmp_path: Path) -> None:
    verdict = told(frame(2), task(), served, tmp_path)
    assert verdict.accepted
    assert changed(verdict) == unreferenced(verdict) == []
    assert verdict.incumbent_metrics


def test_a_new_column_is_told_and_the_version_in_service_is_not_compared(
    served: tuple[Profile, Bundle], tmp_path: Path
) -> None:
    wider = task(
        {"name": "mass", "type": "number"},
        {"name": "island", "type": "string", "categories": ["Biscoe", "Dream"]},
        {"name": "age", "type": "integer"},
        {"name": "old", "type": "string", "categories": ["no", "yes"]},
    )
    rows = frame(2).assign(age=np.arange(ROWS) % 7)
    verdict = told(rows, wider, served, tmp_path)
    assert verdict.accepted  # the reference does not know the column, and has nothing against it
    assert unreferenced(verdict) == ["age"]
    assert any("age is new: requests without it are refused" in message for message in changed(verdict))
    assert any("not compared" in message for message in changed(verdict))
    assert verdict.incumbent_metrics == {}
    assert all(reason.severity == "warning" for reason in verdict.reasons)


def test_a_column_of_another_type_is_not_held_against_the_reference(
    served: tuple[Profile, Bundle], tmp_path: Path
) -> None:
    words = task(
        {"name": "mass", "type": "string", "categories": ["heavy", "light"]},
        {"name": "island", "type": "string", "categories": ["Biscoe", "Dream"]},
        {"name": "old", "type": "string", "categories": ["no", "yes"]},
    )
    rows = frame(2)
    rows["mass"] = np.where(rows["mass"] > 4200, "heavy", "light")
    verdict = told(rows, words, served, tmp_path)
    assert verdict.accepted
    assert [one.column for one in verdict.comparisons] == ["old", "island"]
    assert unreferenced(verdict) == ["mass"]
    assert any("mass is of type string, which was number" in message for message in changed(verdict))


def test_another_target_is_judged_for_itself(served: tuple[Profile, Bundle], tmp_path: Path) -> None:
    other = task(
        {"name": "mass", "type": "number"},
        {"name": "island", "type": "string", "categories": ["Biscoe", "Dream"]},
        {"name": "height", "type": "number"},
        target="height",
    )
    rows = frame(2).drop(columns="old")
    rows["height"] = (rows["mass"] / 60 + np.random.default_rng(3).normal(0, 2, ROWS)).round(2)
    verdict = told(rows, other, served, tmp_path)
    assert verdict.accepted
    assert any("answers are named 'height' instead of 'old'" in message for message in changed(verdict))
    assert all(one.what != "target" for one in verdict.comparisons)
    assert unreferenced(verdict) == ["height"]


def test_without_a_version_in_service_there_is_nobody_to_tell(served: tuple[Profile, Bundle], tmp_path: Path) -> None:
    frame(2).to_csv(tmp_path / "data.csv", index=False)
    stricter = replace(task(), contract=task().contract.model_copy(update={"max_request_rows": 5}))
    verdict = gates.judge(tmp_path / "data.csv", stricter, reference=served[0], incumbent=None).verdict
    assert changed(verdict) == []
