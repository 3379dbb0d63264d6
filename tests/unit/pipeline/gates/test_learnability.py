"""Classes of few rows: the gates say so, and measure the others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regraft_core.definition import read_definition
from regraft_pipeline.gates import judge
from regraft_pipeline.gates.evaluation import evaluate
from regraft_pipeline.tasks import Task
from regraft_pipeline.tasks.files import task_of

FILE = """
apiVersion: regraft.dev/v1
kind: Task
name: sizes
target: kind
problem: classification
columns:
  - {name: size, type: number}
  - {name: kind, type: string, categories: [large, middle, odd, rare, small]}
estimator: boosted
gates: {min_rows: 50, one_target_per_input: false}
reference: reference.csv
"""


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("sizes")
    frame().to_csv(folder / "reference.csv", index=False)
    return task_of(read_definition(FILE, str(folder / "task.yaml")), folder)


def frame(*rare: str, usual: tuple[str, ...] = ("small", "middle", "large")) -> pd.DataFrame:
    size = np.random.default_rng(5).normal(size=200).round(4)
    kind = np.array(usual, dtype=object)[np.digitize(size, [-0.5, 0.5][: len(usual) - 1])]
    kind[: len(rare)] = rare
    return pd.DataFrame({"size": size, "kind": kind})


def test_the_only_row_of_a_class_is_not_scored_and_does_not_spoil_the_others(task: Task) -> None:
    plain, spoilt = evaluate(frame(), task), evaluate(frame("rare"), task)
    assert spoilt.classes == plain.classes == ("large", "middle", "small")
    assert (len(spoilt.target), spoilt.few) == (199, {"rare": 1})
    assert spoilt.skill == pytest.approx(plain.skill, abs=0.05)
    assert spoilt.frame is not None
    assert len(spoilt.frame) == 199
    assert evaluate(frame("rare", "rare"), task).classes == ("large", "middle", "rare", "small")


def test_two_classes_beside_a_lonely_row_are_ranked_against_each_other(task: Task) -> None:
    two = ("small", "large")
    plain, spoilt = evaluate(frame(usual=two), task), evaluate(frame("rare", "odd", usual=two), task)
    assert spoilt.classes == ("large", "small")
    assert spoilt.metrics["roc_auc"] == pytest.approx(plain.metrics["roc_auc"], abs=0.02)
    assert spoilt.probabilities is not None
    assert spoilt.probabilities.sum(axis=1) == pytest.approx(np.ones(198))


def test_where_no_two_classes_would_be_left_all_rows_are_scored(task: Task) -> None:
    alone = frame(usual=("small",))
    alone.loc[0, "kind"] = "rare"
    assert evaluate(alone, task).classes == ("rare", "small")


def test_the_verdict_says_which_classes_have_too_few_rows(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    frame("rare", "odd", "odd", "odd").to_csv(path, index=False)
    verdict = judge(path, task, reference=None, incumbent=None).verdict
    assert verdict.accepted
    (reason,) = verdict.reasons
    assert (reason.code, reason.severity, reason.column) == ("class_few_rows", "warning", "kind")
    assert reason.message.endswith(
        "how well they are predicted: 'odd' (3 rows), 'rare' (1 row: learned from, not scored)"
    )
    assert reason.remedy == "at least 6 rows of each class"
    frame().to_csv(path, index=False)
    assert judge(path, task, reference=None, incumbent=None).verdict.reasons == []


def test_of_many_rows_the_warning_speaks_of_those_that_are_looked_at(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    frame(*["rare"] * 8).to_csv(path, index=False)
    (known,) = judge(path, task, reference=None, incumbent=None).verdict.reasons
    assert known.code == "class_never_right"
    assert known.message.endswith(" right: 'rare' (0 of 8 rows)")
    part = replace(task, gates=task.gates.model_copy(update={"evaluation_rows": 100}))
    (reason,) = judge(path, part, reference=None, incumbent=None).verdict.reasons
    assert reason.code == "class_few_rows"
    assert reason.message.endswith(" rows), of the 100 rows that are looked at")
    assert reason.remedy == "at least 6 rows of each class, of the 100 rows that are looked at"


WEAK = """
apiVersion: regraft.dev/v1
kind: Task
name: coins
target: side
problem: classification
columns:
  - {name: size, type: number}
  - {name: side, type: string, categories: [heads, tails]}
estimator: boosted
gates: {min_rows: 50, one_target_per_input: false, min_skill: %s}
reference: reference.csv
"""


def coins(rows: int, lead: float, seed: int) -> pd.DataFrame:
    """Return coins of which those of a positive size show heads as often as 0.5 + ``lead``, the others as 0.5 - it."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=rows).round(4)
    heads = rng.random(rows) < 0.5 + lead * np.sign(size)
    return pd.DataFrame({"size": size, "side": np.where(heads, "heads", "tails")})


@pytest.mark.parametrize(
    ("least", "rows", "severity"),
    [
        (0.03, 400, "warning"),  # few rows of a relation as weak as that may well show none of it
        (0.03, 8000, "warning"),
        (0.09, 8000, "error"),  # so many would
        (0.1, 400, "error"),  # who asks for skill gets no less
    ],
)
def test_where_hardly_anything_can_be_learned_only_what_chance_does_not_explain_is_refused(
    tmp_path: Path, least: float, rows: int, severity: str
) -> None:
    coins(3000, 0.03, seed=1).to_csv(tmp_path / "reference.csv", index=False)
    task = task_of(read_definition(WEAK % least, str(tmp_path / "task.yaml")), tmp_path)
    path = tmp_path / "data.csv"
    coins(rows, 0.0, seed=4).to_csv(path, index=False)
    verdict = judge(path, task, reference=None, incumbent=None).verdict
    (reason,) = [one for one in verdict.reasons if one.code == "not_learnable"]
    assert (reason.severity, verdict.accepted) == (severity, severity == "warning")
