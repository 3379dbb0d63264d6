"""A real browser on a real stack. Needs chromium and, for axe-core, npm: ``make test-browser`` sees to both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.browser.looking import AXE, FLAGS, Look
from tests.checker import datasets
from tests.checker.stack import Stack

Open = Callable[..., Page]


def _missing(what: str) -> None:
    """Skip for want of a tool, but fail where continuous integration promises it."""
    if os.environ.get("CI") or os.environ.get("REGRAFT_BROWSER_TESTS") == "required":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        _missing("there is no chromium here: apt-get install chromium")
    if not AXE.exists():
        _missing("axe-core is not there: run 'make test-browser', which needs npm")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Return what opens a page at a look; nothing may be said against it on the console."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # A page that is answered with an error status is meant to be.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_at(look: Look, *, javascript: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": look.width, "height": look.height},
            color_scheme=look.scheme,
            java_script_enabled=javascript,
            device_scale_factor=look.density,
        )
        contexts.append(context)
        context.add_init_script(path=Path(__file__).with_name("shifts.js"))
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(scope="session")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.start().wait_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def data_url() -> Iterator[Callable[[str, int], str]]:
    """Return what tells the address of a dataset."""
    with datasets.serving() as server:
        yield lambda name, seed: f"http://127.0.0.1:{server.port}/{name}.csv?seed={seed}"
