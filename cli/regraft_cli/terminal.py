"""Runs, verdicts and addresses on a terminal, as the command line shows them."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, ConsoleRenderable, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from regraft_core.addresses import can_be_posted
from regraft_core.codes import Code
from regraft_core.presentation.figures import figure, figure_name
from regraft_core.presentation.words import REMEDIES, address, sentence
from regraft_core.runs import Run, RunState, Step, StepState, now

if TYPE_CHECKING:
    from regraft_core.presentation.distributions import Distribution
    from regraft_pipeline.report.report import Finding, Report

STATE_STYLES = {
    RunState.QUEUED: "dim",
    RunState.RUNNING: "cyan",
    RunState.PROMOTED: "green",
    RunState.UNCHANGED: "green",
    RunState.REJECTED: "yellow",
    RunState.SUPERSEDED: "blue",
    RunState.ROLLED_BACK: "magenta",
    RunState.CANCELLED: "dim",
    RunState.FAILED: "red",
}
STEP_SIGNS: Mapping[StepState, ConsoleRenderable] = {
    StepState.PENDING: Text("·", "dim"),
    StepState.RUNNING: Spinner("dots", style="cyan"),
    StepState.SUCCEEDED: Text("✓", "green"),
    StepState.FAILED: Text("✗", "red"),
    StepState.SKIPPED: Text("-", "dim"),
}
OUTCOMES = {
    RunState.PROMOTED: "Version {version} of {task} serves.",
    RunState.UNCHANGED: "Nothing to do: this very dataset serves already. --force trains on it anew.",
    RunState.SUPERSEDED: "A dataset that was accepted later was promoted first; that one serves.",
    RunState.ROLLED_BACK: "The new version did not become ready; the one before serves on.",
    RunState.CANCELLED: "Somebody ended it; what served before serves on.",
}
"""What an end means, in a sentence."""

GATE_STYLES = {"passed": ("✓", "green"), "warned": ("!", "yellow"), "refused": ("✗", "red"), "not asked": ("-", "dim")}
SEVERITY_STYLES = {"error": ("✗", "red"), "warning": ("!", "yellow")}

BAR_CELLS = 24
"""Length of the longest bar of a distribution, in characters."""

SHOWN_GROUPS = 8
"""Most groups of an input that are shown; the page shows more."""

UNBOUNDED_WIDTH = 120
"""Columns where the output goes to a file and no terminal tells its width."""


_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
"""Characters that turn the direction of what follows, so that a line reads as another."""


class _Console(Console):
    """A console that shows control characters as text: a dataset may hold some that steer the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control or segment.text.isprintable() else Segment(_shown(segment), segment.style)


def _shown(segment: Segment) -> str:
    return "".join(
        sign.encode("unicode_escape").decode()
        if sign != "\n" and (unicodedata.category(sign) == "Cc" or unicodedata.bidirectional(sign) in _TURNS)
        else sign
        for sign in segment.text
    )


def make_console(*, stderr: bool = False) -> Console:
    """Return a console whose lines are not broken at 80 columns where nobody looks at a terminal."""
    console = _Console(stderr=stderr)
    if not console.is_terminal:
        console.width = max(console.width, UNBOUNDED_WIDTH)
    return console


def state(run: Run) -> Text:
    """Return the state of a run in words, marked where the gates warned of its dataset."""
    mark = (" !", SEVERITY_STYLES["warning"][1]) if run.warnings else ""
    return Text.assemble((run.state.replace("_", " "), STATE_STYLES[run.state]), mark)


def follow(states: Iterable[Run], console: Console) -> Run:
    """Show each state of a run, and return the last: a picture that changes, or a line a step where nobody looks."""
    told = ""
    with Live(console=console, refresh_per_second=10, transient=True) as live:
        for run in states:
            if console.is_terminal:
                live.update(course(run))
            elif (line := _line(run)) != told:
                console.print(Text(told := line), soft_wrap=True)
    console.print(course(run))
    return run


def course(run: Run) -> Table:
    """Return a run with its steps: what is done and how long it took, what goes on and what it waits for."""
    table = Table.grid(padding=(0, 2))
    table.add_row("", Text(run.run_id, "bold"), state(run), Text(address(run.data_url or ""), overflow="fold"))
    for step in run.steps:
        table.add_row(STEP_SIGNS[step.state], step.name, _measure(step), Text(step.message))
    if run.state == RunState.QUEUED:
        table.add_row("", "", "", Text("waits until the runs accepted before it have ended", "dim"))
    if run.cause and run.state.ended:
        is_told = any(step.message == run.cause.message for step in run.steps)
        words = Text("" if is_told else run.cause.message)
        table.add_row("", Text(run.cause.code, STATE_STYLES[run.state]), "", words)
    return table


