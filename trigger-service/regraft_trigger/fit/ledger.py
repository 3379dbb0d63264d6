"""The counts of all predictors, of those that are no more as well.

A process tells what it has counted since it began, so that asking it twice, or by two replicas of this service, counts
nothing twice: what is kept of an hour is the last answer of each process in it. Objects in the bucket::

    fit/{task}/hours/{hour}/{instance}.json   what a process had counted
    fit/{task}/known/{version}.json           what the counts of a version are held against
    fit/{task}/since.json                     since when the answer is what it is
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, ValidationError

from regraft_core import layout
from regraft_core.definition import RequestSettings
from regraft_core.errors import RegraftError
from regraft_core.fit.asked import hours_since
from regraft_core.fit.counts import Counted, Counts, Hour, Known, Told, total
from regraft_core.fit.fit import Fit, FitState, Window, comparisons_of, fit_of
from regraft_core.fit.history import DAY, HOUR, WINDOWS, History
from regraft_core.fit.kept import KeptTold
from regraft_core.fit.measured import MeasuredSkill, measured_of
from regraft_core.formats import Versioned
from regraft_core.logs import get_logger, log_once
from regraft_core.profile import Comparison
from regraft_core.stores.objects import ObjectStore, find_model, put_model
from regraft_trigger.fit.evidence import Evidence

KEPT_DAYS = 30
"""How long hourly counts are kept."""

DEFAULT_DAYS = RequestSettings().days

log = get_logger(__name__)


class Since(Versioned):
    """Since when a version's state is what it is, by window."""

    version: str | None = None
    states: dict[str, FitState] = Field(default_factory=dict)
    moments: dict[str, datetime] = Field(default_factory=dict)


class TaskLedger:
    """The counts of one task."""

    def __init__(self, objects: ObjectStore, task: str) -> None:
        self._objects = objects
        self._task = task
        self._known: dict[str, Known] = {}
        self._processes: dict[str, dict[str, History]] = {}
        """By process and version."""
        self._since = Since()
        self._read = False
        self._kept: dict[str, Known] = {}
        """What is in the bucket of what versions know."""
        self.evidence = Evidence(objects, task)

    def take(self, moment: float, instance: str, began: datetime, counted: Iterable[Counted]) -> None:
        """Note what a process has counted until now, and keep it. Raises RegraftError where it cannot be kept."""
        versions = list(counted)
        for each in versions:
            self._note(moment, instance, began.timestamp(), each.known, each.counts)
            self._keep_known(each.known)
        hour = Hour(
            at=moment,
            started_at=began.timestamp(),
            versions={each.known.version: each.counts for each in versions},
        )
        put_model(self._objects, layout.fit_hour(self._task, datetime.fromtimestamp(moment, UTC), instance), hour)

    def fit(self, version: str | None, window: Window, now: float) -> Fit:
        """Return whether a version fits what it was asked, all its predictors together."""
        known = self._known.get(version or "")
        counts = self.counts(version, now - WINDOWS[window])
        found = fit_of(known, counts, window=window, since=datetime.fromtimestamp(now, UTC), measured=self.measured())
        return found.model_copy(update={"since": self._moment(version, window, found, now)})

    def measured(self) -> list[MeasuredSkill]:
        """Return the skill of each version whose outcomes are known, the newest version first."""
        found = [measured_of(version, self.known(version), pairs) for version, pairs in self.evidence.pairs().items()]
        return sorted(found, key=lambda each: _number(each.version), reverse=True)

    def known(self, version: str) -> Known | None:
        """Return what a version knows, None where no predictor has ever told."""
        if version not in self._known:
            found = find_model(self._objects, layout.fit_known(self._task, version), Known)
            if found is None:
                return None
            self._known[version] = found
        return self._known[version]

    def newest(self) -> Known | None:
        """Return what the newest version knows that any predictor has told of."""
        return max(self._known.values(), key=lambda known: _number(known.version), default=None)

    @property
    def keep_days(self) -> int:
        """How long rows are kept that were asked, and what is told of them: as the newest version's task says."""
        newest = self.newest()
        return DEFAULT_DAYS if newest is None else newest.keep_days

    def counts(self, version: str | None, since: float) -> Counts:
        """Return what a version was asked after a moment."""
        return total(of[version].within(since) for of in self._processes.values() if version in of)

    def comparisons(self, version: str, since: float) -> list[Comparison]:
        """Return each distribution of what was asked after a moment beside what the version knows."""
        known = self._known.get(version)
        return [] if known is None else comparisons_of(known, self.counts(version, since))

    def read(self, now: float) -> None:
        """Read what the bucket has of the last day, once, and what is new of evidence. Raises RegraftError."""
        if not self._read:
            self._read_first(now)
        self.evidence.read(now, self.keep_days)

    def _read_first(self, now: float) -> None:
        told = [
            key.rpartition("/")[2].removesuffix(".json") for key in self._objects.keys(layout.fit_knowns(self._task))
        ]
        if told:
            self.known(max(told, key=_number))
        for instance, hour in hours_since(self._objects, self._task, now - DAY - HOUR):
            self._read_hour(instance, hour)
        self._since = find_model(self._objects, layout.fit_since(self._task), Since) or Since()
        self._read = True

    def prune(self, now: float) -> None:
        """Remove what is older than is kept, from the bucket, and what tells nothing more from memory."""
        oldest = layout.fit_hour(self._task, datetime.fromtimestamp(now, UTC) - timedelta(days=KEPT_DAYS), "")
        for key in list(self._objects.keys(layout.fit_hours(self._task))):
            if key >= oldest:
                break
            self._objects.remove(key)
        self.evidence.prune(now, self.keep_days)
        for instance, of in list(self._processes.items()):
            if all(history.latest < now - DAY - HOUR for history in of.values()):
                del self._processes[instance]

    def _read_hour(self, instance: str, hour: Hour) -> None:
        for version, counts in hour.versions.items():
            known = self.known(version)
            if known is not None and known.fits(counts):
                self._note(hour.at, instance, hour.started_at, known, counts)

    def _note(self, moment: float, instance: str, began: float, known: Known, counts: Counts) -> None:
        self._known[known.version] = known
        history = self._processes.setdefault(instance, {}).setdefault(known.version, History(began=began))
        history.note(moment, counts)

    def _keep_known(self, known: Known) -> None:
        if self._kept.get(known.version) == known:
            return
        key = layout.fit_known(self._task, known.version)
        if find_model(self._objects, key, Known) != known:
            put_model(self._objects, key, known)
        self._kept[known.version] = known

    def _moment(self, version: str | None, window: Window, found: Fit, now: float) -> datetime:
        """Return since when the state is what it is, and keep that where it has changed."""
        if self._since.version != version:
            self._since = Since(version=version)
        if self._since.states.get(window) != found.state:
            self._since.states[window] = found.state
            self._since.moments[window] = datetime.fromtimestamp(now, UTC)
            try:
                put_model(self._objects, layout.fit_since(self._task), self._since)
            except (RegraftError, OSError) as error:
                log.warning("state of fit cannot be kept", task=self._task, error=str(error))
        return self._since.moments[window]


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0


