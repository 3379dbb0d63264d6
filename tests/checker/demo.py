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

from tests.checker import datasets
from tests.checker.client import Service
from tests.checker.cycles import COURSE, Course
from tests.checker.report import make_console, play_course, print_summary
from tests.checker.stack import Stack, StackError, default_or_free_ports

SEED = 1


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.checker.demo", description="Show the whole loop.")
    parser.add_argument("--keep", action="store_true", help="leave the stack up afterwards, until Ctrl-C")
    keep = parser.parse_args().keep
    console = make_console()
    signal.signal(signal.SIGTERM, _interrupt)
    stack = Stack(Path(tempfile.mkdtemp(prefix="regraft-demo-")), ports=default_or_free_ports())
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
        shutil.rmtree(stack.folder, ignore_errors=True)
    elif not good:
        console.print(f"[red]Not all went as it should.[/] Logs and data are in {stack.folder}", soft_wrap=True)
    return 0 if good else 1


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Let SIGTERM end the demo as Ctrl-C does, so that it leaves no processes behind."""
    raise KeyboardInterrupt


def _play(stack: Stack, console: Console) -> bool:
    started = time.monotonic()
    with console.status("starting the stack") as status:
        stack.start()
        stack.wait_ready(watch=lambda waiting: status.update(f"waiting for {', '.join(sorted(waiting))}"))
    console.print(f"stack is up after {time.monotonic() - started:.1f} s", highlight=False)
    _print_addresses(stack, console)
    with datasets.serving() as server, Service(stack.trigger_url, stack.predict_url) as service:
        course = Course(service, f"http://127.0.0.1:{server.port}", seed=SEED, timeout=120)
        outcomes = play_course(course, COURSE, console)
    print_summary(outcomes, console)
    return all(outcome.ok for outcome in outcomes)


def _print_addresses(stack: Stack, console: Console) -> None:
    for name, address in (stack.addresses | {"data and logs": str(stack.folder)}).items():
        console.print(f"  {name}: {address}", soft_wrap=True, highlight=False)


def _stay(stack: Stack, console: Console) -> None:
    console.print("The stack stays up until Ctrl-C:")
    _print_addresses(stack, console)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("stopping")


if __name__ == "__main__":
    sys.exit(main())
