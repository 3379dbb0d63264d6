"""A model of counts with a heavy tail, learned in a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from regraft.inference.estimators.features import Group, ngrams_and_runs
from regraft.inference.estimators.levels import Batches

ORDER = 5
BITS = 20
STEP = 0.6
FIRST_SQUARE = 1e-2
MINIBATCH = 1024
EPOCHS = (3, 20)
EPOCH_ROWS = 8_000_000


class CountsModel:
    """log1p(y) = floor + softplus(b + sum_f w_f / sqrt(m)) over the m features f of a row.

    Learned by AdaGrad (Duchi et al., "Adaptive Subgradient Methods", JMLR 12, 2011) on the squared error of log1p, that
    is on RMSLE. Softplus has a long flat part: nearly all counts are the smallest one, and the sum need only say so.
    The last rows of every batch are held out: they end the learning and scale the predictions.
    """

    def __init__(self) -> None:
        self.table = np.zeros(1 << BITS, dtype=np.float32)
        self.bias = self.floor = self.shift = 0.0
        self.slope = 1.0

    def fit(self, batches: Batches, rows: int) -> Self:
        """Learn from batches of strings and counts; they are read several times."""
        logs = np.log1p(np.concatenate([target for _, target in batches()]))
        self.floor = float(np.quantile(logs, 0.01))
        self.bias = float(np.log(np.expm1(max(logs.mean() - self.floor, 1e-3))))
        held_out = float(np.clip(1000 / rows, 0.05, 0.3))
        squares = np.full(self.table.shape, FIRST_SQUARE, dtype=np.float32)
        gradient = np.zeros_like(self.table)
        bias_square = FIRST_SQUARE
        best = np.inf
        kept: tuple[Any, ...] = ()
        for _ in range(int(np.clip(EPOCH_ROWS // rows, *EPOCHS))):
            predicted, actual = [], []
            for words, target in batches():
                logs = np.log1p(target)
                groups = ngrams_and_runs(words, order=ORDER, bits=BITS)
                norms = 1 / np.sqrt(sum(group.counts() for group in groups))
                cut = int(len(logs) * (1 - held_out))
                for first in range(0, cut, MINIBATCH):
                    last = min(first + MINIBATCH, cut)
                    part = [group.rows(first, last) for group in groups]
                    scores = self._scores(part, norms[first:last])
                    error = (np.logaddexp(0, scores) + self.floor - logs[first:last]) / (1 + np.exp(-scores))
                    push = (error * norms[first:last]).astype(np.float32)
                    slots = np.concatenate([group.slots for group in part])
                    np.add.at(gradient, slots, np.concatenate([np.repeat(push, group.counts()) for group in part]))
                    slope = gradient[slots]
                    gradient[slots] = 0
                    square = squares[slots] + slope * slope
                    squares[slots] = square
                    self.table[slots] -= STEP * slope / np.sqrt(square)
                    self.table[0] = 0
                    bias_square += float(error.sum()) ** 2
                    self.bias -= STEP * float(error.sum()) / np.sqrt(bias_square)
                part = [group.rows(cut, len(logs)) for group in groups]
                predicted.append(np.logaddexp(0, self._scores(part, norms[cut:])) + self.floor)
                actual.append(logs[cut:])
            raw, truth = np.concatenate(predicted), np.concatenate(actual)
            slope_ = float(np.clip(np.cov(raw, truth)[0, 1] / max(raw.var(), 1e-9), 0, 1.5))
            shift = float(truth.mean() - slope_ * raw.mean())
            loss = float(np.mean((slope_ * raw + shift - truth) ** 2))
            if loss >= best * 0.999:
                break
            best = loss
            kept = (self.table.copy(), self.bias, slope_, shift)
        self.table, self.bias, self.slope, self.shift = kept
        return self

    def predict(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Return the expected count of each string; never negative."""
        groups = ngrams_and_runs(words, order=ORDER, bits=BITS)
        norms = 1 / np.sqrt(sum(group.counts() for group in groups))
        logs = self.slope * (np.logaddexp(0, self._scores(groups, norms)) + self.floor) + self.shift
        return np.expm1(np.maximum(logs, 0))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted model as arrays."""
        return {"table": self.table, "scalars": np.array([self.bias, self.floor, self.slope, self.shift])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model that ``arrays`` described."""
        model = cls()
        model.table = arrays["table"]
        model.bias, model.floor, model.slope, model.shift = (float(value) for value in arrays["scalars"])
        return model

    def _scores(self, groups: list[Group], norms: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.bias + norms * sum(group.sums(self.table) for group in groups)
