"""Real tables that scikit-learn ships: every column is taken for what it is."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_linnerud, load_wine

from regraft_pipeline.init import draft


def text(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(str).astype(object)


def iris() -> pd.DataFrame:
    found = load_iris(as_frame=True)
    frame: pd.DataFrame = found.data.assign(species=np.array(found.target_names)[found.target])
    return frame


@pytest.mark.parametrize(
    ("frame", "target", "problem"),
    [
        (iris(), "species", "classification"),
        (load_wine(as_frame=True).frame, "target", "classification"),
        (load_breast_cancer(as_frame=True).frame, "target", "classification"),
        (load_diabetes(as_frame=True, scaled=False).frame, "target", "regression"),
        (load_linnerud(as_frame=True).frame, "Weight", "regression"),
    ],
)
def test_every_column_is_taken_for_what_it_is(frame: pd.DataFrame, target: str, problem: str) -> None:
    found = draft(text(frame), target)
    assert found.problem == problem
    wrong = [
        (column.name, column.type)
        for column in found.columns
        if column.type not in ("number", "integer") and column.name != "species"
    ]
    assert wrong == []
    assert {one.code for one in found.suspicions} <= {"few"}
