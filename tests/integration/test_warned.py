"""A dataset that the gates accept and warn of: the warning stands wherever its end stands."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from regraft_cli import main as cli
from tests import plain
from tests.checker.client import RunView
from tests.checker.stack import Stack
from tests.integration.conftest import Poster

pytestmark = pytest.mark.timeout(300)  # the first test here waits for the stack

HTML = {"Accept": "text/html"}
SAID = "the labels may be wrong in part"


@pytest.fixture(scope="module")
def warned(poster: Poster) -> RunView:
    """Fifteen of a hundred labels are turned round, while a version serves that was trained on the clean ones."""
    assert poster.run("good", 71).state == "promoted"
    return poster.run("some_turned_round", 72)


def told(stack: Stack, *arguments: str) -> str:
    """Return what the command line prints, on both streams, as one line of words."""
    result = CliRunner().invoke(cli.app, [*arguments, "--url", stack.addresses["trigger service"]])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def part_of(page: str, begin: str, end: str) -> str:
    """Return the part of a page from a mark to the next end."""
    place = page.index(begin)
    return page[place : page.index(end, place)]


def test_it_is_promoted_with_a_warning_that_has_both_figures(warned: RunView, stack: Stack) -> None:
    assert warned.state == "promoted"
    found = json.loads(told(stack, "runs", "--limit", "1", "--json"))[0]
    said = {warning["code"]: warning["message"] for warning in found["warnings"]}
    assert SAID in said["skill_lost"]
    [figures] = [reason["figures"] for reason in found["verdict"]["reasons"] if reason["code"] == "skill_lost"]
    assert figures["skill"] + figures["allowed"] < figures["asked"] <= figures["held_out_skill"]


def test_the_list_of_runs_marks_it(warned: RunView, stack: Stack) -> None:
    line = told(stack, "runs", "--limit", "1")
    assert "promoted !" in line
    assert "Warning" in line
    assert "skill lost" in line


def test_whoever_watches_it_sees_the_warning_at_its_end(warned: RunView, stack: Stack) -> None:
    end = told(stack, "watch", warned.run_id)
    assert "! Warning: the new model has skill" in end
    assert SAID in end
    assert "What gives no warning: skill of at least" in end


def test_the_page_shows_it_with_the_run_and_with_what_serves(warned: RunView, stack: Stack) -> None:
    page = plain.get(f"{stack.addresses['trigger service']}/").text
    assert "skill lost" in part_of(page, f'id="{warned.run_id}"', "</li>")
    assert SAID in part_of(page, 'id="serving-passwords"', "</article>")
    run = plain.get(stack.addresses["trigger service"] + f"/runs/{warned.run_id}", headers=HTML).text
    assert SAID in part_of(run, 'id="run-summary"', "</section>")


def test_a_good_dataset_after_it_ends_the_warning(warned: RunView, stack: Stack, poster: Poster) -> None:
    assert poster.run("good", 73).state == "promoted"
    page = plain.get(f"{stack.addresses['trigger service']}/").text
    assert SAID not in part_of(page, 'id="serving-passwords"', "</article>")
