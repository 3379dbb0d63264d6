"""Naive Bayes over a few levels of the target, for strings whose class shows in their characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from regraft_inference.estimators.ascii_scores import AsciiScores
from regraft_inference.estimators.features import Batches, Features, Integers, Ngrams, extract

Floats = NDArray[np.float64]

ORDER = 4
BITS = 18

SMOOTHING = 0.1
"""Count that every feature of every level begins with (Lidstone smoothing)."""

LEAST_WEIGHT = 0.2
"""Least weight of a group. Rare n-grams tell nothing of other rows, and so get no weight of their own; with this one
they still make the model repeat what it was taught where nothing else decides, and cost no accuracy elsewhere."""

PENALTY = 0.001
"""Factor of the squared weights in the loss of the calibration (ridge)."""

CALIBRATION_ROWS = 20_000

TOP_NGRAMS = 20
"""N-grams of each level that ``explain`` names."""

LEAST_NGRAM_COUNT = 5
"""How often an n-gram must be there to be named, so that no single password is."""

TIE = 1e-9
"""Probability within which a half counts as reached, so that rounding cannot decide a tie."""


MEDIAN_SCORE = np.array(np.log((0.5 + TIE) / (0.5 - TIE)))
"""Of two levels, what the second one's score must be above the first one's to be the median."""

TOGETHER = 1024
"""Rows that are predicted together: as many as have their features in the processor's cache."""


