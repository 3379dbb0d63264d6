"""What the figures of a verdict are called, and how numbers are written: the same on page, terminal and report."""

from __future__ import annotations

from collections.abc import Mapping

WORDS = {
    "psi": "PSI",
    "p_limit": "limit of p",
    "share": "share of rows",
    "reference_share": "in the reference",
    "reference_skill": "skill on the reference",
    "incumbent_skill": "skill of the version in service",
    "incumbent_credit": "of which counted",
}


def figure_name(name: str) -> str:
    """Return what a figure is called by people."""
    return WORDS.get(name, name.replace("_", " "))


def figure(figures: Mapping[str, float | int | str | bool | None], name: str) -> str:
    """Return a figure as people write it: shares, and the limits that follow them, in percent."""
    value = figures.get(name, "")
    names = list(figures)
    of_share = name == "limit" and "limit" in names and names[names.index(name) - 1].endswith("share")
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, str):
        return value
    if name.endswith("share") or of_share:
        return f"{value:.1%}"
    if name == "p" and value < 0.0001:
        return "< 0.0001"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def exact(value: float) -> str:
    """Return a number with all of its digits, a whole one without a point: 7500, 0.1."""
    return f"{value:.15g}"
