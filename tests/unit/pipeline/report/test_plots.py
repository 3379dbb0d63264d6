from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from regraft_core.profile import Comparison
from regraft_core.verdict import Verdict
from regraft_pipeline.report.plots import MOST_COLUMNS, HeldOut, Pair, Shape, Training, draw, pairs, shapes
from regraft_pipeline.tasks import Task, load_task

COMPARED = Comparison(
    column="Times",
    what="target",
    labels=["0", "1", "other"],
    shares=[0.8, 0.2, 0.0],
    reference=[0.5, 0.5, 0.0],
    psi=0.4,
    p=1e-9,
)
VERDICT = Verdict(
    task="passwords",
    accepted=True,
    comparisons=[COMPARED],
)


@pytest.fixture
def passwords() -> Task:
    return load_task("passwords")


def drawn(
    folder: Path, task: Task, held_out: HeldOut, verdict: Verdict = VERDICT, training: Training | None = None
) -> dict[str, str]:
    """Return the words of each plot by its name; every plot is a well-formed SVG."""
    draw(
        folder / "plots",
        target=task.contract.target,
        is_classifier=task.kind == "classification",
        verdict=verdict,
        held_out=held_out,
        training=training or Training(),
    )
    return {
        path.stem: " ".join(ET.fromstring(path.read_text()).itertext()) for path in sorted((folder / "plots").iterdir())
    }


def test_few_levels_are_counted_and_named(tmp_path: Path, passwords: Task) -> None:
    target = np.repeat([0.0, 1.0], 50)
    plots = drawn(tmp_path, passwords, HeldOut(target, np.where(np.arange(100) < 3, 1.0, target)))
    assert list(plots) == ["predicted-against-actual", "residuals", "target-distribution"]
    assert "47" in plots["predicted-against-actual"]
    assert "+1" in plots["residuals"]
    assert "3.0%" in plots["residuals"]
    assert "mean 0.03" in plots["residuals"]
    assert "80.0%" in plots["target-distribution"]


def test_a_heavy_tail_has_logarithmic_axes(tmp_path: Path, passwords: Task) -> None:
    rng = np.random.default_rng(1)
    target = np.exp(rng.exponential(1.5, 3000))
    plots = drawn(tmp_path, passwords, HeldOut(target, target * rng.lognormal(0, 0.3, 3000)))
    assert "1,000 of 3,000 rows" in plots["predicted-against-actual"]
    assert "10 100 1,000" in plots["predicted-against-actual"].replace("  ", " ")
    assert "log(1 + predicted)" in plots["residuals"]
    assert "rows [%]" in plots["residuals"]


def test_probabilities_are_held_against_what_came(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    probability = rng.random(4000)
    target = (rng.random(4000) < probability).astype(float)
    held_out = HeldOut(target, (probability > 0.5).astype(float), probability)
    plots = drawn(tmp_path, load_task("heart-disease"), held_out, Verdict(task="heart-disease", accepted=True))
    assert list(plots) == ["predicted-against-actual", "reliability"]
    assert "expected calibration error 0.0" in plots["reliability"]
    assert "share of rows with condition 1" in plots["reliability"]


def test_what_the_estimator_tells_of_its_training_is_drawn(tmp_path: Path, passwords: Task) -> None:
    training = Training.model_validate(
        {
            "learning_curve": [
                {"rows": 1000, "rmsle": 0.5},
                {"rows": 100_000, "rmsle": 0.4},
                {"rows": 4_000_000, "rmsle": 0.3},
            ],
            "top_ngrams": {"0": [{"ngram": "^<b", "weight": 2.5}, {"ngram": "a \t", "weight": 0.5}], "1": []},
            "importance": [{"column": "ca", "added": 1.234}, {"column": "age", "added": 0.1}],
        }
    )
    plots = drawn(tmp_path, passwords, HeldOut(np.array([0.0, 1.0]), np.array([0.0, 1.0])), training=training)
    assert {"0.500", "0.300"} <= set(plots["learning-curve"].split())
    assert "rows learned from" in plots["learning-curve"]
    for word in ("Times 0", "^<b", "2.50", r"a␣\t"):
        assert word in plots["top-ngrams"]
    assert "Times 1" not in plots["top-ngrams"]
    assert "ca 1.23 age 0.1" in plots["importance"]


def test_the_shape_of_each_column_is_drawn(tmp_path: Path, passwords: Task) -> None:
    training = Training.model_validate(
        {
            "scale": "log odds of rain",
            "shapes": [
                {"column": "wind", "unit": "m/s", "values": [0.0, 1.5, 9.0, None], "added": [-1.5, 0.25, 3.0, 0.125]},
                {"column": "sky", "values": ["grey", "blue", None], "added": [0.5, -0.75, 0.0]},
                {"column": "moon", "values": [None], "added": [0.0]},
            ],
            "pairs": [
                {
                    "columns": ["wind", "sky"],
                    "values": [[0.5, None], ["grey", "blue"]],
                    "added": [[-0.375, None], [0.75, 0.0]],
                }
            ],
        }
    )
    found = drawn(tmp_path, passwords, HeldOut(np.array([0.0, 1.0]), np.array([0.0, 1.0])), training=training)["shapes"]
    for told in ("on the scale: log odds of rain", "wind, without a value +0.125", "m/s", "grey", "-0.75", "no value"):
        assert told in found
    assert "from -1.5 to +3" in found
    assert "wind with sky" in found
    assert "-0.38" in found
    assert "+0.75" in found


def test_numbers_of_a_pair_are_told_apart() -> None:
    pair = Pair(
        columns=("year", "area"),
        values=([2019.2, 2020.4, None], [1203.0, 1250.0, 15340.0]),
        added=[[1.0, 2.0, 3.0]] * 3,
    )
    ((title, chart),) = pairs([pair])
    assert title == "year with area"
    for told in ("2019", "2020", "gap", "1200", "1250", "15300"):
        assert f">{told}</text>" in "".join(chart.marks)


def test_of_several_classes_each_is_drawn_for_as_many_columns_as_of_two() -> None:
    found = [
        Shape(column=f"column {place}", answer=answer, values=[0.0, 1.0], added=[0.0, 1.0])
        for place in range(MOST_COLUMNS + 1)
        for answer in ("red", "blue")
    ]
    titles = [title for title, _ in shapes(found)]
    assert len(titles) == 2 * MOST_COLUMNS
    assert titles[:3] == ["column 0 for red", "column 0 for blue", "column 1 for red"]


def test_what_the_gates_left_is_read(tmp_path: Path) -> None:
    path = tmp_path / "held-out.parquet"
    pd.DataFrame({"target": [1, 0], "predicted": [1, 1], "probability": [0.9, 0.6]}).to_parquet(path, index=False)
    found = HeldOut.read(path)
    assert found.target.tolist() == [1, 0]
    assert found.probability is not None
    assert found.probability.tolist() == [0.9, 0.6]
