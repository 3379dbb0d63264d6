"""Documents lead where there is something, and name targets, files and settings that there are."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from regraft_core.version import __version__
from tests.unit.docs.commands import ASSIGNMENT, DOCUMENTS, ROOT, SERVERS, Command, commands, headings, links

TARGETS = set(
    re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text() + (ROOT / "k8s.mk").read_text(), re.MULTILINE)
)
PLACEHOLDER = re.compile(r"[A-Z]{2,}")
COMMANDS = [command for document in DOCUMENTS for command in commands(document)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    for name, heading in links(document):
        target = (document.parent / name).resolve()
        assert target.exists(), name
        if heading:
            assert heading in headings(target), f"{name}#{heading}"


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_run_by_a_test_or_needs_what_no_test_has(command: Command) -> None:
    assert command.is_run != command.is_checked, command.text


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.is_checked], ids=str)
def test_what_a_command_names_is_there(command: Command) -> None:
    program, *words = command.words
    if program == "make":
        assert {word for word in words if not ASSIGNMENT.match(word)} <= TARGETS
    if program == "python":
        assert find_spec(words[words.index("-m") + 1])
    for word in (program, *words):
        if re.match(r"(k8s|inference|pipeline|trigger-service|scripts|docs|tests)/", word) and not PLACEHOLDER.search(
            word
        ):
            assert (ROOT / word).exists(), word


def test_commands_that_serve_are_known_by_their_name() -> None:
    assert any(" ".join(command.words).startswith(SERVERS[0]) for command in COMMANDS)


def test_what_the_table_of_places_names_is_there() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where is ...")[2].partition("\n## ")[0]
    places = re.findall(r"`([^`]+)`", table)
    assert len(places) > 15
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_modules_that_a_document_names_are_there(document: Path) -> None:
    named = re.findall(r"`([a-z-]+/regraft_[\w/]+\.py|tests/[\w/]+\.py)`", document.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []
    named = re.findall(r"`(?:core|inference|pipeline|trigger-service|cli)/[\w/]+\.py`", document.read_text())
    assert [name for name in named if "/regraft_" not in name] == []


@pytest.mark.parametrize("member", ["core", "inference", "pipeline", "trigger-service", "cli"])
def test_the_readme_of_a_package_names_modules_that_there_are(member: str) -> None:
    package = next((ROOT / member).glob("regraft_*/__init__.py")).parent
    there = {
        path.stem if path.is_file() else f"{path.name}/" for path in package.glob("[!_.]*") if path.name != "py.typed"
    }
    lines = re.findall(r"^\| (`[^|]*) \|", (ROOT / member / "README.md").read_text(), re.MULTILINE)
    named = [name for line in lines for name in re.findall(r"`([a-z_]+/?)`", line)]
    assert len(named) > 5
    assert set(named) <= there


def test_the_release_is_said_in_the_changelog_and_in_the_overlay_for_production() -> None:
    assert f"\n## {__version__} " in (ROOT / "CHANGELOG.md").read_text()
    assert f"\nTAG={__version__}\n" in (ROOT / "k8s" / "overlays" / "production" / "settings.env").read_text()
