"""How MLflow loads a bundle: ``mlflow.pyfunc.load_model(folder)`` finds this module's name in MLmodel.

Only MLflow imports this module, and it brings pandas along; the predictor needs neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from regraft_core.codes import Code
from regraft_core.contract import Column
from regraft_core.errors import ContractError
from regraft_core.listing import first_of
from regraft_inference.bundle import Bundle

MOST_NAMED = 20
"""Most missing columns that are named."""


class PyfuncModel:
    """A bundle with the interface that MLflow wants."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the target column, one row for each row of the features.

        Raises ContractError (``column_missing``).
        """
        contract = self.bundle.contract
        if missing := [name for name in contract.feature_names if name not in model_input.columns]:
            message = f"{first_of(missing, MOST_NAMED)}: missing from the frame"
            raise ContractError(message, code=Code.COLUMN_MISSING, column=missing[0], rule="required")
        columns = {column.name: _values(column, model_input[column.name]) for column in contract.features}
        return pd.DataFrame({contract.target.name: self.bundle.predict(columns)}, index=model_input.index)


def _values(column: Column, values: pd.Series[Any]) -> Any:
    """Return a column without the many ways in which pandas writes a gap."""
    if not column.nullable:
        return values.to_numpy()
    return values.astype(object).where(values.notna(), None).tolist()


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Bundle.load(Path(path)))
