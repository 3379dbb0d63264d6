from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from regraft_core.errors import BundleError, ContractError
from regraft_inference.bundle import Bundle
from regraft_inference.pyfunc import PyfuncModel
from tests.unit.inference.bundles import HEART_ANSWERS, HEART_ROWS, write_heart_bundle, write_passwords_bundle

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")  # MLflow, of its own types, at its import


def test_mlflow_answers_the_same_for_strings(tmp_path: Path) -> None:
    folder = write_passwords_bundle(tmp_path / "passwords", answer=2.5)
    words = ["a", " ", "密码", "null"]
    frame = pd.DataFrame({"Password": words}, index=[3, 1, 4, 1])
    answers = mlflow.pyfunc.load_model(str(folder)).predict(frame)
    assert answers["Times"].tolist() == Bundle.load(folder).predict({"Password": words}).tolist() == [2.5] * 4
    assert answers.index.tolist() == [3, 1, 4, 1]


def test_mlflow_answers_the_same_for_numbers(tmp_path: Path) -> None:
    folder = write_heart_bundle(tmp_path / "heart")
    frame = pd.DataFrame(HEART_ROWS)
    answers = mlflow.pyfunc.load_model(str(folder)).predict(frame[reversed(frame.columns)])
    assert answers["condition"].tolist() == HEART_ANSWERS
    assert answers["condition"].dtype == np.int64


def test_mlflow_enforces_the_signature(tmp_path: Path) -> None:
    model = mlflow.pyfunc.load_model(str(write_heart_bundle(tmp_path / "heart")))
    assert model.metadata.signature.inputs.input_names() == ["age", "sex", "oldpeak"]
    with pytest.raises(mlflow.exceptions.MlflowException, match="age"):
        model.predict(pd.DataFrame({"sex": [1], "oldpeak": [0.5]}))


def test_a_frame_without_a_column_is_refused_by_name_where_mlflow_is_not_asked(tmp_path: Path) -> None:
    model = PyfuncModel(Bundle.load(write_heart_bundle(tmp_path / "heart")))
    with pytest.raises(ContractError, match="columns 'age', 'oldpeak' are missing") as caught:
        model.predict(pd.DataFrame({"sex": [1]}))
    assert (caught.value.code, caught.value.details["column"]) == ("column_missing", "age")


def test_mlflow_has_an_example_of_what_goes_in(tmp_path: Path) -> None:
    model = mlflow.pyfunc.load_model(str(write_heart_bundle(tmp_path / "heart")))
    example = model.metadata.load_input_example(str(tmp_path / "heart"))
    assert example.columns.tolist() == ["age", "sex", "oldpeak"]
    assert model.predict(example)["condition"].tolist() == HEART_ANSWERS[: len(example)]
    assert json.loads(model.metadata.get_serving_input(str(tmp_path / "heart")))["dataframe_split"]["data"]


def test_mlflow_refuses_a_damaged_bundle(tmp_path: Path) -> None:
    folder = write_heart_bundle(tmp_path / "heart")
    (folder / "golden.json").write_text("{}")
    with pytest.raises(BundleError) as caught:
        mlflow.pyfunc.load_model(str(folder))
    assert caught.value.code == "bundle_damaged"
