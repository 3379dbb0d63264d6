"""Answers to some rows, as documents tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from numpy.typing import NDArray

from regraft_inference.estimators import Reasons
from regraft_inference.reasons_json import FEW_ROWS, json_of

NOTHING: Mapping[str, Any] = {}


@dataclass(slots=True)
class Answered:
    """The answers to some rows, shape (rows,), and their reasons where they were asked for."""

    values: NDArray[Any]
    reasons: Sequence[Reasons] | None = None

    def __getitem__(self, rows: slice) -> Answered:
        """Return the answers to some of the rows."""
        return Answered(self.values[rows], None if self.reasons is None else self.reasons[rows])

    def told_reasons(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """Return what is said of reasons under this name: nothing where there are none."""
        return {} if self.reasons is None else {name: [each.told() for each in self.reasons]}

    def document(self, name: str, reasons: str, beside: Mapping[str, Any] = NOTHING) -> bytes:
        """Return the JSON that tells the answers and the reasons, each under its name, and what is beside them."""
        told = {name: self.values.tolist(), **beside}
        if self.reasons is None or len(self.values) <= FEW_ROWS:
            return orjson.dumps(told | self.told_reasons(reasons))
        return json_of(self.reasons, b"%b,%b:" % (orjson.dumps(told)[:-1], orjson.dumps(reasons)), b"}")
