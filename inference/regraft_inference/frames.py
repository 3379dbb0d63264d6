"""The columns of a DataFrame: checked by the rules of a request, and typed as an estimator takes them."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from regraft_core.codes import Code
from regraft_core.contract import Column, Contract
from regraft_core.errors import ContractError
from regraft_core.listing import first_of
from regraft_inference.values import MOST_NAMED, Values, columns_missing, reader_of


class FrameReader:
    """Reads frames by one contract. Columns that it does not have are left aside, as the target of a dataset."""

    def __init__(self, contract: Contract) -> None:
        self._names = contract.feature_names
        self._readers = [(column, reader_of(column)) for column in contract.features]

    def read(self, frame: object) -> dict[str, Values]:
        """Return the typed columns. Raises ContractError with column, row (by its place, from 0) and rule."""
        if not isinstance(frame, pd.DataFrame):
            message = f"a DataFrame with the columns {first_of(self._names, MOST_NAMED)} is needed, not {_kind(frame)}"
            raise ContractError(message, code=Code.WRONG_TYPE, rule="DataFrame")
        if missing := [name for name in self._names if name not in frame.columns]:
            raise columns_missing(missing)
        if twice := [name for name in self._names if isinstance(frame[name], pd.DataFrame)]:
            message = f"column {twice[0]!r} is there twice"
            raise ContractError(message, code=Code.DUPLICATE_KEY, column=twice[0], rule="unique name")
        return {column.name: reader.read(_plain(column, frame[column.name])) for column, reader in self._readers}


def _plain(column: Column, values: pd.Series[Any]) -> list[Any]:
    """Return values as JSON would have brought them, whatever of its many ways pandas writes a gap in."""
    found: list[Any] = values.tolist()
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "iu":
        return found
    return [None if gap else _value(column, value) for value, gap in zip(found, values.isna().tolist(), strict=True)]


def _value(column: Column, value: Any) -> Any:
    if isinstance(value, np.datetime64):
        value = pd.Timestamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    if column.type == "boolean" and type(value) is float and value in (0.0, 1.0):
        return bool(value)  # MLflow's signature has no booleans with gaps, and makes numbers of them
    return value


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"
