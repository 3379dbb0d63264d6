"""Deployers: how a bundle comes into service. One class for each place that serves.

A deployer does what the deploy step decides. It never decides itself which of two runs serves.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from regraft_core.codes import Code
from regraft_core.errors import RegraftError

VERSION_HEADER = "Regraft-Model-Version"
"""Header in which every answer of a predictor names the version it comes from: the proof that a version serves."""


class DisplacedError(RegraftError):
    """Another run has set another address: what this one wanted to see in service will not come."""

    code = Code.DISPLACED
    title = "Another run has set another address"


class Place(BaseModel):
    """What is set to serve for a task, and by whom; all empty where nothing is."""

    model_config = ConfigDict(frozen=True)

    uri: str | None = None
    """Address of the bundle."""
    version: str = ""
    """Number of the version in the registry."""
    order: str = ""
    """Place in the order of acceptance of the run that set it."""


class Deployer(Protocol):
    """Puts the bundle at an address into service for a task and proves that it serves."""

    def placed(self, task: str) -> Place:
        """Return what is set to serve. Raises NotFoundError where the task has no predictor at all."""
        ...

    def place(self, task: str, old: Place, new: Place) -> bool:
        """Set what is to serve, if what is set is ``old`` still; return whether it is ``new`` now."""
        ...

    def prove(self, task: str, place: Place, heed: Callable[[], None] = lambda: None) -> None:
        """Wait, and return when every answer comes from the version that is set.

        May be called again at any time. ``heed`` is called all the while and may raise to end the wait. Raises
        DeployError with the reason where the version is not ready before the deadline, DisplacedError as soon as
        another one is set; what is set stays as it is.
        """
        ...

    def alone(self, task: str, order: str) -> AbstractContextManager[Callable[[], None]]:
        """Hold what only one run can hold for a task: who decides what the registry says is in service.

        What is yielded is to be called right before an act that cannot be taken back: it raises TemporaryError where
        somebody else may hold it by now.
        """
        ...
