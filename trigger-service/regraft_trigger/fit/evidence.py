"""What was asked and kept, and what really happened: joined, so that it can be told how good a version is in service.

Both are kept as JSON lines in gzip (this service has no data library), by the hour in which they came::

    requests/{task}/{hour}/{instance}-{number}.jsonl.gz   rows that a predictor kept, with their answers
    outcomes/{task}/{hour}/{digest}-{moment}.jsonl.gz     what was told in one request

Several replicas may write the same, and anything may be told twice: of a row that was asked the last answer counts, of
its outcome what was told last, and what is told twice in the very same words is told once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from regraft_core import layout
from regraft_core.fit.history import DAY, HOUR
from regraft_core.fit.kept import KeptBlock, KeptRow, Outcome, lines_of, packed
from regraft_core.fit.skill import Answer, Pair
from regraft_core.stores.objects import ObjectStore

MOST_ROWS = 50_000
"""Rows that are remembered of a task, the newest: of older ones outcomes measure nothing any more."""

MOST_MEASURED = 1000
"""Rows of a version that its skill is measured on, the newest: so that a world that turns is seen soon."""

READ_SECONDS = 2.0
"""How old what was read may be."""

LATE = 2 * HOUR
"""How far back it is looked for what other replicas have written, seconds."""

type Asked = tuple[str, int]
"""A row: the id of its request, and its place in it."""


@dataclass(frozen=True, slots=True)
class _Answered:
    at: float
    version: str
    answer: Answer
    probability: float | None


class Evidence:
    """What is known of one task. Calls the object store: to be called in a thread, by one at a time."""

    def __init__(self, objects: ObjectStore, task: str) -> None:
        self._objects = objects
        self._task = task
        self._answered: dict[Asked, _Answered] = {}
        self._told: dict[Asked, Outcome] = {}
        self._seen: set[str] = set()
        self._is_read = False
        self._fresh_until = 0.0

    def keep(self, moment: float, instance: str, block: KeptBlock) -> None:
        """Put rows that a predictor kept into the store. Raises RegraftError."""
        rows = list(lines_of(block.lines.encode(), KeptRow))
        if rows:
            key = layout.kept_block(self._task, _time(moment), instance, block.number)
            self._objects.put(key, packed(rows))
            self._fresh_until = 0.0

    def tell(self, moment: float, outcomes: Iterable[Outcome]) -> None:
        """Put outcomes into the store. Raises RegraftError."""
        told = list(outcomes)
        without_time = packed(each.model_copy(update={"at": 0.0}) for each in told)
        digest = hashlib.sha256(without_time).hexdigest()[:32]
        self._objects.put(layout.outcomes_told(self._task, _time(moment), digest), packed(told))
        self._fresh_until = 0.0

    def read(self, now: float, days: int) -> None:
        """Read what has come since then; the first time, the newest of what is kept. Raises RegraftError."""
        if now < self._fresh_until:
            return
        since = now - (LATE if self._is_read else days * DAY)
        for key in self._new(layout.kept_rows(self._task), since):
            for row in lines_of(self._objects.get(key) or b"", KeptRow):
                asked = (row.id, row.row)
                self._answered.pop(asked, None)
                self._answered[asked] = _Answered(row.at, row.version, row.answer, row.probability)
        for key in self._new(layout.outcomes_of(self._task), since):
            self._take(key)
        self._seen = {key for key in self._seen if key.split("/")[2] >= _hour(now - LATE)}
        _forget(self._answered)
        _forget(self._told)
        self._is_read, self._fresh_until = True, now + READ_SECONDS

    def pairs(self) -> dict[str, list[Pair]]:
        """Return by version what was answered and what really happened, the rows that were asked last."""
        found: dict[str, list[tuple[float, Pair]]] = {}
        for asked, outcome in self._told.items():
            answered = self._answered.get(asked) if outcome.id is not None else _answered(outcome)
            if answered is not None:
                pair = Pair(outcome.truth, answered.answer, answered.probability)
                found.setdefault(answered.version, []).append((answered.at, pair))
        return {
            version: [pair for _, pair in sorted(pairs, key=lambda each: each[0])[-MOST_MEASURED:]]
            for version, pairs in found.items()
        }

    def rows(self, since: float) -> Iterator[tuple[dict[str, object], Answer]]:
        """Yield inputs and truth of each row whose outcome was told after a moment, each once. Raises RegraftError."""
        told: dict[Asked, Outcome] = {}
        for key in self._keys(layout.outcomes_of(self._task), since):
            for asked, outcome in self._outcomes(key):
                if asked not in told or outcome.at >= told[asked].at:
                    told[asked] = outcome
        kept: dict[Asked, KeptRow] = {}
        for key in self._keys(layout.kept_rows(self._task), 0.0):
            for row in lines_of(self._objects.get(key) or b"", KeptRow):
                if (row.id, row.row) in told:
                    kept[row.id, row.row] = row
        for asked, outcome in told.items():
            if outcome.inputs is not None:
                yield dict(outcome.inputs), outcome.truth
            elif asked in kept:
                yield dict(kept[asked].inputs), outcome.truth

    def prune(self, now: float, days: int) -> None:
        """Remove what is older than is kept."""
        for prefix in (layout.kept_rows(self._task), layout.outcomes_of(self._task)):
            oldest = prefix + _hour(now - days * DAY)
            for key in list(self._objects.keys(prefix)):
                if key >= oldest:
                    break
                self._objects.remove(key)

    def _take(self, key: str) -> None:
        for asked, outcome in self._outcomes(key):
            if asked not in self._told or outcome.at >= self._told[asked].at:
                self._told.pop(asked, None)
                self._told[asked] = outcome.model_copy(update={"inputs": None})  # which may be large

    def _outcomes(self, key: str) -> Iterator[tuple[Asked, Outcome]]:
        """Yield outcomes by the row that they are of; such with inputs are known by the request that told them."""
        digest = key.rpartition("/")[2].partition("-")[0]
        for place, outcome in enumerate(lines_of(self._objects.get(key) or b"", Outcome)):
            yield (f"\0{digest}", place) if outcome.id is None else (outcome.id, outcome.row), outcome

    def _new(self, prefix: str, since: float) -> list[str]:
        """Return the keys that have not been read, the oldest first; not more than can be remembered."""
        found = [key for key in self._keys(prefix, since) if key not in self._seen]
        self._seen.update(found)
        return found[-MOST_ROWS:]

    def _keys(self, prefix: str, since: float) -> Iterator[str]:
        return self._objects.keys(prefix, after=prefix + _hour(since))


def _forget[T](found: dict[Asked, T]) -> None:
    """Forget the oldest of more than are remembered."""
    for asked in list(found)[:-MOST_ROWS]:
        del found[asked]


def _answered(outcome: Outcome) -> _Answered | None:
    if outcome.version is None or outcome.answer is None:
        return None
    return _Answered(outcome.at, outcome.version, outcome.answer, outcome.probability)


def _time(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def _hour(moment: float) -> str:
    return f"{_time(moment):%Y-%m-%dT%H}"
