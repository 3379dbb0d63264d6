"""A model for contenders: as the library has it that trains it, or the very additive model of Regraft, from arrays.

Imported by each contender's own Python, so it needs numpy (and the library) and nothing of ours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


class SameModel:
    """Answers columns by their names. ``path`` is a ``.joblib`` of a library's model, or a ``.json`` of arrays."""

    def __init__(self, path: str) -> None:
        self._trained: Any = None
        if path.endswith(".joblib"):
            import joblib  # noqa: PLC0415

            self._trained = joblib.load(path)
            return
        self.model = json.loads(Path(path).read_bytes())
        self._terms = [
            (term["parts"], [np.array(cuts) for cuts in term["cuts"]], np.array(term["scores"]))
            for term in self.model["terms"]
        ]

    def predict(self, columns: dict[str, list[Any]]) -> list[Any]:
        """Return the answers to the rows."""
        if self._trained is not None:
            rows = list(zip(*columns.values(), strict=True))
            answers: list[Any] = self._trained.predict([row[0] for row in rows] if len(columns) == 1 else rows).tolist()
            return answers
        parts: list[Any] = []
        for column in self.model["columns"]:
            parts += self._parts(column, columns[column["name"]])
        total = np.full(len(parts[0]), self.model["intercept"])
        for places, cuts, scores in self._terms:
            bins = [_bins(parts[place], one) for place, one in zip(places, cuts, strict=True)]
            total += scores[tuple(bins)]
        total = self.model["offset"] + self.model["slope"] * total
        classes = self.model["classes"]
        return [classes[score > 0] for score in total.tolist()] if classes else total.tolist()

    @staticmethod
    def _parts(column: dict[str, Any], values: list[Any]) -> list[Any]:
        if column["places"] is None:
            return [np.array(values, dtype=np.float64)]
        found = [np.array([column["places"].get(value, np.nan) for value in values])]
        if column["shares"] is not None:
            found.append(np.array([column["shares"].get(value, 0.0) for value in values]))
        return found


def _bins(values: Any, cuts: Any) -> Any:
    bins = np.searchsorted(cuts, values, side="right") + 1
    bins[np.isnan(values)] = 0
    return bins
