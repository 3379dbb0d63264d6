"""What a version was asked lately, as the trigger service keeps it in the bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from regraft_core import layout
from regraft_core.fit.counts import Counts, Hour, Known, total
from regraft_core.fit.history import DAY, HOUR, History
from regraft_core.profile import Profile
from regraft_core.stores.objects import ObjectStore, find_model


@dataclass(frozen=True)
class Asked:
    """What a version was asked within the last day, in the bins of the profile that it knows."""

    profile: Profile
    counts: Counts


def hours_since(store: ObjectStore, task: str, moment: float) -> Iterator[tuple[str, Hour]]:
    """Yield what processes had counted in the hours since a moment, each with the process. Raises RegraftError."""
    oldest = layout.fit_hour(task, datetime.fromtimestamp(moment, UTC), "").removesuffix(".json")
    for key in store.keys(layout.fit_hours(task), after=oldest):
        if (hour := find_model(store, key, Hour)) is not None:
            yield key.rpartition("/")[2].removesuffix(".json"), hour


def asked_lately(store: ObjectStore, task: str, version: str, now: float) -> Asked | None:
    """Return what a version was asked within a day, None where nobody has told. Raises RegraftError."""
    known = find_model(store, layout.fit_known(task, version), Known)
    if known is None or known.profile is None:
        return None
    processes: dict[str, History] = {}
    for instance, hour in hours_since(store, task, now - DAY - HOUR):
        counts = hour.versions.get(version)
        if counts is not None and known.fits(counts):
            processes.setdefault(instance, History(began=hour.started_at)).note(hour.at, counts)
    return Asked(known.profile, total(history.within(now - DAY) for history in processes.values()))
