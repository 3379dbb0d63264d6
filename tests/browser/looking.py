"""How the pages are looked at: sizes and schemes, axe-core, layout shifts, pictures."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from PIL import Image
from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / ".tools/axe/node_modules/axe-core/axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
COLOURS = 256
"""Colours of a picture in the documentation."""


ENDED = """
Promise.allSettled(
  document.getAnimations().filter((one) => one.effect.getTiming().iterations === 1).map((one) => one.finished)
)
"""
"""Waits for everything that fades or slides once."""


@dataclass(frozen=True)
class Look:
    """A screen and the scheme that its owner has chosen."""

    width: int
    height: int
    scheme: Literal["light", "dark"]
    density: float = 1

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"

    def name_of(self, state: str) -> str:
        """Return the name of a picture: ``state``, with ``-phone`` and ``-dark`` where it is so."""
        return state + ("-phone" if self.width < 800 else "") + ("-dark" if self.scheme == "dark" else "")


DESK, DESK_DARK = Look(1440, 1000, "light"), Look(1440, 1000, "dark")
PHONE, PHONE_DARK = Look(390, 844, "light", 2), Look(390, 844, "dark", 2)
LOOKS = (DESK, DESK_DARK, PHONE, PHONE_DARK)


def violations(page: Page) -> list[str]:
    """Return what axe-core has against the page as it is now, a line each."""
    # What fades or slides has the wrong contrast half-way.
    page.evaluate(ENDED)
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{item['id']}: {item['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for item in found["violations"]
        for node in item["nodes"]
    ]


STILL = 0.001
"""Layout shift that nobody sees."""


def shifts(page: Page) -> list[tuple[float, list[str]]]:
    """Return what has jumped since the page was loaded, and how far; nothing where nobody could see it."""
    page.wait_for_timeout(100)
    found: list[tuple[float, list[str]]] = page.evaluate("window.shifted")
    return found if sum(distance for distance, _ in found) > STILL else []


def overflows(page: Page) -> bool:
    """Whether the page can be scrolled sideways, or words stand over the edge of their button."""
    return bool(page.evaluate(OVERFLOWS))


OVERFLOWS = """
    const over = (element) => element.scrollWidth > element.clientWidth;
    over(document.documentElement)
    || [...document.querySelectorAll("button, .button, .badge")].some((one) => one.checkVisibility() && over(one))
"""


def shoot(page: Page, look: Look, state: str, *, full: bool = False) -> None:
    """Write a picture where REGRAFT_SCREENSHOTS names a folder for them."""
    folder = os.environ.get("REGRAFT_SCREENSHOTS")
    if not folder:
        return
    page.mouse.move(0, 0)
    image = Image.open(io.BytesIO(page.screenshot(full_page=full))).convert("RGB")
    _with_fewer_colours(image).save(Path(folder) / f"{look.name_of(state)}.png", optimize=True)


def _with_fewer_colours(image: Image.Image) -> Image.Image:
    """Return the picture in its most frequent colours: the quantizers of Pillow run near shades of white together."""
    counted = cast("list[tuple[int, tuple[int, int, int]]]", image.getcolors(image.width * image.height))
    frequent = [colour for _, colour in sorted(counted, reverse=True)[:COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in frequent for part in colour])
    return image.quantize(palette=palette, dither=Image.Dither.NONE)
