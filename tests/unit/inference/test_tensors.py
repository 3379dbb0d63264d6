"""Requests as tensors, in KServe's second protocol."""

from __future__ import annotations

import math
from typing import Any

import pytest

from regraft_core.errors import ContractError
from regraft_inference.tensors import Tensor
from tests.unit.inference.readers import heart, passwords


def tensor(name: str, datatype: str, data: list[Any], shape: list[int] | None = None) -> Tensor:
    return Tensor(name, datatype, [len(data)] if shape is None else shape, data)


def test_tensors_become_columns_in_any_order() -> None:
    tensors = [
        tensor("oldpeak", "FP32", [[0.5], [1.0]], [2, 1]),
        tensor("sex", "UINT8", [1, 0]),
        tensor("age", "INT64", [4, 5]),
    ]
    columns = heart.read_tensors(tensors)
    assert {name: column.tolist() for name, column in columns.items()} == {  # type: ignore[union-attr]
        "age": [4, 5],
        "sex": [1, 0],
        "oldpeak": [0.5, 1.0],
    }


@pytest.mark.parametrize(
    ("tensors", "code"),
    [
        ([], "column_missing"),
        ([tensor("Password", "BYTES", ["a"])] * 2, "duplicate_key"),
        ([tensor("Name", "BYTES", ["a"])], "column_unknown"),
        ([tensor("Password", "INT64", [1])], "wrong_type"),
        ([tensor("Password", "BYTES", ["a"], [2])], "unequal_lengths"),
        ([tensor("Password", "BYTES", [["a", "b"]])], "wrong_type"),
        ([tensor("Password", "BYTES", [])], "empty_request"),
    ],
)
def test_broken_tensors_are_refused(tensors: list[Tensor], code: str) -> None:
    with pytest.raises(ContractError) as caught:
        passwords.read_tensors(tensors)
    assert caught.value.code == code


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_tensor_with_a_number_that_is_none_is_refused(value: float) -> None:
    tensors = [tensor("age", "INT64", [4]), tensor("sex", "INT64", [1]), tensor("oldpeak", "FP64", [value])]
    with pytest.raises(ContractError) as caught:
        heart.read_tensors(tensors)
    code = "value_nan" if math.isnan(value) else "value_infinite"
    assert (caught.value.code, caught.value.details["column"]) == (code, "oldpeak")
