"""How MLflow loads a bundle: ``mlflow.pyfunc.load_model(folder)`` finds this module's name in MLmodel.

Only MLflow imports this module, and it brings pandas along; the predictor needs neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regraft_core.contract import EXPLAIN, PROBABILITIES
from regraft_inference.bundle import Bundle
from regraft_inference.frames import FrameReader
from regraft_inference.options import OptionReader


class PyfuncModel:
    """A bundle with the interface that MLflow wants."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._reader = FrameReader(bundle.contract)
        self._options = OptionReader(
            bundle.contract, probabilities=bundle.gives_probabilities, reasons=bundle.gives_reasons
        )

    def predict(
        self,
        model_input: pd.DataFrame,
        params: Mapping[str, Any] | None = None,
        *,
        probabilities: bool = False,
        explain: bool = False,
    ) -> pd.DataFrame:
        """Return a frame with the target column, one row for each row of the features, and with what is asked besides.

        ``probabilities`` and ``explain`` are the options of a request, and give columns of the names that an answer
        has; MLflow hands them over in ``params``. Raises ContractError by the rules of a request: of the contract with
        column, row (by its place, from 0) and rule, and ``no_probabilities``, ``no_reasons``.
        """
        asked = {PROBABILITIES: probabilities, EXPLAIN: explain}
        options = self._options.take(dict(params or {}) | {name: True for name in asked if asked[name]}, wrapped=True)
        contract, columns = self.bundle.contract, self._reader.read(model_input)
        answers = self.bundle.predict(columns)
        found: dict[str, Any] = {contract.target.name: answers}
        if options.probabilities:
            found[contract.probability_name] = self.bundle.probabilities(columns)
        if options.explain:
            found[contract.reasons_name] = [each.told() for each in self.bundle.reasons(columns, answers)]
        return pd.DataFrame(found, index=model_input.index)


def _load_pyfunc(path: str) -> PyfuncModel:
    return PyfuncModel(Bundle.load(Path(path)))