def readiness(ready: Mapping[str, bool]) -> Table:
    """Return what is ready, and what is waited for."""
    table = Table.grid(padding=(0, 1))
    for name, done in ready.items():
        table.add_row(
            Text("✓", "green") if done else Spinner("dots", style="cyan"),
            name,
            Text(
                "" if done else "starts" if name in ("mlflow", "predictor", "trigger") else "its model is made", "dim"
            ),
        )
    return table


def pairs(rows: Iterable[tuple[str, str]]) -> Table:
    """Return names and what they stand for, such as addresses."""
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, "bold"), Text(value, overflow="fold"))
    return table


def report(found: Report, *, brief: bool = False) -> Group:
    """Return the data report; ``brief``: the reasons and what to do, without distributions and metrics."""
    verdict = found.verdict
    sign, style = ("✓", "green") if verdict.accepted else ("✗", "red")
    gates = Text("   ").join(
        Text.assemble((f"{GATE_STYLES[of][0]} ", GATE_STYLES[of][1]), f"{gate} ", (of, "dim"))
        for gate, of in found.gates.items()
    )
    parts: list[ConsoleRenderable] = []
    if not brief:
        parts += [Text.assemble((f"{sign} {found.headline}", f"bold {style}")), Text(), gates, Text()]
    for finding in found.findings:
        parts += [_finding(finding, found), Text()]
    if not brief:
        parts += [_distribution(one) for one in found.distributions if one.what == "target" or one.drifted]
        parts += _others([one for one in found.distributions if one.what != "target" and not one.drifted])
        if verdict.metrics:
            parts += [_metrics(verdict.metrics, verdict.incumbent_metrics), Text()]
    if found.steps:
        parts.append(steps([(step.text, step.command) for step in found.steps]))
    return Group(*parts)


@dataclass(frozen=True)
class End:
    """What is told when a run has ended: how its dataset is posted again, and where to look ({} is the run's id)."""

    post: str
    options: str
    links: Mapping[str, str]
    data_option: str = ""
    is_up: bool = True
    """Whether the stack stays up, and the links of the run with it."""


def end(run: Run, way: End) -> Group:
    """Return what came of a run: where to look, or why not and what to type next."""
    parts: list[ConsoleRenderable] = [Text()]
    if run.state == RunState.REJECTED and run.verdict is not None:
        from regraft_pipeline.report.report import Commands, report_of  # noqa: PLC0415  (it brings the gates)

        commands = Commands(data_option=way.data_option, post=way.post, post_options=way.options)
        found = report_of(run.verdict, run_id=run.run_id, data_url=run.data_url, commands=commands)
        parts.append(report(found, brief=True))
    elif run.state == RunState.FAILED and run.kind == "train":
        data = run.data_url if run.data_url and can_be_posted(run.data_url) else "DATA"
        again = f"{way.post} {shlex.quote(data)} --task {run.task}{way.options}"
        parts.append(steps([("Put right what stands above, then ask again", again)]))
    elif run.state in OUTCOMES:
        parts.append(Text(OUTCOMES[run.state].format(version=run.version, task=run.task)))
    parts += _warnings(run)
    links = [(name, link.format(run.run_id)) for name, link in way.links.items() if run.verdict or name != "report"]
    if way.is_up and "mlflow" in run.links:
        links.append(("MLflow", run.links["mlflow"]))
    return Group(*parts, Text(), pairs(links))


def _warnings(run: Run) -> list[ConsoleRenderable]:
    """Return what the gates warned of, of a dataset that they accepted: each with what gives no warning."""
    if run.verdict is None or not run.warnings:
        return []
    sign, style = SEVERITY_STYLES["warning"]
    lines: list[ConsoleRenderable] = [Text()]
    for reason in run.verdict.warnings:
        lines.append(Text.assemble((f"{sign} Warning: ", f"bold {style}"), reason.message, (f"  {reason.code}", "dim")))
        if reason.remedy:
            lines.append(Text(f"  {REMEDIES['warning']}: {reason.remedy}."))
    return lines


