"""Tensors: the inputs of KServe's second protocol, one for each column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regraft_core.codes import Code
from regraft_core.contract import Column
from regraft_core.errors import ContractError
from regraft_inference.values import list_of, shown

NUMBERS = {"FP16", "FP32", "FP64"} | {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
TENSOR_TYPES = {
    "string": {"BYTES"},
    "text": {"BYTES"},
    "date": {"BYTES"},
    "datetime": {"BYTES"},
    "boolean": {"BOOL"},
    "integer": NUMBERS,
    "number": NUMBERS,
}
"""Datatypes of the V2 protocol that a column takes."""


@dataclass(frozen=True)
class Tensor:
    """One input of the V2 protocol, as the client sent it: name, shape and data may be of any type."""

    name: Any
    datatype: str
    shape: Any
    data: Any


def values_of(tensor: Tensor, column: Column) -> list[Any]:
    """Return the values of a tensor of shape [rows] or [rows, 1]. Raises ContractError."""
    allowed = TENSOR_TYPES[column.type]
    if tensor.datatype not in allowed:
        raise ContractError(
            f"input {column.name!r} is {tensor.datatype}, it must be one of {', '.join(sorted(allowed))}",
            code=Code.WRONG_TYPE,
            column=column.name,
            rule=f"type {column.type}",
        )
    data = list_of(tensor.data, f"the data of input {column.name!r}")
    if data and all(type(value) is list and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if tensor.shape not in ([len(data)], [len(data), 1]):
        raise ContractError(
            f"input {column.name!r} has the shape {shown(tensor.shape)} and {len(data)} values",
            code=Code.UNEQUAL_LENGTHS,
            column=column.name,
            rule="shape [rows] or [rows, 1]",
        )
    return data
