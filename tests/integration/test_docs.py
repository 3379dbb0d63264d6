"""The commands of the documents, run as they stand there, against the embedded stack.

Ports, the data folder and the address of the example dataset are put in; nothing else of a command is changed. What a
document shows as the output has to be printed; ``...`` there stands for anything.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checker.datasets import DatasetServer
from tests.checker.stack import Stack
from tests.proofs import some
from tests.unit.docs.commands import DOCUMENTS, ROOT, Command, commands

EXAMPLE = "https://data.example.org/passwords.csv"
TUTORIAL_PORT = 9000
"""Where the tutorial serves its dataset."""

RUNNABLE = [document for document in DOCUMENTS if any(command.is_run for command in commands(document))]
LONG = {ROOT / "docs" / name for name in ("python.md", "requirements.md", "tutorial.md")}
"""Whose commands train and judge again and again."""
TIMEOUT = 120


class Shell:
    """Runs the commands of one document, one after the other, in a folder that looks like the repository's."""

    def __init__(self, folder: Path, stack: Stack, addresses: dict[str, str]) -> None:
        self.folder = folder
        self.addresses = addresses
        self.background: list[subprocess.Popen[bytes]] = []
        self.environment = os.environ | {
            "COLUMNS": "200",
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "REGRAFT_DATA": str(stack.folder),
            "REGRAFT_TRIGGER_URL": f"http://127.0.0.1:{stack.trigger_port}",
            "REGRAFT_TASKS_DIR": str(stack.folder / "tasks"),
        }
        for path in ROOT.iterdir():
            if path.name != "regraft-data":
                (folder / path.name).symlink_to(path)
        (folder / "regraft-data").symlink_to(stack.folder)

    def missing(self, wanted: list[Command]) -> list[str]:
        """Return the programs that a document asks for and that are not here."""
        programs = {command.words[0] for command in wanted if command.is_run}
        return sorted(name for name in programs if shutil.which(name, path=self.environment["PATH"]) is None)

    def run(self, command: Command) -> str:
        """Run a command and return what it prints, with the addresses as the document has them."""
        text = command.text
        for documented, real in self.addresses.items():
            text = text.replace(documented, real)
        call = ["bash", "-o", "pipefail", "-c", text]
        if re.search(r"&\s*(#.*)?$", text):
            self._start(text)
            return ""
        done = subprocess.run(
            call, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
        )
        assert done.returncode == command.exit_code, f"{command}: {text}\n{done.stdout}{done.stderr}"
        printed = done.stdout
        for documented, real in self.addresses.items():
            printed = printed.replace(real, documented)
        return printed

    def _start(self, text: str) -> None:
        """Start a web server that the next commands need, and wait until it listens."""
        words = re.sub(r"&\s*(#.*)?$", "", text)
        process = subprocess.Popen(
            ["bash", "-c", f"exec {words}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.background.append(process)
        assert process.stdout is not None
        process.stdout.readline()

    def close(self) -> None:
        """End what still runs."""
        for process in self.background:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=10)


@contextmanager
def tidied(stack: Stack) -> Iterator[None]:
    """Put the references back that were there before, for a document may bless a dataset, and take its tasks away."""
    references, kept = stack.folder / "bucket" / "reference", stack.folder / "references-before"
    shutil.copytree(references, kept)
    try:
        yield
    finally:
        shutil.rmtree(stack.folder / "tasks", ignore_errors=True)
        shutil.rmtree(references)
        kept.rename(references)


def pattern(lines: list[str]) -> re.Pattern[str]:
    """Return what matches the output: ``...`` is anything, and runs of spaces are alike."""
    parts = [re.escape(" ".join(part.split(" "))) for part in "\n".join(lines).split("...")]
    return re.compile(".*?".join(re.sub(r"(\\ )+", r"\\s+", part) for part in parts) + r"\s*", re.DOTALL)


@pytest.mark.timeout(600)  # one document is up to twenty commands
@pytest.mark.parametrize(
    "document", some(RUNNABLE, short=set(RUNNABLE) - LONG), ids=lambda path: str(path.relative_to(ROOT))
)
def test_commands_do_what_the_document_says(
    document: Path, stack: Stack, dataset_server: DatasetServer, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    seed = 5000 + DOCUMENTS.index(document)
    addresses = {
        EXAMPLE: f"http://127.0.0.1:{dataset_server.port}/good.csv?seed={seed}",
        **{
            f"{host}:{documented}": f"127.0.0.1:{real}"
            for host in ("localhost", "127.0.0.1")
            for documented, real in (
                (8000, stack.trigger_port),
                (8080, stack.predict_port),
                (5000, stack.mlflow_port),
                (TUTORIAL_PORT, port),
            )
        },
        f"http.server {TUTORIAL_PORT}": f"http.server {port}",
    }
    shell = Shell(tmp_path, stack, addresses)
    if missing := shell.missing(commands(document)):
        pytest.skip(f"there is no {', '.join(missing)} on this machine")
    try:
        with tidied(stack):
            for command in commands(document):
                if command.is_run:
                    printed = shell.run(command)
                    if command.output:
                        assert pattern(command.output).fullmatch(printed), f"{command}: {command.text}\n{printed}"
    finally:
        shell.close()
