"""The data report of a run: what the gates say, for the person who sent the dataset.

``Report`` is its content, the same for all: one HTML file that needs nothing else, the terminal, JSON.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from regraft_core.addresses import can_be_posted
from regraft_core.presentation import palette, words
from regraft_core.presentation.charts import Chart
from regraft_core.presentation.distributions import Distribution, compared, groups_of
from regraft_core.presentation.figures import figure, figure_name
from regraft_core.profile import Profile
from regraft_core.verdict import Reason, Verdict
from regraft_pipeline.gates import GATES
from regraft_pipeline.report.plots import COUNTS, COUNTS_NOTE, Training, importance, pairs, shapes

METRICS = {
    "skill": "1 is always right, 0 no better than a constant",
    "mae": "mean absolute error, less is better",
    "rmse": "root of the mean squared error, less is better",
    "rmsle": "the same of log(1 + target), less is better",
    "within_0.05": "share of rows predicted within 0.05, more is better",
    "accuracy": "share of rows predicted right, more is better",
    "recall": "mean over the classes of the share found, more is better",
    "roc_auc": "area under the ROC curve, more is better",
    "log_loss": "of the probabilities, less is better",
    "brier": "squared error of the probabilities, less is better",
}
"""What metrics mean, in a few words."""

QUESTIONS: Mapping[str, str] = {
    "structure": "Is it a dataset of this task?",
    **{gate.name: gate.question for gate in GATES},
}
"""What each gate asks."""

type GateState = Literal["passed", "warned", "refused", "not asked"]


@dataclass(frozen=True)
class Step:
    """What somebody can do next, and the command for it."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class Commands:
    """How the next commands are typed: the dataset's file, and options, each after a space."""

    file: str = "FILE.csv"
    data_option: str = ""
    post: str = "regraft trigger"
    post_options: str = " --wait"


@dataclass(frozen=True)
class Finding:
    """All reasons of one code: one rule that was broken, or nearly, in one column or in several."""

    code: str
    gate: str
    severity: Literal["error", "warning"]
    reasons: list[Reason]

    @property
    def title(self) -> str:
        """The code in words."""
        return words.title(self.code)

    @property
    def remedies(self) -> list[str]:
        """What would have passed, each said once."""
        return list(dict.fromkeys(reason.remedy for reason in self.reasons if reason.remedy))

    @property
    def has_columns(self) -> bool:
        """Whether its reasons are about columns."""
        return any(reason.column for reason in self.reasons)

    @property
    def figure_names(self) -> list[str]:
        """Names of all figures, in their order."""
        return list(dict.fromkeys(name for reason in self.reasons for name in reason.figures))


@dataclass(frozen=True)
class Figure:
    """A chart with what stands above it."""

    title: str
    note: str
    chart: Chart


@dataclass(frozen=True)
class Report:
    """What is said of a dataset. Without ``run_id`` it is a file that was judged, not a run."""

    verdict: Verdict
    run_id: str | None
    data_url: str | None
    because: str
    gates: dict[str, GateState]
    findings: list[Finding]
    steps: list[Step]
    distributions: list[Distribution]
    reference: Profile | None

    @property
    def headline(self) -> str:
        """The verdict in a sentence."""
        return f"{'Accepted' if self.verdict.accepted else 'Rejected'}: {self.because}"

    @property
    def in_rows(self) -> str:
        """What a drifted target means in rows; nothing where it has not drifted."""
        target = next((one for one in self.distributions if one.what == "target" and one.drifted), None)
        if target is None:
            return ""
        most = max(target.groups, key=lambda group: abs(group.difference))
        rows, total = round(most.share * self.verdict.usable_rows), self.verdict.usable_rows
        expected = round((most.reference or 0.0) * total)
        found = f"{rows:,} of {total:,} rows have {target.column} {most.label}"
        return f"{found}; with the shares of the reference it would be {expected:,}"

    def document(self) -> dict[str, Any]:
        """Return the report as JSON: the verdict, and what is said beyond it."""
        said = {"summary": self.headline, "gates": self.gates, "next": [asdict(step) for step in self.steps]}
        return self.verdict.model_dump(mode="json") | said


def report_of(
    verdict: Verdict, *, run_id: str | None = None, data_url: str | None = None, commands: Commands | None = None
) -> Report:
    """Return what is to be said of a verdict."""
    return Report(
        verdict=verdict,
        run_id=run_id,
        data_url=data_url,
        because=_because(verdict),
        gates=_gates(verdict),
        findings=_findings(verdict.reasons),
        steps=next_steps(verdict, run_id, data_url, commands or Commands()),
        distributions=compared(verdict) or _alone(verdict),
        reference=verdict.reference,
    )


