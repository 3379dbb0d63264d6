"""The whole loop before your eyes: start the embedded stack, play the checker's course, show how each cycle went.

``python -m tests.checker.demo [--keep]``; exit code 0 only if every cycle went as it should.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from tests.checker import datasets
from tests.checker.client import Service
from tests.checker.cycles import COURSE, Course
from tests.checker.minute import Minute
from tests.checker.report import make_console, play_course, print_summary
from tests.checker.stack import Stack, StackError, default_or_free_ports
from tests.checker.world import World, aged, patients

SEED = 1
ASKED = 10
"""How often each of the changed world's people asks: those of the course before have asked as well."""


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.checker.demo", description="Show the whole loop.")
    parser.add_argument("--keep", action="store_true", help="leave the stack up afterwards, until Ctrl-C")
    keep = parser.parse_args().keep
    console = make_console()
    signal.signal(signal.SIGTERM, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="regraft-demo-"))
    environment = {"REGRAFT_TASKS_DIR": str(folder / "tasks")}
    stack = Stack(folder, ports=default_or_free_ports(), environment=environment)
    try:
        good = _play(stack, console)
        if keep:
            _stay(stack, console)
    except StackError as error:
        good = False
        console.print(f"[red]{escape(str(error))}[/]", soft_wrap=True, highlight=False)
    except KeyboardInterrupt:
        good = False
        console.print("interrupted")
    finally:
        stack.stop()
    if good and not keep:
        _print_next(console)
        shutil.rmtree(stack.folder, ignore_errors=True)
    elif not good:
        console.print(
            f"[red]Not all went as it should.[/] Logs are in {stack.folder}/logs and {stack.log}; look at it with\n"
            f"  [cyan].venv/bin/regraft up --data {stack.folder}[/]",
            soft_wrap=True,
            highlight=False,
        )
    return 0 if good else 1


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Let SIGTERM end the demo as Ctrl-C does, so that it leaves no processes behind."""
    raise KeyboardInterrupt


def _play(stack: Stack, console: Console) -> bool:
    console.print("[bold]One minute:[/] a table becomes a task, and is served.")
    with console.status("making a task of a table"):
        minute = Minute(stack.folder, console)
        minute.init()
    started = time.monotonic()
    with console.status("starting the stack") as status:
        stack.start()
        stack.wait_ready(watch=Waiting(console, status))
        minute.ask(stack)
    console.print("[bold]The loop on this machine:[/] datasets good and bad are posted to the stack.")
    console.print(f"stack is up after {time.monotonic() - started:.1f} s", highlight=False)
    _print_addresses(stack, console)
    console.print()
    with datasets.serving() as server, Service(stack.trigger_url, stack.predict_url) as service:
        course = Course(service, f"http://127.0.0.1:{server.port}", seed=SEED, timeout=120)
        outcomes = play_course(course, COURSE, console)
    print_summary(outcomes, console)
    return _close_the_loop(stack, console) and all(outcome.ok for outcome in outcomes)


def _close_the_loop(stack: Stack, console: Console) -> bool:
    """Let the world change, what serves learn from what happened, and return whether it fits again."""
    console.print("\n[bold]The world changes:[/] people are older now; they ask, and tell what happened.")
    world, old = World(stack.addresses["trigger service"], stack.addresses["predictor"]), aged(patients(SEED))
    with console.status("asking, telling, collecting"):
        for _ in range(ASKED):
            world.ask(old)
        world.tell(old)
        before = world.fit(rows=ASKED * len(old))["state"]
        run = world.collect()
        world.ask(old)
        after = world.fit(rows=len(old))["state"]
    world.close()
    good = (before, run["state"], after) == ("unfit", "promoted", "fits")
    console.print(
        f"{'[green]ok[/]  ' if good else '[red]FAIL[/]'} {world.task} was {before}; what was collected of requests and "
        f"outcomes was {run['state']} as version {run['version']}, which {after} what is asked",
        soft_wrap=True,
        highlight=False,
    )
    return good


class Waiting:
    """Shows what is waited for: beside a spinner, or in lines where nobody looks at a terminal."""

    def __init__(self, console: Console, status: Status) -> None:
        self._console = console
        self._status = status
        self._names: set[str] = set()

    def __call__(self, names: set[str]) -> None:
        """Take the names of what is not ready yet."""
        words = f"waiting for {', '.join(sorted(names))}"
        self._status.update(words)
        if names != self._names and not self._console.is_terminal:
            self._console.print(words, highlight=False)
        self._names = set(names)


def _print_addresses(stack: Stack, console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    for name, address in (stack.addresses | {"data and logs": str(stack.folder)}).items():
        table.add_row("", name, escape(address))
    console.print(table, highlight=False)


def _print_next(console: Console) -> None:
    console.print("\nNext, in a browser and with your own data:")
    for command in ("make demo KEEP=1", ".venv/bin/regraft up", ".venv/bin/regraft trigger DATA --wait"):
        console.print(f"  [cyan]{command}[/]", highlight=False)


def _stay(stack: Stack, console: Console) -> None:
    console.print("\nThe stack stays up until Ctrl-C. Open:")
    _print_addresses(stack, console)
    url = f"http://127.0.0.1:{stack.trigger_port}"
    console.print("Every run has its page and its data report there, also in a second terminal:")
    for command in (f"runs --url {url}", f"trigger DATA --wait --url {url}"):
        console.print(f"  [cyan].venv/bin/regraft {command}[/]", soft_wrap=True, highlight=False)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping")


if __name__ == "__main__":
    sys.exit(main())
