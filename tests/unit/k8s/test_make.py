"""The Makefiles on what people have: macOS brings GNU make 3.81."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.unit.k8s.rendered import ROOT

FILES = ("Makefile", "k8s.mk")
LATER = re.compile(
    r"^\s*(\.ONESHELL|\.SHELLFLAGS|\.RECIPEPREFIX|undefine\b|private\b|\w+\s*(!=|::=|:::=))|\$\((file|let|intcmp) "
)
"""What came with make 3.82 and later."""


@pytest.mark.parametrize("file", FILES)
def test_nothing_needs_a_later_make(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    assert [line for line in lines if LATER.search(line)] == []


def test_every_line_of_a_recipe_is_a_command_of_its_own() -> None:
    """Without .ONESHELL each line has its own shell: none may begin what another one ends."""
    targets = re.findall(
        r"^([a-z][a-z0-9-]*):.*?##", "".join((ROOT / file).read_text() for file in FILES), re.MULTILINE
    )
    assert "up" in targets
    for target in targets:
        command = ["make", "--dry-run", "--no-print-directory", "--assume-old", ".venv/.ready", target]
        variables = ["TRIGGER=a", "PREDICT=b", "REGISTRY=c", "PLATFORMS=linux/arm64", "RUN=run-1"]
        done = subprocess.run([*command, *variables], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        joined = re.sub(r"\\\n", " ", done.stdout)
        for line in joined.splitlines():
            checked = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, f"{target}: {line}: {checked.stderr}"


def test_make_alone_lists_what_there_is() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "up", "e2e", "down"):
        assert f"{target} " in done.stdout
