"""A model of counts with a heavy tail, learned in a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from regraft_inference.estimators.features import Batches, Features, extract

Floats = NDArray[np.float64]

ORDER = 5
BITS = 21
"""Of slots of the table. It is stored in float16, 4 MiB; that costs no accuracy, more collisions in fewer slots do."""

STEP = 0.9
FIRST_SQUARE = 0.01
"""What the sums of squared gradients begin with; keeps the first steps short."""

MINIBATCH_ROWS = (32, 512)
"""Fewest and most rows of a step; between them, an epoch has about a hundred steps."""

MOST_EPOCHS = 20
EPOCH_ROWS = 8_000_000
"""Rows to learn from, all epochs together, before the learning ends; three epochs are always allowed."""

CURVE_POINTS = 10
"""Points of the learning curve for each epoch, at most; a batch gives no more than one."""

MOST_HELD_OUT = 20_000
"""Most rows that are not learned from; of fewer rows, 5 % are held out, of very few a thousand or 30 %."""

LEAST_GAIN = 0.001
"""Relative fall of the held-out error without which an epoch is the last one."""


class CountsModel:
    """``log1p(y) = floor + softplus(b + sum_g sum_f w_f / sqrt(G m_g))``.

    G is the number of groups of features, m_g the number of features f of a row in group g, w the table.
    Learned by AdaGrad (Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization",
    JMLR 12, 2011) on the squared error of log1p, that is on RMSLE. Softplus has a long flat part: most counts are the
    smallest one, and then the sum need only be low, not exact.
    The first rows are held out. They say when to stop, and a straight line fitted to them takes back
    what the model is too sure of.
    """

    def __init__(self) -> None:
        self.table = np.zeros(1 << BITS, dtype=np.float32)
        self.bias = 0.0
        self.floor = 0.0
        self.ceiling = 0.0
        self.slope = 1.0
        self.shift = 0.0
        self.curve: list[dict[str, float]] = []

    def fit(self, batches: Batches) -> Self:
        """Learn from batches of strings and counts, in random order; they are read several times."""
        logs = np.log1p(np.concatenate([target for _, target in batches()]))
        self.floor = float(np.quantile(logs, 0.01))
        self.ceiling = float(logs.max())
        self.bias = float(np.log(np.expm1(max(logs.mean() - self.floor, 0.001))))
        held_out = _HeldOut.of(
            batches, int(np.clip(np.clip(1000 / len(logs), 0.05, 0.3) * len(logs), 1, MOST_HELD_OUT))
        )
        learner = _Learner(self, len(logs), held_out)
        least_error = np.inf
        best: dict[str, NDArray[Any]] = {}
        for _ in range(int(np.clip(EPOCH_ROWS // len(logs), 3, MOST_EPOCHS))):
            learner.epoch(batches)
            error = self._straighten(self.raw(held_out.rows), held_out.logs)
            if error < least_error:
                best = self.arrays()
            if error > least_error * (1 - LEAST_GAIN):
                break
            least_error = error
        fitted = self.from_arrays(best)
        fitted.curve = learner.curve
        return fitted

    def predict(self, words: Sequence[str]) -> Floats:
        """Return the expected count of each string; neither negative nor above the largest count that was seen."""
        logs = self.slope * self.raw(_Rows.of(words)) + self.shift
        return np.expm1(np.clip(logs, 0, self.ceiling))

    def raw(self, rows: _Rows) -> Floats:
        """Return the predicted log1p of rows, before it is straightened."""
        return self.floor + np.logaddexp(0, self.scores(rows))

    def scores(self, rows: _Rows) -> Floats:
        """Return what softplus is taken of."""
        sums = rows.features.sums(self.table[rows.features.slots])
        scores: Floats = self.bias + np.einsum("gr,gr->r", rows.scales, sums)
        return scores

    def explain(self, _batches: Batches) -> dict[str, Any]:
        """Return the learning curve: RMSLE on held-out rows after so many rows, repeated ones counted."""
        return {"learning_curve": self.curve} if self.curve else {}

    def parameters(self) -> dict[str, Any]:
        """Return the scalars of the model."""
        return {"bias": self.bias, "floor": self.floor, "slope": self.slope, "shift": self.shift}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted model as arrays."""
        scalars = [self.bias, self.floor, self.ceiling, self.slope, self.shift]
        return {"table": self.table.astype(np.float16), "scalars": np.array(scalars)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model that ``arrays`` described."""
        model = cls()
        model.table = arrays["table"].astype(np.float32)
        model.bias, model.floor, model.ceiling, model.slope, model.shift = arrays["scalars"].tolist()
        return model

    def _straighten(self, raw: Floats, truth: Floats) -> float:
        """Set slope and shift so that they fit best, and return the mean squared error that is left."""
        covariance = float(np.mean((raw - raw.mean()) * (truth - truth.mean())))
        self.slope = float(np.clip(covariance / max(raw.var(), 1e-9), 0, 1.5))
        self.shift = float(truth.mean() - self.slope * raw.mean())
        return float(np.mean((self.slope * raw + self.shift - truth) ** 2))


class _Rows(NamedTuple):
    """The features of some rows, and by what the sum over each group is multiplied, shape (groups, rows)."""

    features: Features
    scales: Floats

    @classmethod
    def of(cls, words: Sequence[str]) -> _Rows:
        features = extract(words, order=ORDER, bits=BITS, runs=True)
        return cls(features, 1 / np.sqrt(features.counts() * len(features.starts)))

    def part(self, first: int, last: int) -> _Rows:
        return _Rows(self.features.rows(first, last), self.scales[:, first:last])

    def minibatches(self, rows: int, size: int) -> Iterator[tuple[slice, _Rows]]:
        for first in range(0, rows, size):
            last = min(first + size, rows)
            yield slice(first, last), self.part(first, last)


class _HeldOut(NamedTuple):
    """The first rows, which are not learned from, and log1p of their targets."""

    rows: _Rows
    logs: Floats

    @classmethod
    def of(cls, batches: Batches, count: int) -> _HeldOut:
        words: list[str] = []
        targets: list[NDArray[np.float64]] = []
        for batch, target in batches():
            targets.append(target[: count - len(words)])
            words += batch[: count - len(words)]
            if len(words) == count:
                break
        return cls(_Rows.of(words), np.log1p(np.concatenate(targets)))


class _Learner:
    """Changes a model step by step; holds what AdaGrad remembers."""

    def __init__(self, model: CountsModel, rows: int, held_out: _HeldOut) -> None:
        self.model = model
        self.held_out = held_out
        self.rows = rows
        self.minibatch_rows = int(np.clip(rows // 100, *MINIBATCH_ROWS))
        self.squares = np.full(model.table.shape, FIRST_SQUARE, dtype=np.float32)
        self.bias_square = FIRST_SQUARE
        self.gradient = np.zeros_like(model.table)
        self.seen = 0
        self.curve: list[dict[str, float]] = []

    def epoch(self, batches: Batches) -> None:
        """Learn from all rows once, but for those that are held out."""
        skipped = len(self.held_out.logs)
        told = self.seen
        for words, target in batches():
            logs = np.log1p(target[skipped:])
            if len(logs):
                rows = _Rows.of(words[skipped:])
                for place, part in rows.minibatches(len(logs), self.minibatch_rows):
                    self._step(part, logs[place])
            skipped = max(0, skipped - len(target))
            self.seen += len(logs)
            if self.seen - told >= (self.rows - len(self.held_out.logs)) / CURVE_POINTS:
                self._tell()
                told = self.seen

    def _tell(self) -> None:
        """Add a point to the learning curve."""
        rmsle = float(np.sqrt(np.mean((self.model.raw(self.held_out.rows) - self.held_out.logs) ** 2)))
        self.curve.append({"rows": self.seen, "rmsle": round(rmsle, 6)})

    def _step(self, rows: _Rows, logs: Floats) -> None:
        scores = self.model.scores(rows)
        residual = self.model.floor + np.logaddexp(0, scores) - logs
        push = residual / (1 + np.exp(-scores))
        slots = rows.features.slots
        pushes = (push * rows.scales).astype(np.float32)
        np.add.at(self.gradient, slots, rows.features.spread(pushes))
        slope = self.gradient[slots]
        self.gradient[slots] = 0
        square = self.squares[slots] + slope * slope
        self.squares[slots] = square
        self.model.table[slots] -= STEP * slope / np.sqrt(square)
        self.model.table[0] = 0
        bias_slope = float(push.sum())
        self.bias_square += bias_slope**2
        self.model.bias -= STEP * bias_slope / np.sqrt(self.bias_square)
