"""What a person sees of the loop that closes: the world changes, the page says so, and what serves fits again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.looking import LOOKS, Look, overflows, shoot, violations
from tests.checker.stack import Stack
from tests.checker.world import World, aged, patients

PATIENCE = 60_000
ROWS = 600


@pytest.fixture(scope="module")
def world(stack: Stack) -> Iterator[World]:
    world = World(stack.addresses["trigger service"], stack.addresses["predictor"])
    yield world
    world.close()


@pytest.fixture(scope="module")
def unfit(world: World) -> None:
    """Let older people ask than the first version knows, and tell what happened."""
    old = aged(patients(6))[:ROWS]
    world.ask(old)
    assert world.tell(old) == ROWS
    assert world.fit(rows=ROWS)["state"] == "unfit"


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unfit")
@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_world_that_has_changed_is_seen(look: Look, open_page: Open, world: World) -> None:
    page = open_page(look)
    page.goto(world.trigger)
    card = page.locator(f"#serving-{world.task}")
    expect(card.locator(".estimated").first).to_contain_text("accuracy")
    open_fit(page, world, "Unfit")
    sheet = page.get_by_role("dialog", name=f"Does {world.task} still fit its requests?")
    expect(sheet).to_contain_text(f"{ROWS:,} rows in the last day")
    expect(sheet.locator("time").first).to_be_visible()  # since when
    age = sheet.get_by_role("row", name="age", exact=False).first
    expect(age.locator("rect.asked").first).to_be_attached()
    expect(age.locator("rect.known").first).to_be_attached()
    expect(age.locator("td.bad")).to_be_visible()
    expect(sheet).to_contain_text("Skill in service")
    expect(sheet).to_contain_text("when it was judged")
    assert violations(page) == []
    assert not overflows(page)
    shoot(page, look, "unfit")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unfit")
def test_what_serves_fits_again_after_it_has_learned_from_what_happened(open_page: Open, world: World) -> None:
    assert world.collect()["state"] == "promoted"
    world.ask(aged(patients(6))[:ROWS])
    assert world.fit(rows=ROWS)["state"] == "fits"
    page = open_page(LOOKS[0])
    page.goto(world.trigger)
    open_fit(page, world, "Fits")
    shoot(page, LOOKS[0], "fits")


def open_fit(page: Page, world: World, word: str) -> None:
    button = page.locator(f"#serving-{world.task} button.fit")
    expect(button).to_have_text(word, timeout=PATIENCE)
    button.click()
    expect(page.get_by_role("dialog", name=f"Does {world.task} still fit its requests?")).to_be_visible()