def steps(found: Sequence[tuple[str, str]]) -> Group:
    """Return what to do next, each with its command."""
    lines: list[ConsoleRenderable] = [Text("What to do now", "bold")]
    for number, (words, command) in enumerate(found, start=1):
        lines.append(Text(f"{number}  {words}."))
        if command:
            lines.append(Text(f"   {command}", "cyan", overflow="fold"))
    return Group(*lines)


def _line(run: Run) -> str:
    step = next((step for step in run.steps if step.state == StepState.RUNNING), None)
    return f"{run.run_id} {run.state.replace('_', ' ')}" + (
        f": {step.name}, {step.message}".rstrip(", ") if step else ""
    )


def _measure(step: Step) -> ConsoleRenderable:
    if step.started_at and step.finished_at:
        return Text(f"{(step.finished_at - step.started_at).total_seconds():.1f} s")
    if step.state != StepState.RUNNING:
        return Text()
    if step.progress is not None:
        return ProgressBar(total=1.0, completed=step.progress, width=16)
    return Text(f"{(now() - step.started_at).total_seconds():.0f} s" if step.started_at else "", "dim")


def _finding(finding: Finding, found: Report) -> Group:
    sign, style = SEVERITY_STYLES[finding.severity]
    head = Text.assemble(
        (f"{sign} {finding.title}", f"bold {style}"), (f"  {finding.gate} gate, {finding.code}", "dim")
    )
    lines: list[ConsoleRenderable] = [Text(sentence(reason.message, reason.column)) for reason in finding.reasons]
    if finding.code == Code.TARGET_DRIFT and found.in_rows:
        lines.append(Text(sentence(found.in_rows)))
    lines += [Text.assemble((f"{REMEDIES[finding.severity]}: ", "bold"), f"{remedy}.") for remedy in finding.remedies]
    if finding.figure_names:
        table = _table([*(["column"] if finding.has_columns else []), *map(figure_name, finding.figure_names)])
        for reason in finding.reasons:
            cells = [figure(reason.figures, name) for name in finding.figure_names]
            table.add_row(*map(Text, [*([reason.column or ""] if finding.has_columns else []), *cells]))
        lines.append(table)
    for reason in finding.reasons:
        if reason.rows:
            rows = _table(list(reason.rows[0]))
            for row in reason.rows:
                rows.add_row(*(Text(str(value), style if name == reason.column else "") for name, value in row.items()))
            lines.append(rows)
    return Group(head, Padding(Group(*lines), (0, 0, 0, 2), expand=False))


def _distribution(found: Distribution) -> Group:
    shown = found.groups if found.what == "target" else found.groups[:SHOWN_GROUPS]
    largest = max((max(group.share, group.reference or 0.0) for group in shown), default=0.0) or 1.0
    table = Table.grid(padding=(0, 1))
    for group in shown:
        for name, share, sign in ((group.label, group.share, "█"), ("", group.reference, "░")):
            if share is not None:
                bar = sign * max(round(BAR_CELLS * share / largest), 1)
                table.add_row(Text(name, justify="right"), Text(bar, "green" if sign == "█" else "dim"), f"{share:.1%}")
    hidden = len(found.groups) - len(shown) + found.left_out
    notes = [found.note, f"{len(shown)} of {len(shown) + hidden} shown" if hidden else ""]
    notes += ["█ this dataset, ░ the reference" if found.psi is not None else ""]
    head = Text.assemble((found.title, "bold"), (f"  {'; '.join(filter(None, notes))}", "dim"))
    return Group(head, Padding(table, (0, 0, 1, 2), expand=False))


def _others(found: list[Distribution]) -> list[ConsoleRenderable]:
    told = [f"{one.title} ({one.note})" for one in found if one.note]
    return [Text.assemble(("As in the reference: ", "bold"), "; ".join(told)), Text()] if told else []


def _metrics(metrics: Mapping[str, float], incumbent: Mapping[str, float]) -> Table:
    table = _table(["on rows not seen", "new model", *(["version in service"] if incumbent else [])])
    for name, value in metrics.items():
        beside = [f"{incumbent[name]:.4g}" if name in incumbent else ""] if incumbent else []
        table.add_row(name, f"{value:.4g}", *beside)
    return table


def _table(names: Sequence[str]) -> Table:
    return Table(*map(escape, names), box=None, header_style="dim", padding=(0, 2, 0, 0))
