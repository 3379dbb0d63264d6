"""The check on a terminal: a line a cycle while it goes on, a table when it is over."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.checker.client import RunView
from tests.checker.cycles import Course, Cycle, Outcome

UNBOUNDED_WIDTH = 160
"""Columns where the output goes to a file and no terminal tells its width."""


def make_console() -> Console:
    """Return the console of the check."""
    return Console(width=None if sys.stdout.isatty() else UNBOUNDED_WIDTH)


def play_course(course: Course, cycles: Sequence[Cycle], console: Console) -> list[Outcome]:
    """Play the cycles in their order, and show each as it goes and as it went."""
    outcomes = []
    for number, cycle in enumerate(cycles, start=1):
        title = f"{number}/{len(cycles)} {cycle.title}"
        with console.status(title) as status:

            def watch(run: RunView, title: str = title) -> None:
                status.update(f"{title}: {run.run_id} {run.step or run.state}")

            outcome = course.play(cycle, watch=watch)
        outcomes.append(outcome)
        _print_outcome(console, title, outcome)
    return outcomes


def _print_outcome(console: Console, title: str, outcome: Outcome) -> None:
    mark = "[green]ok[/]  " if outcome.ok else "[red]FAIL[/]"
    happened = f"{outcome.state} ({', '.join(outcome.codes)})" if outcome.codes else outcome.state
    console.print(
        f"{mark} [bold]{escape(title)}[/]: expected {' or '.join(outcome.cycle.expected)}, "
        f"{outcome.run_id or 'no run'} was {happened}; "
        f"version {outcome.version or '?'}; predictions {outcome.predictions or '?'}; {outcome.seconds:.1f} s",
        soft_wrap=True,
        highlight=False,
    )
    for problem in outcome.problems:
        console.print(f"     [red]{escape(problem)}[/]", soft_wrap=True, highlight=False)


def print_summary(outcomes: Sequence[Outcome], console: Console) -> None:
    """Show all cycles in a table, and the sum of them."""
    table = Table(title="Cycles", title_justify="left")
    for heading in ("", "cycle", "expected", "was", "why", "version", "predictions"):
        table.add_column(heading)
    table.add_column("s", justify="right")
    for outcome in outcomes:
        table.add_row(
            "[green]ok[/]" if outcome.ok else "[red]FAIL[/]",
            escape(outcome.cycle.title),
            " or ".join(outcome.cycle.expected),
            outcome.state,
            ", ".join(outcome.codes),
            outcome.version,
            outcome.predictions,
            f"{outcome.seconds:.1f}",
        )
    console.print(table)
    good = sum(outcome.ok for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    console.print(f"{good} of {len(outcomes)} cycles went as they should; {seconds:.0f} s", highlight=False)