class Ledger:
    """The counts of all tasks. Calls the object store: to be called in a thread, by one at a time."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._tasks: dict[str, TaskLedger] = {}

    def task(self, name: str) -> TaskLedger:
        """Return the counts of a task."""
        if name not in self._tasks:
            self._tasks[name] = TaskLedger(self._objects, name)
        return self._tasks[name]

    def take(self, moment: float, told: Told, tasks: Iterable[str]) -> None:
        """Note what a process has told of some tasks; what is broken costs the task that it is of alone."""
        for name in tasks:
            if name not in told.tasks:
                continue
            try:
                ledger = self.task(name)
                ledger.read(moment)
                ledger.take(moment, told.instance, told.started_at, _counted(name, told.tasks[name]))
            except (RegraftError, OSError, ValueError) as error:
                log_once(log, f"fit/{name}", "counts are left aside", task=name, reason=str(error))

    def keep(self, moment: float, told: KeptTold, tasks: Iterable[str]) -> None:
        """Put the rows of some tasks that a process has kept into the store. Raises RegraftError."""
        for block in told.blocks:
            if block.task in tasks:
                self.task(block.task).evidence.keep(moment, told.instance, block)


def _counted(task: str, told: list[Any]) -> list[Counted]:
    """Return what a process has counted of a task. Raises ValueError for what cannot be."""
    try:
        found = [Counted.model_validate(each) for each in told]
    except ValidationError as error:
        raise ValueError(f"counts cannot be read: {error.errors(include_input=False)[0]['msg']}") from None
    for each in found:
        if each.known.task != task or not each.known.fits(each.counts):
            raise ValueError("counts are in other bins than they say")
    return found


__all__ = ["Ledger", "TaskLedger"]
