"""Estimators that a server can load: each is known by a name in a closed list, none is ever unpickled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from numpy.typing import NDArray

from regraft_core.codes import Code
from regraft_core.errors import BundleError
from regraft_inference.estimators.reasons import Reasons, ReasonsTable

Columns = Mapping[str, Sequence[str | None] | NDArray[Any]]
"""Feature columns by name, all of the same length, as ``regraft_inference.columns`` has them: strings and texts as
sequences of str (None: a gap), numbers as arrays (NaN), booleans as arrays of bool, times as datetime64[us] (NaT)."""

TrainingBatches = Callable[[], Iterable[tuple[Columns, NDArray[Any]]]]
"""Feature columns with their target, batch by batch; every call gives the same ones from the start."""

GROUP = "regraft.estimators"
"""Entry point group under which installed packages offer estimators."""


@runtime_checkable
class Estimator(Protocol):
    """What trains, predicts, and can be written to and read from a folder without pickle.

    An estimator may also offer what ``StreamingEstimator`` and ``ExplainingEstimator`` have.
    """

    format: ClassVar[str]
    """Name of the entry point; it is written into the bundle."""

    def fit(self, columns: Columns, target: NDArray[Any]) -> Self:
        """Learn from feature columns and the target of shape (rows,)."""
        ...

    def predict(self, columns: Columns) -> NDArray[Any]:
        """Return the predictions, shape (rows,), in the order of the rows and in the target's type."""
        ...

    def save(self, folder: Path) -> None:
        """Write all that prediction needs into an existing folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what ``save`` wrote. Raises BundleError where that is not possible."""
        ...

    def parameters(self) -> dict[str, Any]:
        """Return the settings and what was chosen while fitting, for the registry."""
        ...


@runtime_checkable
class StreamingEstimator(Estimator, Protocol):
    """An estimator that learns from datasets that do not fit into memory."""

    def fit_batches(self, batches: TrainingBatches) -> Self:
        """Learn from batches whose rows are in random order."""
        ...


@runtime_checkable
class TailedEstimator(Protocol):
    """An estimator that learns numbers with a heavy tail by their logarithms."""

    logarithms: bool | None
    """Whether it learns log(1 + target); None: where the target that it is given has a heavy tail."""


@runtime_checkable
class ExplainingEstimator(Estimator, Protocol):
    """An estimator that can tell what it has learned."""

    def explain(self, batches: TrainingBatches) -> dict[str, Any]:
        """Return plain JSON about training on these batches, such as ``learning_curve`` and ``top_ngrams``."""
        ...


@runtime_checkable
class ProbabilisticEstimator(Estimator, Protocol):
    """A classifier that knows how probable each class is."""

    @property
    def classes(self) -> list[Any]:
        """The classes that it has seen, ascending."""
        ...

    def probabilities(self, columns: Columns) -> NDArray[Any]:
        """Return the probability of each of the classes, shape (rows, classes)."""
        ...


@runtime_checkable
class ScoringEstimator(ProbabilisticEstimator, Protocol):
    """A classifier that answers the most probable class, and knows how sure it is without more work.

    ``predict`` is ``answers_of`` the ``scores``.
    """

    def scores(self, columns: Columns) -> NDArray[Any]:
        """Return log odds of the second of two classes, shape (rows, 1).

        Of more classes the logarithms of what their probabilities are in proportion to, shape (rows, classes).
        """
        ...

    def answers_of(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions, as ``predict`` does."""
        ...


@runtime_checkable
class ReasoningEstimator(Estimator, Protocol):
    """An estimator that can say what each column added to an answer.

    Where that takes many times as long as the answer, ``explains_slowly`` is True: it is done beside other requests.
    """

    def reasons(self, columns: Columns) -> Sequence[Reasons]:
        """Return the reasons of the answer to each row."""
        ...


@runtime_checkable
class ExplainedEstimator(ReasoningEstimator, Protocol):
    """An estimator that finds answers and reasons in one go. ``predict`` is ``answers_of`` the scores."""

    def explained(self, columns: Columns) -> tuple[NDArray[Any], Sequence[Reasons]]:
        """Return the scores of each row, and the reasons, as ``reasons`` does."""
        ...

    def answers_of(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions, as ``predict`` does."""
        ...


@cache
def estimator_class(name: str) -> type[Estimator]:
    """Return the estimator of this name. Raises BundleError (``estimator_unknown``) where none is installed."""
    for entry in entry_points(group=GROUP, name=name):
        found: type[Estimator] = entry.load()
        return found
    known = ", ".join(sorted({entry.name for entry in entry_points(group=GROUP)}))
    raise BundleError(
        f"the estimator {name!r} is needed, which is not installed here (there are: {known})",
        code=Code.ESTIMATOR_UNKNOWN,
    )


def bounded(path: Path, limit: int) -> bytes:
    """Return the content of a file. Raises ValueError where it is larger than the limit, in bytes, before reading."""
    if path.stat().st_size > limit:
        raise ValueError(f"it is larger than {limit} bytes")
    return path.read_bytes()


def rows_of(columns: Columns) -> int:
    """Return how many rows the columns have."""
    return len(next(iter(columns.values())))


__all__ = [
    "GROUP",
    "Columns",
    "Estimator",
    "ExplainedEstimator",
    "ExplainingEstimator",
    "ProbabilisticEstimator",
    "ReasoningEstimator",
    "Reasons",
    "ReasonsTable",
    "ScoringEstimator",
    "StreamingEstimator",
    "TailedEstimator",
    "TrainingBatches",
    "bounded",
    "estimator_class",
    "rows_of",
]
