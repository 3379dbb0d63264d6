"""What the command line does around a stack of its own: waits until it is ready, says where it is, ends it in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.live import Live
from rich.text import Text

from regraft_cli import terminal
from regraft_cli.options import DEFAULT_PREDICTOR, url_option

if TYPE_CHECKING:
    from regraft_cli.embedded.stack import Stack


SLOW_SECONDS = 60.0
"""After so long it is said where to read what a process does that is not ready yet."""


def wait_ready(stack: Stack, err: Console) -> None:
    """Wait for the stack, and show for what: a picture that changes, or a line where nobody looks."""
    began, told, logs = time.monotonic(), "", {child.name: child.log for child in stack.children}
    with Live(console=err, refresh_per_second=10, transient=True) as live:

        def watch(ready: dict[str, bool]) -> None:
            nonlocal told, logs
            missing = ", ".join(name for name, done in ready.items() if not done)
            if err.is_terminal:
                live.update(terminal.readiness(ready))
            elif missing and missing != told:
                err.print(Text(f"waiting for {missing}"), soft_wrap=True)
            told = missing
            if logs and time.monotonic() - began > SLOW_SECONDS:
                for name in [name for name in logs if not ready.get(name, True)]:
                    err.print(Text(f"{name} lives and is still starting; its log: {logs[name]}"), soft_wrap=True)
                logs = {}

        stack.wait_ready(watch)
    for task, why in stack.broken.items():
        err.print(Text(f"{task} is broken: {why}", "red"), soft_wrap=True)
    for task in stack.late:
        err.print(Text(f"{task} is still being trained, and serves as soon as that is done", "yellow"), soft_wrap=True)
    err.print(Text(f"ready after {time.monotonic() - began:.1f} s"))


def addresses(stack: Stack) -> list[tuple[str, str]]:
    """Return what a person opens or types next, by what it is."""
    return [
        ("page and trigger", stack.trigger_url),
        *((f"predict {task}", f"{stack.predict_url}/{task}/predict") for task in stack.tasks),
        ("MLflow", stack.mlflow_url),
        ("data and logs", str(stack.folder)),
        ("post a dataset", f"regraft trigger DATA --wait{url_option(stack.trigger_url)}"),
        ("ask for answers", f"regraft predict FILE --task TASK{url_option(stack.predict_url, DEFAULT_PREDICTOR)}"),
        ("stop", "Ctrl-C; what was accepted goes on at the next start"),
    ]


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT, which a shell's background jobs ignore, end this process with its stack in order."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
