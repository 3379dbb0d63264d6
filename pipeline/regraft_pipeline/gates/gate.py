"""What a gate is: it looks at the evidence on a dataset and returns its reasons. Gates know nothing of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from regraft_core.fit.asked import Asked
from regraft_core.profile import Comparison, Profile
from regraft_core.verdict import Reason, Verdict
from regraft_inference.bundle import Bundle
from regraft_pipeline.data.profile import Tallies
from regraft_pipeline.gates.evaluation import Evaluation, UntrainableError
from regraft_pipeline.tasks import Task


@dataclass(frozen=True)
class Evidence:
    """What is known of a dataset whose rows could be read.

    Of its ``rows``, ``sample`` has at most ``evaluation_rows``, in random order, ``tallies`` count all,
    ``comparisons`` hold these against the reference; ``asked`` is what the version in service was asked lately.
    ``evaluation`` is of the sample; where there is none, the target is constant, or the estimator cannot be trained,
    as ``untrainable`` says.
    """

    task: Task
    reference: Profile | None
    incumbent: Bundle | None
    rows: int
    sample: pd.DataFrame
    tallies: Tallies
    comparisons: list[Comparison]
    asked: Asked | None = None
    evaluation: Evaluation | None = None
    untrainable: UntrainableError | None = None


@dataclass(frozen=True)
class Gate:
    """A gate: what it asks, in words, what it finds, and whether a verdict comes from rows that it could look at."""

    name: str
    question: str
    reasons: Callable[[Evidence], list[Reason]]
    asked: Callable[[Verdict], bool] = lambda verdict: verdict.profile is not None
