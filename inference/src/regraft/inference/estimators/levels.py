"""Naive Bayes over a few levels of the target, for strings whose class shows in their characters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from regraft.inference.estimators.features import Group, ngrams_and_shape

Batches = Callable[[], Iterable[tuple[Sequence[str], NDArray[np.float64]]]]

ORDER = 3
BITS = 18
SMOOTHING = 0.1
"""Count that every feature of every level begins with (Lidstone smoothing)."""

LEAST_WEIGHT = 0.1
"""Least weight of a group: enough for the rows of the training set to be recognised by their own n-grams."""

CALIBRATION_ROWS = 20_000


class LevelsModel:
    """Multinomial naive Bayes with one weight for each group of features; predicts the median of the posterior.

    The score of level k for a row is ``b_k + sum_g w_g sum_f log p(f | k)`` over the features f of the groups g, with
    ``p(f | k) = (n_fk + a) / sum_f (n_fk + a)`` from the counts n. Plain naive Bayes has all w_g = 1, which counts
    features that say the same, or nothing, as independent evidence. The weights and the b_k are fitted by logistic
    regression on scores in which a row's own counts are left out (a hybrid of a generative and a discriminative model,
    Raina et al., "Classification with Hybrid Generative/Discriminative Models", NIPS 2003).
    The median of the posterior minimises the expected absolute error, and it is one of the levels.
    """

    def __init__(self, levels: NDArray[np.float64]) -> None:
        self.levels = levels
        self.table = np.zeros((1 << BITS, len(levels)), dtype=np.float32)
        self.weights = np.zeros(0)
        self.intercepts = np.zeros(len(levels))

    def fit(self, batches: Batches) -> Self:
        """Learn from batches of strings and levels; they are read twice."""
        counts = self._count(batches)
        totals = counts.sum(axis=0) + SMOOTHING * np.count_nonzero(counts.any(axis=1))
        log_p = np.log((counts + np.float32(SMOOTHING)) / totals)
        log_p_left_out = np.log((np.maximum(counts - 1, 0) + np.float32(SMOOTHING)) / totals)
        unseen = ~counts.any(axis=1)
        unseen[0] = True
        log_p[unseen] = log_p_left_out[unseen] = 0
        self.table = log_p.astype(np.float32)
        self._calibrate(batches, log_p_left_out)
        return self

    def predict(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Return the median of the posterior for each string."""
        return self.levels[(np.cumsum(self.posterior(words), axis=1) >= 0.5).argmax(axis=1)]

    def posterior(self, words: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each level, shape (rows, levels)."""
        groups = ngrams_and_shape(words, order=ORDER, bits=BITS)
        scores = self.intercepts + sum(
            weight * group.sums(self.table) for weight, group in zip(self.weights, groups, strict=True)
        )
        return _softmax(scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fitted model as arrays."""
        slots = np.flatnonzero(self.table.any(axis=1))
        return {
            "levels": self.levels,
            "slots": slots.astype(np.int32),
            "log_p": self.table[slots],
            "weights": self.weights,
            "intercepts": self.intercepts,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the model that ``arrays`` described."""
        model = cls(arrays["levels"])
        model.table[arrays["slots"]] = arrays["log_p"]
        model.weights, model.intercepts = arrays["weights"], arrays["intercepts"]
        return model

    def _count(self, batches: Batches) -> NDArray[np.float32]:
        counts = np.zeros(self.table.shape, dtype=np.float32)
        for words, target in batches():
            level = np.searchsorted(self.levels, target)
            for group in ngrams_and_shape(words, order=ORDER, bits=BITS):
                np.add.at(counts, (group.slots, np.repeat(level, group.counts())), 1)
        return counts

    def _calibrate(self, batches: Batches, log_p_left_out: NDArray[np.float32]) -> None:
        scores, level = self._left_out_scores(batches, log_p_left_out)
        rows, groups, levels = scores.shape
        truth = np.eye(levels)[level]

        def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights, intercepts = parameters[:groups], parameters[groups:]
            posterior = _softmax(np.einsum("rgk,g->rk", scores, weights) + intercepts)
            error = (posterior - truth) / rows
            gradient = np.concatenate([np.einsum("rgk,rk->g", scores, error), error.sum(axis=0)])
            likelihood = np.log(np.maximum((posterior * truth).sum(axis=1), 1e-300)).mean()
            return 0.001 * float(parameters @ parameters) - float(likelihood), gradient + 0.002 * parameters

        bounds = [(LEAST_WEIGHT, 1.0)] * groups + [(None, None)] * levels
        start = np.concatenate([np.full(groups, 0.5), np.zeros(levels)])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        self.weights, self.intercepts = found[:groups], found[groups:]

    def _left_out_scores(
        self, batches: Batches, log_p_left_out: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return each group's scores of the first rows, shape (rows, groups, levels), and the levels they have."""
        scores, found = [], []
        for words, target in batches():
            level = np.searchsorted(self.levels, target)
            groups = ngrams_and_shape(words, order=ORDER, bits=BITS)
            scores.append(np.stack([self._left_out(group, level, log_p_left_out) for group in groups], axis=1))
            found.append(level)
            if sum(map(len, found)) >= CALIBRATION_ROWS:
                break
        return np.concatenate(scores), np.concatenate(found)

    def _left_out(
        self, group: Group, level: NDArray[np.int64], log_p_left_out: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        own = np.repeat(level, group.counts())
        values = self.table[group.slots].astype(np.float64)
        values[np.arange(len(own)), own] = log_p_left_out[group.slots, own]
        return np.add.reduceat(values, group.starts[:-1], axis=0)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
