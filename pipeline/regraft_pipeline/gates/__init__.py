"""The gates: is a dataset good enough to train on? ``judge`` asks all of them and collects every reason.

The structure comes first, for it turns a file into rows; what stands in ``GATES`` judges these. A gate is added by a
module and a line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from regraft_core.changes import comparable
from regraft_core.fit.asked import Asked
from regraft_core.profile import Profile
from regraft_core.verdict import Reason, Verdict, refuses
from regraft_inference.bundle import Bundle
from regraft_pipeline.data.dataset import Dataset, TemporaryFolder
from regraft_pipeline.data.profile import profile_of, tallies_of
from regraft_pipeline.gates import agreement, drift, learnability, quality, structure
from regraft_pipeline.gates.evaluation import Evaluation, UntrainableError, evaluate
from regraft_pipeline.gates.gate import Evidence, Gate
from regraft_pipeline.tasks import Task

GATES: Sequence[Gate] = (
    drift.GATE,
    learnability.GATE,
    quality.GATE,
)
"""What judges the rows of a dataset, in the order in which reasons are told."""


@dataclass(frozen=True)
class Judgement:
    """The verdict, and what was made on the way to it.

    ``data`` has the contract's columns, typed, each input once, in random order; it is there, for accepted datasets at
    least, wherever rows could be read. ``evaluation`` holds the out-of-fold predictions, ``temporary`` the folder of
    the data where nobody named one.
    """

    verdict: Verdict
    data: Dataset | None = None
    profile: Profile | None = None
    evaluation: Evaluation | None = None
    temporary: TemporaryFolder | None = None

    @property
    def reference(self) -> Profile | None:
        """What other datasets may be held against; None where the gates refuse this one."""
        return self.profile if self.verdict.accepted else None

    @property
    def frame(self) -> pd.DataFrame | None:
        """All rows at once; of large datasets, read the batches instead."""
        return None if self.data is None else self.data.frame()


def judge(
    csv: Path,
    task: Task,
    *,
    reference: Profile | None,
    incumbent: Bundle | None,
    asked: Asked | None = None,
    folder: Path | None = None,
) -> Judgement:
    """Hold a CSV against the contract, the reference, the version in service and what that was asked lately.

    A version in service of another contract is not compared; what changes for those who ask it is told. All reasons
    are collected: a later gate is asked wherever the earlier ones left enough rows. The same file,
    reference and incumbent give the same judgement. The dataset is written into the folder, which without one is
    there as long as the judgement.
    """
    temporary = None
    if folder is None:
        temporary = TemporaryFolder()
        folder = temporary.path
    found = structure.check(csv, task, folder)
    data, reasons = found.data, [*found.reasons, *agreement.check(task.contract, incumbent)]
    if incumbent is not None and not comparable(incumbent.contract, task.contract):
        incumbent = None
    if data is None or len(data) < task.gates.folds or not found.representative:
        return Judgement(_verdict(task, reasons, rows=found.rows, usable_rows=0 if data is None else len(data)))
    evidence = _evidence(data, task, reference, incumbent, asked)
    reasons += [reason for gate in GATES for reason in gate.reasons(evidence)]
    evaluation = evidence.evaluation
    profile = profile_of(
        evidence.tallies,
        task,
        data_sha256=_sha256(csv),
        skill=None if evaluation is None else evaluation.skill,
        scale=None if evaluation is None else evaluation.scale,
        predicted=None if evaluation is None else evaluation.predicted,
        confidence=None if evaluation is None else evaluation.confidence(),
    )
    verdict = _verdict(
        task,
        reasons,
        rows=found.rows,
        usable_rows=len(data),
        metrics={} if evaluation is None else evaluation.metrics,
        incumbent_metrics={} if evaluation is None else evaluation.incumbent_metrics,
        profile=profile,
        reference=reference,
        comparisons=evidence.comparisons,
    )
    return Judgement(verdict, data, profile, evaluation, temporary)


def _evidence(
    data: Dataset, task: Task, reference: Profile | None, incumbent: Bundle | None, asked: Asked | None
) -> Evidence:
    tallies = tallies_of(data.batches(), task)
    if reference is not None and not _measured_alike(reference, task):
        reference = reference.model_copy(update={"skill": None, "scale": None})
    evidence = Evidence(
        task=task,
        reference=reference,
        incumbent=incumbent,
        rows=len(data),
        sample=data.sample(task.gates.evaluation_rows),
        tallies=tallies,
        comparisons=[] if reference is None else drift.compare(tallies, task, reference),
        asked=asked,
    )
    if len(tallies[task.contract.target.name]["values"].values) < 2:
        return evidence
    try:
        scale = None if reference is None else reference.scale
        return replace(evidence, evaluation=evaluate(evidence.sample, task, incumbent, scale=scale))
    except UntrainableError as error:
        return replace(evidence, untrainable=error)


def _measured_alike(reference: Profile, task: Task) -> bool:
    """Whether skill on the reference is on the scale of the task, which may have been another one then."""
    return reference.scale is None or (reference.scale == "classes") == (task.kind == "classification")


def _verdict(task: Task, reasons: list[Reason], **details: object) -> Verdict:
    ordered = sorted(reasons, key=lambda reason: reason.severity == "warning")
    return Verdict.model_validate({"task": task.name, "accepted": not refuses(reasons), "reasons": ordered, **details})


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = [
    "GATES",
    "Dataset",
    "Evaluation",
    "Evidence",
    "Gate",
    "Judgement",
    "Profile",
    "evaluate",
    "judge",
    "profile_of",
]
