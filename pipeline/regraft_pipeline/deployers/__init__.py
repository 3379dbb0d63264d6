"""Deployers: how a bundle comes into service. One class for each place that serves."""

from __future__ import annotations

from typing import Protocol

VERSION_HEADER = "Regraft-Model-Version"
"""Header in which every answer of a predictor names the version it comes from: the proof that a version serves."""


class Deployer(Protocol):
    """Puts the bundle at an address into service for a task and proves that it serves."""

    def current(self, task: str) -> str | None:
        """Return the address of the bundle that is set to serve, None where there is none."""
        ...

    def roll_out(self, task: str, uri: str, version: str) -> None:
        """Set the address, wait, and return when every answer comes from ``version``.

        May be called again with the same arguments at any time, also after it was killed half-way.
        Raises DeployError with the reason where the version does not stand before the deadline; the address stays set
        then, the caller decides what to put back.
        """
        ...
