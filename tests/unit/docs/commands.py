"""Reads the commands of the documents: what stands behind ``$`` in their ``console`` blocks, and what it prints."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
MEMBERS = ("core", "inference", "pipeline", "trigger-service")
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name / "README.md" for name in MEMBERS),
]

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)\s]+))?\)|<(?:img|source)[^>]*\ssrc(?:set)?=\"([^\"]+)\"")
ASSIGNMENT = re.compile(r"[A-Z_]+=")
EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")

RUN = {"cat", "cmp", "curl", "cut", "echo", "head", "ls", "python", "python3", "regraft"}
"""Programs that the tests run."""

CHECKED = {"make", "kubectl", "docker", "argo", "aws", "scripts/promtool.sh", "$EDITOR"}
"""Programs that need a cluster, a registry or a person: the files and targets that they are given must exist."""

SERVERS = ("regraft up", "python -m regraft_inference")
"""Commands that keep running; a stack is up where the tests run."""

TESTS = "python -m pytest"
"""Tests need no test that runs them."""


@dataclass(frozen=True)
class Command:
    """A command of a document and the lines that it is shown to print."""

    document: Path
    line: int
    text: str
    output: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def words(self) -> list[str]:
        """The words of the command without the variables before it; ``regraft`` for ``.venv/bin/regraft``."""
        words = [word.removeprefix(".venv/bin/") for word in shlex.split(self.text, comments=True)]
        while words and ASSIGNMENT.match(words[0]):
            words.pop(0)
        return words

    @property
    def is_run(self) -> bool:
        """Whether the tests run it."""
        return self.words[0] in RUN and not self._runs_elsewhere

    @property
    def is_checked(self) -> bool:
        """Whether the tests look only whether what it names is there."""
        return self.words[0] in CHECKED or self.words[0].startswith("k8s/scripts/") or self._runs_elsewhere

    @property
    def exit_code(self) -> int:
        """The exit code that a comment promises, else 0."""
        promised = EXIT_CODE.search(self.text)
        return int(promised[1]) if promised else 0

    @property
    def _runs_elsewhere(self) -> bool:
        command = " ".join(self.words)
        return any(command == known or command.startswith(f"{known} ") for known in (*SERVERS, TESTS))


def commands(document: Path) -> list[Command]:
    """Return all commands of a document in their order."""
    return list(_commands(document))


def _commands(document: Path) -> Iterator[Command]:
    text = document.read_text()
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start()) + 2
        current: Command | None = None
        for number, line in enumerate(block[1].splitlines(), first):
            if current is not None and current.text.endswith("\\"):
                current = Command(document, current.line, f"{current.text}\n{line}")
            elif line.startswith("$ "):
                if current is not None:
                    yield current
                current = Command(document, number, line[2:])
            else:
                assert current is not None, f"{document}:{number}: a console block begins with a command"
                current.output.append(line)
        if current is not None:
            yield current


def links(document: Path) -> Iterator[tuple[str, str]]:
    """Yield the files that a document leads to, with the heading in them where one is named."""
    for target, heading, source in LINK.findall(document.read_text()):
        if "://" not in (name := target or source):
            yield name, heading


def headings(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
