"""What a process has counted, at some moments: so that what came within the last hour or day can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from regraft_core.fit.counts import Counts

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
"""Seconds."""

WINDOWS = {"hour": HOUR, "day": DAY}
"""How far back each window goes, seconds."""


@dataclass
class History:
    """Cumulative counts of one version in one process: each minute of the last hour, each hour of the day before.

    Moments are seconds since 1970; nothing had been counted at ``began``.
    """

    began: float
    moments: dict[float, Counts] = field(default_factory=dict)

    @property
    def latest(self) -> float:
        """The last moment at which counts were noted, that of the beginning where none were."""
        return max(self.moments, default=self.began)

    def note(self, moment: float, counts: Counts) -> None:
        """Note what has been counted up to a moment; one that is earlier than what is known of its hour is left out."""
        self.moments[moment] = counts
        self._thin(self.latest)

    def within(self, since: float) -> Counts:
        """Return what was counted after a moment, as exactly as the moments noted allow: never less."""
        if not self.moments or self.latest <= since:
            return Counts()
        newest = self.moments[self.latest]
        before = max((moment for moment in self.moments if moment <= since), default=None)
        return newest if before is None else newest.since(self.moments[before])

    def _thin(self, now: float) -> None:
        """Of what is older than an hour keep the last moment of each hour, of what is older than a day one."""
        kept: dict[int, float] = {}
        for moment in sorted(self.moments):
            age = now - moment
            if age > DAY + HOUR:
                place = -1
            elif age > HOUR + 2 * MINUTE:
                place = int(moment // HOUR)
            else:
                continue
            if place in kept:
                del self.moments[kept[place]]
            kept[place] = moment