def render(verdict: Verdict, *, run_id: str, data_url: str | None, training: Training | None = None) -> str:
    """Return the report of a verdict as HTML, with what a model has learned from the dataset where there is one.

    Everything that comes from outside is escaped; it loads nothing.
    """
    report = report_of(verdict, run_id=run_id, data_url=data_url)
    template = _environment().get_template("report.html")
    learned = _learned(training or Training())
    return template.render(report=report, verdict=verdict, QUESTIONS=QUESTIONS, learned=learned)


def next_steps(verdict: Verdict, run_id: str | None, data_url: str | None, commands: Commands) -> list[Step]:
    """Return what to do about a verdict, with the commands; nothing where a run was accepted and goes on by itself."""
    task = "" if verdict.task == "passwords" else f" --task {shlex.quote(verdict.task)}"
    data = shlex.quote(data_url if data_url and can_be_posted(data_url) else "DATA")
    post = f"{commands.post} {data if run_id else shlex.quote(commands.file)}{task}{commands.post_options}"
    ask = f"regraft verdict {shlex.quote(commands.file)}{task}{commands.data_option}"
    if verdict.accepted:
        return [] if run_id else [Step("Send it, or put it behind an address and post that", post)]
    if all(reason.gate == "drift" for reason in verdict.errors):
        which = shlex.quote(run_id) if run_id else f"{shlex.quote(commands.file)}{task}"
        bless = f"regraft bless {which} --why REASON{commands.data_option}"
        return [
            Step("If rows are missing or were drawn in another way, repair the dataset and ask the gates again", ask),
            Step("If the world has changed for good, make this dataset the reference; a person decides that", bless),
            Step("Then post it again", post),
        ]
    return [
        Step("Repair the dataset: with each reason stands what would have passed"),
        Step("Ask the gates about the repaired file", ask),
        Step("Then post it again", post),
    ]


def _because(verdict: Verdict) -> str:
    if verdict.accepted:
        but = (
            f"no gate refused it, {_counted(len(verdict.reasons), 'warning')}"
            if verdict.reasons
            else "every gate passed"
        )
        return f"{verdict.usable_rows:,} of {verdict.rows:,} rows are fit for training; {but}."
    if not verdict.errors:
        return "no reason was given."
    others = len(verdict.errors) - 1
    more = f" {_counted(others, 'more reason')} below." if others else ""
    return f"{verdict.errors[0].message.rstrip('.')}.{more}"


def _learned(training: Training) -> list[Figure]:
    """Return charts of what a model has learned: how much each column counts, and what it adds at its values."""
    counts = [Figure(COUNTS, COUNTS_NOTE, importance(training.importance, "answers"))] if training.importance else []
    alone = [Figure(title, f"added to {training.scale}", chart) for title, chart in shapes(training.shapes)]
    together = [
        Figure(title, f"added together to {training.scale}, a half of it for each", chart)
        for title, chart in pairs(training.pairs)
    ]
    return [*counts, *alone, *together]


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'s' * (number != 1)}"


def _gates(verdict: Verdict) -> dict[str, GateState]:
    asked = {"structure": True} | {gate.name: gate.asked(verdict) for gate in GATES}
    return {gate: _state(verdict, gate) if asked[gate] or _found(verdict, gate) else "not asked" for gate in asked}


def _found(verdict: Verdict, gate: str) -> set[str]:
    return {reason.severity for reason in verdict.reasons if reason.gate == gate}


def _state(verdict: Verdict, gate: str) -> GateState:
    found = _found(verdict, gate)
    return "refused" if "error" in found else "warned" if found else "passed"


def _findings(reasons: list[Reason]) -> list[Finding]:
    groups: dict[tuple[str, str], list[Reason]] = {}
    for reason in reasons:
        groups.setdefault((reason.code, reason.severity), []).append(reason)
    return [Finding(of[0].code, of[0].gate, of[0].severity, of) for of in groups.values()]


def _alone(verdict: Verdict) -> list[Distribution]:
    """Return the distributions of a dataset that there was no reference for."""
    profile = verdict.profile
    if profile is None:
        return []
    columns = [("target", "target", profile.target)]
    columns += [(column, what, found) for column, group in profile.inputs.items() for what, found in group.items()]
    return [
        Distribution(column, what, *groups_of(found.labels, found.shares, None, what=what))
        for column, what, found in columns
    ]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("regraft_pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"address": words.address, "sentence": words.sentence, "figure_name": figure_name}
    environment.globals |= {"light": palette.variables(palette.LIGHT), "dark": palette.variables(palette.DARK)}
    environment.globals |= {"figure": figure, "metric_words": METRICS, "remedy_words": words.REMEDIES}
    return environment
