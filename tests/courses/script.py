"""What a seed says of a course: its runs, and all that goes wrong in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from regraft_core.runs import RunRequest
from tests.courses.stage import Outage, Trouble
from tests.courses.worlds import TASK

BEGIN = datetime(2024, 2, 29, tzinfo=UTC)
DEPLOY_SECONDS = 300.0
TRIES = 9
"""How often Argo begins a container, by the template's limit."""

SERVICES = ("mlflow", "cluster", "predictor", "store")
TROUBLES: tuple[Trouble, ...] = ("away", "lost", "refused", "killed", "killed", "killed after", "told to end")


@dataclass(frozen=True)
class Plan:
    """A run as it shall go, as far as that can be planned."""

    request: RunRequest
    dataset: str
    own: str
    """Number of the version that it registers."""
    troubles: Mapping[int, Trouble]
    cancelled_at: float | None
    tries: int = TRIES
    """How often its deploy is begun; what serves is put back after that."""

    @property
    def is_smooth(self) -> bool:
        """Whether nothing happens to the run but what passes by itself."""
        return self.cancelled_at is None and "refused" not in self.troubles.values()


@dataclass
class Script:
    """All that a seed says of a course."""

    seed: str
    random: Random = field(init=False)
    bad: frozenset[str] = field(init=False)
    """Datasets whose version does not become ready."""
    base: str | None = field(init=False)
    """The dataset of what is in service before."""
    plans: list[Plan] = field(init=False)
    outages: list[Outage] = field(init=False)

    def __post_init__(self) -> None:
        source = self.random = Random(self.seed)
        self.bad = frozenset(name for name in "BCD" if source.random() < 0.4)
        self.base = "A" if source.random() < 0.8 else None
        first = 1 if self.base is None else 2
        runs = source.randint(2, 4)
        owns = source.sample(range(first, first + runs), runs)  # whoever has trained first has the first number
        self.plans = [self._plan(place + 1, str(own)) for place, own in enumerate(owns)]
        self.outages = [
            Outage(source.choice(SERVICES), source.uniform(0, 60), source.choice((3.0, 30.0, 150.0)))
            for _ in range(source.choice((0, 0, 1, 2)))
        ]

    def lets_pass(self, plan: Plan) -> bool:
        """Whether all that happens to a run passes while it is tried, and before a version would fail for it."""
        is_calm = all(outage.seconds < DEPLOY_SECONDS / 2 for outage in self.outages)
        is_tried = plan.tries == TRIES or not (plan.troubles or self.outages)
        return plan.is_smooth and is_calm and is_tried

    def _plan(self, place: int, own: str) -> Plan:
        source = self.random
        is_rollback = source.random() < 0.12
        request = RunRequest(
            run_id=f"run-{place}",
            kind="rollback" if is_rollback else "train",
            task=TASK,
            data_url=None if is_rollback else f"http://data/{place}.csv",
            force=source.random() < 0.1,
            to_version="1" if is_rollback and self.base and source.random() < 0.5 else None,
            accepted_at=BEGIN + timedelta(seconds=place),
        )
        troubles = {source.randint(1, 60): source.choice(TROUBLES) for _ in range(source.choice((0, 0, 1, 2, 4)))}
        cancelled_at = source.uniform(0, 60) if source.random() < 0.12 else None
        tries = source.choice((TRIES, TRIES, 1, 2))
        return Plan(request, source.choice("ABCD"), own, troubles, cancelled_at, tries)
