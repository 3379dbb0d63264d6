"""The versions that can be put back into service, for people to choose from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from regraft_core.serving import Serving
from regraft_core.versions import VersionShown

MOST_CHOICES = 50


class Earlier:
    """Knows the versions of each task that have served before the present one.

    They change when another version comes into service, so only then the runs are read again, which may be many.
    """

    def __init__(self, versions: Callable[[str], Awaitable[list[VersionShown]]]) -> None:
        self._versions = versions
        self._known: dict[str, tuple[Serving, list[VersionShown]]] = {}

    async def than(self, serving: Serving) -> list[VersionShown]:
        """Return the versions that have been proven in service and can follow this one, the last that served first."""
        known = self._known.get(serving.task)
        if known is not None and known[0] == serving:
            return known[1]
        versions = await self._versions(serving.task)
        found = [one for one in versions if one.served and one.version != serving.version]
        found = sorted(found, key=lambda one: one.served[0].since, reverse=True)[:MOST_CHOICES]
        if any(one.serving and one.version == serving.version for one in versions):
            # Else the record of the run that put it there is still to come.
            self._known[serving.task] = serving, found
        return found