class LevelsModel:
    """Multinomial naive Bayes with one weight for each group of features; predicts the median of the posterior.

    The score of level k for a row is ``b_k + sum_g w_g sum_f log p(f | k)`` over the features f of the groups g, with
    ``p(f | k) = (n_fk + a) / sum_f (n_fk + a)`` from the counts n. Plain naive Bayes has all w_g = 1, which counts
    features that say the same, or nothing, as independent evidence. The weights and the b_k are fitted by logistic
    regression on scores in which a row's own counts are left out (a hybrid of a generative and a discriminative model,
    Raina et al., "Classification with Hybrid Generative/Discriminative Models", NIPS 2003).
    The median of the posterior minimises the expected absolute error, and it is one of the levels.

    A target that is not one of the levels counts as the nearest.
    """

    def __init__(self, levels: Floats) -> None:
        self.levels = levels
        self.table = np.zeros((1 << BITS, len(levels)), dtype=np.float32)
        self.weights = np.zeros(0)
        self.intercepts = np.zeros(len(levels))
        self._ascii: AsciiScores | None = None

    def fit(self, batches: Batches) -> Self:
        """Learn from batches of strings and levels; they are read twice."""
        self._ascii = None
        counts = self._count(batches)
        seen = np.unique(np.flatnonzero(counts) // len(self.levels))
        counts = counts[seen]
        totals = counts.sum(axis=0, dtype=np.float64) + SMOOTHING * len(seen)
        left_out = np.zeros_like(self.table)
        self.table[seen] = np.log((counts + SMOOTHING) / totals)
        left_out[seen] = np.log((np.maximum(counts - 1, 0) + SMOOTHING) / totals)
        self._calibrate(*self._left_out_scores(batches, left_out))
        return self

    def predict(self, words: Sequence[str]) -> Floats:
        """Return the median of the posterior for each string."""
        if len(words) <= TOGETHER:
            return self.levels.take(self._medians(words))
        parts = [self._medians(words[first : first + TOGETHER]) for first in range(0, len(words), TOGETHER)]
        return self.levels.take(np.concatenate(parts))

    def posterior(self, words: Sequence[str]) -> Floats:
        """Return the probability of each level, shape (rows, levels)."""
        features = _features(words)
        sums = features.sums(self.table[features.slots])
        return _softmax(np.einsum("g,grk->rk", self.weights, sums) + self.intercepts)

    def _medians(self, words: Sequence[str]) -> Integers | NDArray[np.bool_]:
        """Return the index of each string's level."""
        if self._ascii is None:
            self._ascii = AsciiScores(self.table, self.weights, self.intercepts, BITS)
        scores = self._ascii.of(words)
        if scores is None:
            posterior = self.posterior(words)
        elif scores.ndim == 1:
            return scores > MEDIAN_SCORE
        else:
            posterior = _softmax(np.concatenate([np.zeros((len(words), 1)), scores], axis=1))
        return (posterior.cumsum(axis=1) >= 0.5 - TIE).argmax(axis=1)

    def explain(self, batches: Batches) -> dict[str, Any]:
        """Return the n-grams of each level that speak most for it, among the frequent ones of the first rows.

        The weight of n-gram f for level k is ``w_g (log p(f | k) - mean_j log p(f | j))``.
        """
        words: list[str] = []
        for batch, _ in batches():
            words += batch[: CALIBRATION_ROWS - len(words)]
            if len(words) == CALIBRATION_ROWS:
                break
        ngrams = Ngrams(words, order=ORDER, bits=BITS)
        log_p = self.table[ngrams.slots].astype(np.float64)
        weights = self.weights[ngrams.sizes - 1, np.newaxis] * (log_p - log_p.mean(axis=1, keepdims=True))
        weights[ngrams.counts < LEAST_NGRAM_COUNT] = 0
        return {
            "top_ngrams": {
                f"{level:g}": [
                    {"ngram": ngrams.name(place), "weight": round(float(weights[place, k]), 4)}
                    for place in np.argsort(-weights[:, k], kind="stable")[:TOP_NGRAMS].tolist()
                    if weights[place, k] > 0
                ]
                for k, level in enumerate(self.levels.tolist())
            }
        }

    def parameters(self) -> dict[str, Any]:
        """Return the levels and the weights of the groups of features."""
        return {"levels": self.levels.tolist(), "weights": self.weights.round(3).tolist()}

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

    def _nearest(self, target: Floats) -> Integers:
        """Return the index of the level that is nearest to each target."""
        return np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, target)

    def _count(self, batches: Batches) -> NDArray[np.float32]:
        """Return how often each feature is seen with each level, shape (slots, levels)."""
        counts = np.zeros(self.table.shape, dtype=np.float32)
        for words, target in batches():
            features = _features(words)
            np.add.at(counts, (features.slots, features.spread(self._nearest(target))), 1)
        counts[0] = 0
        return counts

    def _left_out_scores(self, batches: Batches, left_out: NDArray[np.float32]) -> tuple[Floats, Integers]:
        """Return each group's scores of the first rows, shape (groups, rows, levels), and the rows' levels.

        ``left_out`` is the table with one less of each feature; a row's score of its own level is taken from it.
        """
        scores: list[Floats] = []
        found: list[Integers] = []
        for words, target in batches():
            features, level = _features(words), self._nearest(target)
            values = self.table[features.slots].astype(np.float64)
            own = features.spread(level)
            values[np.arange(len(own)), own] = left_out[features.slots, own]
            scores.append(features.sums(values))
            found.append(level)
            if sum(map(len, found)) >= CALIBRATION_ROWS:
                break
        return np.concatenate(scores, axis=1), np.concatenate(found)

    def _calibrate(self, scores: Floats, level: Integers) -> None:
        """Set weights and intercepts so that the rows' own levels become most likely."""
        groups, rows, levels = scores.shape
        truth = np.eye(levels)[level]

        def loss(parameters: Floats) -> tuple[float, Floats]:
            weights, intercepts = parameters[:groups], parameters[groups:]
            posterior = _softmax(np.einsum("g,grk->rk", weights, scores) + intercepts)
            error = (posterior - truth) / rows
            gradient = np.concatenate([np.einsum("grk,rk->g", scores, error), error.sum(axis=0)])
            likelihood = np.log(np.maximum((posterior * truth).sum(axis=1), 1e-300)).mean()
            return PENALTY * float(parameters @ parameters) - float(likelihood), gradient + 2 * PENALTY * parameters

        bounds = [(LEAST_WEIGHT, 1.0)] * groups + [(None, None)] * levels
        start = np.concatenate([np.full(groups, 0.5), np.zeros(levels)])
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
        self.weights, self.intercepts = found[:groups], found[groups:]


def _features(words: Sequence[str]) -> Features:
    return extract(words, order=ORDER, bits=BITS, runs=False)


def _softmax(scores: Floats) -> Floats:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
