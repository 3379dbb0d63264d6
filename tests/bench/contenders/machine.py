"""The model of tables as one would serve it: an explainable boosting machine of the library that trains it.

``python machine.py DATA.csv TARGET PAIRS MODEL.joblib`` trains one with the library's own settings, but for the pairs
of columns that it looks at together, which are the given ones (JSON). Needs interpret-core and nothing of ours.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor


def train(data: pd.DataFrame, target: str, pairs: list[list[str]]) -> Any:
    """Fit a classifier where there are two values to tell apart, else a regressor."""
    kind = ExplainableBoostingClassifier if data[target].nunique() <= 2 else ExplainableBoostingRegressor
    machine = kind(interactions=[tuple(pair) for pair in pairs], n_jobs=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of gaps, which its charts do not show
        return machine.fit(data.drop(columns=target), data[target])


if __name__ == "__main__":
    source, name, together, path = sys.argv[1:]
    joblib.dump(train(pd.read_csv(Path(source)), name, json.loads(together)), path)
