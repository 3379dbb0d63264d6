"""How MLflow loads a bundle: ``mlflow.pyfunc.load_model(folder)`` finds this module's name in MLmodel.

Only MLflow imports this module, and it brings pandas along; the predictor needs neither.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from regraft_inference.bundle import Bundle


class PyfuncModel:
    """A bundle with the interface that MLflow wants."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the target column, one row for each row of the features."""
        contract = self.bundle.contract
        columns = {name: model_input[name].to_numpy() for name in contract.feature_names}
        return pd.DataFrame({contract.target.name: self.bundle.predict(columns)}, index=model_input.index)


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Bundle.load(Path(path)))
