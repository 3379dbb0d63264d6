"""The usual model for tables in scikit-learn. ``python table_reference.py DATA.csv TARGET MODEL.joblib`` trains it."""

from __future__ import annotations

import sys
from typing import Any

import joblib
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder


def frame(rows: Any) -> pd.DataFrame:
    """Return rows in the order of the columns as a table."""
    return pd.DataFrame(rows).infer_objects()


def train(path: str, target: str) -> Any:
    """Fit codes of words and histogram gradient boosting to all columns but the target."""
    data = pd.read_csv(path)
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    words = make_column_transformer((codes, make_column_selector(dtype_include=object)), remainder="passthrough")
    few = data[target].nunique() <= 2
    model = HistGradientBoostingClassifier(random_state=0) if few else HistGradientBoostingRegressor(random_state=0)
    rows = data.drop(columns=target).astype(object).to_numpy().tolist()
    return make_pipeline(FunctionTransformer(frame), words, model).fit(rows, data[target])


if __name__ == "__main__":
    from table_reference import train as trained  # so that the model names this module, and not the program

    joblib.dump(trained(sys.argv[1], sys.argv[2]), sys.argv[3])
