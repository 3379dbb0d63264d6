"""The page's states, its weight, and that nothing jumps: on the service alone, whose worker the tests play."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from regraft_core.runs import Run, RunState, StepState, now
from regraft_trigger.page import RUNS_PER_PAGE
from tests.browser.conftest import Open
from tests.browser.looking import DESK, LOOKS, PHONE, Look, overflows, shifts, shoot, violations
from tests.unit.trigger.examples import rejected_run
from tests.unit.trigger.serving import Running, Serve, running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(tmp_path, **settings))


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_with_nothing_there_the_page_says_what_to_do(look: Look, open_page: Open, serve: Serve) -> None:
    page = open_page(look)

    page.goto(serve().url)

    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    expect(page.get_by_text("Nothing serves yet").first).to_be_visible()
    is_well_made(page)
    shoot(page, look, "empty")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_an_address_that_leads_nowhere_has_a_page(look: Look, open_page: Open, serve: Serve) -> None:
    page = open_page(look)

    answer = page.goto(f"{serve().url}/runs/run-aaaaaaaaaaaa")

    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("there is no run", exact=False)).to_be_visible()
    is_well_made(page)
    shoot(page, look, "not-found")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_store_that_cannot_be_read_is_told(look: Look, open_page: Open, serve: Serve) -> None:
    service = serve()
    service.runs.path.write_bytes(b"no database" * 100)
    page = open_page(look)

    page.goto(service.url)

    expect(page.get_by_text("The runs cannot be read now")).to_be_visible()
    is_well_made(page)
    shoot(page, look, "trouble")


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_a_run_that_waits_has_a_page(look: Look, open_page: Open, serve: Serve) -> None:
    service = serve()
    page = open_page(look)

    page.goto(f"{service.url}/runs/{service.accept().run_id}")

    expect(page.get_by_text("The gates have not spoken yet", exact=False)).to_be_visible()
    is_well_made(page)
    shoot(page, look, "waiting")


@pytest.mark.parametrize("look", [DESK, PHONE], ids=str)
def test_nothing_jumps_when_runs_come_and_go_on(look: Look, open_page: Open, serve: Serve) -> None:
    service = serve()
    for _ in range(5):
        end_rejected(service)
    page = open_page(look)
    page.goto(service.url)
    expect(page.locator("#live-word")).to_have_text("Live")
    page.locator("#runs").scroll_into_view_if_needed()

    run = service.accept()
    row = page.locator(f"#{run.run_id}")
    expect(row).to_be_visible()
    run.state = RunState.RUNNING
    for share in (0.2, 0.7):
        step = run.steps[0]
        step.state, step.started_at, step.progress = StepState.RUNNING, now(), share
        step.message = "a word that goes on for so long that it would need many lines to be said in full " * 3
        run.updated_at = now()
        service.runs.save(run)
        expect(row.locator("rect").first).to_have_attribute("width", f"{100 * share:.0f}")
    run.state, run.finished_at, run.updated_at = RunState.FAILED, now(), now() + timedelta(seconds=1)
    service.runs.save(run)
    expect(row.locator(".badge")).to_have_text("Failed")

    assert shifts(page) == []
    expect(page.locator("#news")).to_contain_text("failed")


def test_a_full_page_is_light(open_page: Open, serve: Serve) -> None:
    service = serve()
    for _ in range(RUNS_PER_PAGE):
        end_rejected(service)
    page = open_page(DESK)
    page.goto(service.url, wait_until="load")

    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((entry) => [entry.name, entry.transferSize, entry.decodedBodySize])"
    )

    print(f"bytes transferred: {sum(size for _, size, _ in sizes):,}; decoded: {sum(size for *_, size in sizes):,}")
    assert 1000 < sum(size for _, size, _ in sizes) < 60 * 1024
    assert all(name.startswith(service.url) for name, _, _ in sizes)


def test_without_javascript_all_is_there(open_page: Open, serve: Serve) -> None:
    service = serve()
    run_id = end_rejected(service)
    page = open_page(DESK, javascript=False)

    page.goto(service.url)
    expect(page.locator(f"#{run_id} .badge")).to_have_text("Rejected")
    page.get_by_label("Address of a CSV file").fill("https://data.example.org/passwords.csv")
    page.get_by_role("button", name="Start a run").click()

    expect(page.locator("#run-summary .badge")).to_have_text("Waiting")


def test_the_keyboard_is_enough(open_page: Open, serve: Serve) -> None:
    page = open_page(DESK)
    page.goto(serve().url)

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.get_by_role("button", name="Try it").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Try it").first).to_be_focused()


def test_all_works_behind_a_prefix(open_page: Open, serve: Serve) -> None:
    service = serve(root_path="/regraft")
    page = open_page(DESK)
    page.goto(f"{service.url}/regraft/")
    expect(page.locator("#live-word")).to_have_text("Live")

    page.get_by_label("Address of a CSV file").fill("https://data.example.org/passwords.csv")
    page.get_by_role("button", name="Start a run").click()
    page.wait_for_url("**/regraft/runs/run-*")
    page.get_by_role("link", name="All runs").click()

    page.wait_for_url("**/regraft/")
    expect(page.locator(".run")).to_have_count(1)


@pytest.mark.parametrize("look", [DESK, PHONE], ids=str)
def test_rows_of_a_wide_table_stay_in_their_card(look: Look, open_page: Open, serve: Serve) -> None:
    service, wide = serve(), rejected_run()
    assert wide.verdict is not None
    row = {f"Temperatur der Meßstelle {number}": "ungefähr 17,5" for number in range(30)}
    wide.verdict.reasons[0] = wide.verdict.reasons[0].model_copy(update={"rows": [row] * 3})
    page = open_page(look)

    page.goto(f"{service.url}/runs/{end_rejected(service, wide)}")

    expect(page.get_by_text("Temperatur der Meßstelle 29")).to_be_visible()
    is_well_made(page)


def end_rejected(service: Running, ended: Run | None = None) -> str:
    accepted = service.accept()
    wanted = (ended or rejected_run()).model_dump(exclude={"run_id", "accepted_at"})
    service.runs.save(accepted.model_validate(accepted.model_dump() | wanted))
    return accepted.run_id


def is_well_made(page: Page) -> None:
    assert violations(page) == []
    assert not overflows(page)
