"""The colours of page, report and charts. Style sheets that are files name them, too; a test holds those to these."""

from __future__ import annotations

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ground": "#f6f7f5",
    "card": "#ffffff",
    "line": "#dcdfda",
    "text": "#1b211e",
    "quiet": "#58635d",
    "old": "#9aa6a0",
    "accent": "#0e6b4e",
    "accent-soft": "#e0f0e9",
    "on-accent": "#ffffff",
    "good": "#0e6b4e",
    "good-soft": "#e0f0e9",
    "bad": "#b3261e",
    "bad-soft": "#fbe9e7",
    "warn": "#855300",
    "warn-soft": "#fbf0dc",
    "busy": "#1f5fa8",
    "busy-soft": "#e4eefa",
    "idle-soft": "#ebedea",
}
"""Colours by what they say, on a light ground. ``old`` is the reference beside what is new."""

DARK: Mapping[str, str] = {
    "ground": "#121614",
    "card": "#1a201d",
    "line": "#313a35",
    "text": "#e6ebe8",
    "quiet": "#a0aca5",
    "old": "#66736c",
    "accent": "#6fd3ab",
    "accent-soft": "#17382c",
    "on-accent": "#0b1d16",
    "good": "#6fd3ab",
    "good-soft": "#17382c",
    "bad": "#ff9c92",
    "bad-soft": "#43211e",
    "warn": "#f0bf6c",
    "warn-soft": "#3b2d14",
    "busy": "#8fbdf2",
    "busy-soft": "#1b2f47",
    "idle-soft": "#28302c",
}
"""The same on a dark ground."""


def variables(colours: Mapping[str, str]) -> str:
    """Return colours as variables of a style sheet."""
    return "; ".join(f"--{name}: {colour}" for name, colour in colours.items())
