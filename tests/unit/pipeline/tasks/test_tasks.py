import numpy as np
import pandas as pd
import pytest

from regraft_core.errors import NotFoundError
from regraft_pipeline.tasks import load_task, load_tasks


def test_the_tasks_that_ship_come_first() -> None:
    assert list(load_tasks())[:2] == ["passwords", "heart-disease"]


def test_an_unknown_task_is_named_with_those_that_there_are() -> None:
    with pytest.raises(NotFoundError, match="there is no task 'houses'; there are: heart-disease, passwords"):
        load_task("houses")


def test_registered_models_carry_the_owner() -> None:
    assert load_task("passwords").model_name("ada") == "ada-mlops-project-model"
    assert load_task("heart-disease").model_name("ada") == "ada-heart-disease-model"


@pytest.mark.parametrize("name", ["passwords", "heart-disease"])
def test_a_bootstrap_dataset_is_always_the_same_and_keeps_its_contract(name: str) -> None:
    task = load_task(name)
    frame = task.bootstrap()
    pd.testing.assert_frame_equal(frame, task.bootstrap())
    assert list(frame.columns) == [column.name for column in task.contract.columns]


def test_columns_and_target_have_the_types_that_estimators_take() -> None:
    task = load_task("passwords")
    frame = task.bootstrap().astype({"Password": pd.StringDtype("pyarrow")})
    columns = task.columns_of(frame)
    assert {type(word) for word in columns["Password"]} == {str}
    assert task.target_of(frame).dtype == np.float64
    hearts = load_task("heart-disease")
    assert hearts.target_of(hearts.bootstrap()).dtype == np.int64
    assert hearts.columns_of(hearts.bootstrap())["age"].dtype == np.float64
