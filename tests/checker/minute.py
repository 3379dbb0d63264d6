"""From a table to an answer: ``regraft init``, ``regraft up``, the first prediction, with the time that it takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
from rich.console import Console

from tests.checker.stack import Stack, StackError

TABLE = Path(__file__).parents[2] / "docs" / "tutorial_data.py"
"""Writes tumours.csv and two.json."""

TASK = "tumours"
ANSWER_SECONDS = 120.0


class Minute:
    """The three commands, in a folder of their own; the clock runs from the first to the answer."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self.tasks = folder / "tasks"
        subprocess.run([sys.executable, str(TABLE)], check=True, cwd=folder)
        self._began = time.monotonic()

    def init(self) -> None:
        """Make a task of the table. Raises StackError."""
        regraft = Path(sys.executable).with_name("regraft")
        command = [str(regraft), "init", f"{TASK}.csv", "--target", "diagnosis", "--tasks", str(self.tasks), "--json"]
        done = subprocess.run(command, cwd=self._folder, check=False, capture_output=True, text=True)
        if done.returncode:
            raise StackError(f"regraft init ended with {done.returncode}: {done.stderr.strip()}")
        told = json.loads(done.stdout)
        self._show("regraft init tumours.csv --target diagnosis", f"{len(told['columns'])} columns decided on")
        self._show("regraft up", "trains the first version of it")

    def ask(self, stack: Stack) -> None:
        """Ask until there is an answer, and show it with the time that all took. Raises StackError."""
        url = f"http://127.0.0.1:{stack.predict_port}/{TASK}/predict"
        content = (self._folder / "two.json").read_bytes()
        until = time.monotonic() + ANSWER_SECONDS
        with httpx.Client(timeout=5, trust_env=False) as client:
            while (answer := _answer(client, url, content)) is None:
                if time.monotonic() > until:
                    raise StackError(f"{TASK} is not served in time; see {stack.log}")
                time.sleep(0.1)
        seconds = time.monotonic() - self._began
        self._show(f"curl {url} -d @two.json", answer)
        self._console.print(f"from a table to an answer in {seconds:.0f} s, by three commands\n", highlight=False)

    def _show(self, command: str, said: str) -> None:
        self._console.print(f"  [cyan]{command}[/]  [dim]{said}[/]", soft_wrap=True, highlight=False)


def _answer(client: httpx.Client, url: str, content: bytes) -> str | None:
    try:
        response = client.post(url, content=content)
    except httpx.TransportError:
        return None
    return response.text.strip() if response.is_success else None
