"""What a person does with the page, from the first dataset to taking a version back, on a real stack."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.looking import LOOKS, Look, overflows, shifts, shoot, violations
from tests.checker.stack import Stack

SECONDS = 1000
PATIENCE = 60 * SECONDS
WATCH_BARS = """
window.same = true;
window.widths = new Set();
new MutationObserver(() => {
  const bars = [...document.querySelectorAll("#run-summary .bar rect")].map((bar) => Number(bar.getAttribute("width")));
  window.widths.add(bars.join(" "));
}).observe(document.getElementById("run-summary"), { subtree: true, childList: true, attributes: true });
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_dataset_is_promoted_another_refused_a_version_taken_back(
    look: Look, open_page: Open, stack: Stack, data_url: Callable[[str, int], str]
) -> None:
    page = open_page(look)
    seed = 1 + LOOKS.index(look)

    post(page, stack, data_url("good", seed))
    page.evaluate(WATCH_BARS)
    expect(page.locator("#run-summary .step-running, #run-summary.tone-promoted")).not_to_have_count(
        0, timeout=PATIENCE
    )
    shoot(page, look, "running")
    expect(page.locator("#run-summary .badge")).to_have_text("Promoted", timeout=PATIENCE)
    assert page.evaluate("window.same"), "the page was loaded again"
    assert page.evaluate("window.widths.size") >= 2, "the bars were not seen to fill"
    assert page.locator("#run-summary .bar rect").evaluate_all(
        "bars => bars.every(b => b.getAttribute('width') == 100)"
    )
    assert shifts(page) == []
    is_well_made(page)
    shoot(page, look, "promoted", full=True)
    version = page.locator("#run-summary dd").nth(1).inner_text()

    page.locator("#step-train summary").click()
    expect(page.locator("#step-train .log")).to_contain_text("trained")
    is_well_made(page)
    page.locator("#step-train").scroll_into_view_if_needed()
    shoot(page, look, "log")

    page.goto(home(stack))
    page.get_by_role("button", name="Try it").first.click()
    sheet = page.get_by_role("dialog", name="Ask passwords for a prediction")
    sheet.get_by_role("textbox").fill("correcthorse")
    sheet.get_by_role("button", name="Predict").click()
    expect(sheet.locator("output")).to_contain_text(f"version {version}", timeout=PATIENCE)
    expect(sheet.locator("output")).to_contain_text("Times")
    is_well_made(page)
    shoot(page, look, "try-it")

    post(page, stack, data_url("drifted", seed))
    expect(page.locator("#run-summary .badge")).to_have_text("Rejected", timeout=PATIENCE)
    reason = page.locator(".reason-error").first
    expect(reason).to_contain_text("80.0% instead of 50.0%")
    expect(reason).to_contain_text("What would have passed")
    expect(page.get_by_role("img", name="share of rows of this dataset and the reference")).to_be_visible()
    assert shifts(page) == []
    is_well_made(page)
    shoot(page, look, "rejected", full=True)

    page.goto(home(stack))
    expect(page.locator("#live-word")).to_have_text("Live")
    expect(page.locator("#serving-passwords .traffic")).to_contain_text("requests/s", timeout=PATIENCE)
    is_well_made(page)
    shoot(page, look, "overview")

    page.get_by_role("button", name="Roll back…").first.click()
    sheet = page.get_by_role("dialog", name="Roll back passwords?")
    expect(sheet.get_by_role("button", name=f"Keep version {version}")).to_be_focused()
    is_well_made(page)
    shoot(page, look, "roll-back")
    choice = sheet.get_by_label("Version to put back")
    expect(choice).to_have_value("")  # the one before
    expect(choice.get_by_role("option", name=f"Version {version} ·")).to_have_count(0)
    before = choice.get_by_role("option").nth(1)
    expect(before).to_contain_text("served since")
    expect(before).to_contain_text("skill")
    page.keyboard.press("Shift+Tab")
    expect(choice).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(choice).to_have_value(str(before.get_attribute("value")))
    sheet.get_by_role("button", name="Roll back passwords").click()
    expect(page.locator("#run-summary .badge")).to_have_text("Promoted", timeout=PATIENCE)
    expect(page.locator("#run-summary .lead")).to_contain_text("is back in service")
    assert shifts(page) == []
    is_well_made(page)

    page.goto(home(stack))
    expect(page.locator("#serving-passwords .number")).not_to_have_text(f"Version {version}")


def post(page: Page, stack: Stack, address: str) -> None:
    page.goto(home(stack))
    page.get_by_label("Address of a CSV file").fill(address)
    page.get_by_role("button", name="Start a run").click()
    page.wait_for_url("**/runs/run-*")


def is_well_made(page: Page) -> None:
    assert violations(page) == []
    assert not overflows(page)


def home(stack: Stack) -> str:
    return stack.trigger_url.removesuffix("/trigger")
