"""The usual model for passwords. Imported by each contender's own Python, so it needs scikit-learn and nothing of ours.

``python reference.py DATA.csv MODEL.joblib`` trains it.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import joblib
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline


def train(data: Path) -> Any:
    """Fit character n-grams, weighted, and a forest of a hundred trees to a CSV of passwords and times."""
    with data.open() as file:
        rows = list(csv.reader(file))[1:]
    model = make_pipeline(
        CountVectorizer(analyzer="char", ngram_range=(1, 3)),
        TfidfTransformer(),
        RandomForestRegressor(n_estimators=100, random_state=0),
    )
    return model.fit([password for password, _ in rows], [float(times) for _, times in rows])


if __name__ == "__main__":
    joblib.dump(train(Path(sys.argv[1])), sys.argv[2])
