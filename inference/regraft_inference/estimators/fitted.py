"""What an estimator for tables knows besides the numbers of its model."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

from regraft_core.contract import Contract
from regraft_inference.estimators.encoding import Encoding

type Floats = NDArray[np.float64]

LESS_MEAN = ", less the mean of all classes"
"""Ends what the scores of more than two classes are."""

type Link = Literal["identity", "log1p"]


class Fitted(BaseModel):
    """What an estimator knows besides the numbers of its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["additive", "boosted"]
    contract: Contract
    problem: Literal["regression", "classification"]
    encoding: Encoding
    classes: list[bool | int | str]
    """Those of the training rows, ascending; none for a regression."""

    slope: FiniteFloat
    offsets: list[FiniteFloat]
    losses: dict[str, FiniteFloat]
    link: Link = "identity"
    """What the scores of a regression are: the target, or of one with a heavy tail log(1 + target)."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.offsets) != self.outputs:
            raise ValueError(f"it must have {self.outputs} offsets")
        if (self.problem == "classification") != bool(self.classes):
            raise ValueError("a classification has classes, and nothing else has")
        if self.encoding.features != self.contract.features:
            raise ValueError("the encoding is of other columns than the contract")
        return self

    @cached_property
    def starts(self) -> Floats:
        """The offsets as an array."""
        return np.array(self.offsets)

    @cached_property
    def columns_of_parts(self) -> list[int]:
        """Of each part of the matrix the place of its column."""
        places = {name: place for place, name in enumerate(self.contract.feature_names)}
        return [places[part.column] for part in self.encoding.parts]

    @cached_property
    def answers(self) -> NDArray[Any]:
        """The classes as they are answered, in the target's type."""
        kinds = {"boolean": np.bool_, "integer": np.int64, "number": np.float64}
        return np.array(self.classes, dtype=kinds.get(self.contract.target.type, object))

    @property
    def outputs(self) -> int:
        """Scores of each row."""
        return len(self.classes) if len(self.classes) > 2 else 1

    def line(self, scores: Floats) -> Floats:
        """Return what the answers are told by for the scores of the model, shape (rows, outputs) or (outputs,)."""
        return self.starts + self.slope * scores

    def scale(self, output: int) -> str:
        """Return in words what the scores of an output are."""
        classes, name = self.classes, self.contract.target.name
        if not classes:
            return f"log(1 + {name})" if self.link == "log1p" else name
        if len(classes) <= 2:
            last = classes[-1]
            return f"log odds that {name} is {str(last).lower() if isinstance(last, bool) else last}"
        return f"score of {name} {classes[output]}{LESS_MEAN}"
