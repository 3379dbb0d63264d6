"""A drill: datasets of two tasks are posted while whatever Regraft stands on is killed at random moments.

At its end every run that was accepted has come to an end and has its record, and for each task the newest accepted
dataset that passes is in service: registry, address and the predictors' own answers agree on it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random

import httpx

from tests.checker.client import HEART_DISEASE, PASSWORDS, Accepted, CheckError, RunView
from tests.drill import kills
from tests.drill.asking import Asking
from tests.drill.kills import Target
from tests.e2e.cluster import (
    NAMESPACE,
    PLATFORM,
    asked,
    eventually,
    forgotten,
    get,
    kubectl,
    rolled_out,
    storage_uri,
)
from tests.e2e.conftest import MLFLOW_URL, URL, Installation
from tests.e2e.registry import Bucket, Registry

TASKS = (PASSWORDS, HEART_DISEASE)
GOOD = {PASSWORDS: "good", HEART_DISEASE: "heart_good"}
BAD = {PASSWORDS: "drifted", HEART_DISEASE: "heart_shuffled_labels"}
BAD_SHARE = 0.2

POST_SECONDS = 180.0
"""How long is tried to have a run accepted while the trigger service is being started again."""

RUN_SECONDS = 900.0

ASKING_PAUSE = 0.2
"""Seconds between an answer and the next request of a client: asking must not take what the runs need."""

BACK_SECONDS = 60.0
"""How long is waited until what was killed last is ready again."""

ACTING_SHARE = 0.7
"""Of the whole time: how much is for posting and killing, the rest is for the runs to end."""
PASSED = {"promoted", "unchanged"}
ENDS = {True: PASSED | {"superseded"}, False: {"rejected"}}
"""How a good dataset may end, and a bad one."""


@dataclass
class Posted:
    """A dataset that was accepted, and what became of it."""

    task: str
    name: str
    accepted: Accepted
    accepted_at: str = ""
    end: RunView | None = None
    lost: str = ""
    """Why no end is known of it."""

    @property
    def is_good(self) -> bool:
        """Whether it has to be promoted, if nothing later is."""
        return self.name == GOOD[self.task]


@dataclass
class Drill:
    """One drill.

    ``pause`` is the mean of the seconds between two things that happen, ``least`` how many there are between two kills
    at the least; ``limit`` how many the whole may take. What is killed has to be running: so a kill waits until what
    was killed before is ready again, or a minute has passed.
    """

    service: Installation
    registry: Registry
    random: Random
    triggers: int
    kills: int
    pause: float
    least: float = 12.0
    limit: float = 3600.0
    posted: list[Posted] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0
    """Seconds in which something that was killed was not ready again."""
    not_back: int = 0
    """How often the next kill came before that."""
    nothing: int = 0
    """How often there was nothing to kill."""
    left_out: int = 0
    """What did not happen any more, for want of time."""

    def play(self) -> Asking:
        """Post and kill in a random order, wait for all ends, and look whether all agree."""
        began = time.monotonic()
        asking = Asking((self.service.trigger_url, self.service.predict_url), TASKS, pause=ASKING_PAUSE)
        with two_predictors_each(TASKS), asking.running():
            for what in self._order():
                if time.monotonic() - began > ACTING_SHARE * self.limit:
                    self.left_out += 1
                elif what == "trigger":
                    self._post()
                    time.sleep(self.random.expovariate(1 / self.pause))
                else:
                    killed = self._kill(asking)
                    time.sleep(max(self.least, self.random.expovariate(1 / self.pause)))
                    self._see_back(killed)
            self._wait(until=began + self.limit)
            settled()
            self._look()
        self.problems += [f"prediction of {one.task} failed: {one.said}" for one in asking.others()[:10]]
        self.seconds = time.monotonic() - began
        return asking

    def _order(self) -> list[str]:
        """Return what happens: a trigger first, the rest at random."""
        rest = ["trigger"] * (self.triggers - 1) + ["kill"] * self.kills
        return ["trigger", *self.random.sample(rest, len(rest))]

    def _post(self) -> None:
        """Have a dataset accepted: sent again with its key until there is an answer, it is one run."""
        task = self.random.choice(TASKS)
        name = (BAD if self.random.random() < BAD_SHARE else GOOD)[task]
        seed, key = self.random.randrange(1_000_000), f"drill-{self.random.getrandbits(64):x}"
        accepted = patiently(lambda: self.service.post(name, seed, task=task, key=key))
        self.posted.append(Posted(task, name, accepted))

    def _kill(self, asking: Asking) -> tuple[Target, int] | None:
        """Kill something, and return what it was and how many of it were ready before."""
        found = kills.pick(kills.targets(TASKS), self.random)
        if found is None:
            self.nothing += 1
            return None
        target, pod = found
        before = target.ready()
        if target.is_asked:
            with asking.killing():
                target.kill(pod)
                forgotten(pod)
        else:
            target.kill(pod)
        self.killed[target.name] += 1
        return target, before

    def _see_back(self, killed: tuple[Target, int] | None) -> None:
        """Wait until as many are ready as were; a step's pod may have been the last of its run."""
        if killed is None or not killed[0].comes_back:
            return
        target, before = killed
        began = time.monotonic()
        while target.ready() < before:
            if time.monotonic() - began > BACK_SECONDS:
                self.not_back += 1
                break
            time.sleep(1)
        self.waited += time.monotonic() - began

    def _wait(self, until: float) -> None:
        for one in self.posted:
            try:
                left = max(1.0, until - time.monotonic())
                one.end = self.service.wait(one.accepted, timeout=min(RUN_SECONDS, left))
                document = patiently(lambda one=one: self.service.run(one.accepted))  # type: ignore[misc]
                one.accepted_at = str(document["accepted_at"])
            except (CheckError, httpx.HTTPError) as error:
                one.lost = str(error)
                self.problems.append(f"lost: {one.name} of {one.task}: {error}")

    def _look(self) -> None:
        """Note all that is not as it has to be."""
        for one in self.posted:
            if one.end is not None and one.end.state not in ENDS[one.is_good]:
                self.problems.append(f"{one.name} of {one.task} ended {one.end.state}: {one.end.message}")
        with Bucket.opened() as bucket:
            self.problems += [said for one in self.posted if (said := _record(bucket, one))]
        for task in TASKS:
            self.problems += self._disagreements(task)

    def _disagreements(self, task: str) -> Iterator[str]:
        """Say in what registry, address and answers are not at one, or not with the newest dataset that passes."""
        passed = [one for one in self.posted if one.task == task and one.end and one.end.state in PASSED]
        newest = max(passed, key=lambda one: one.accepted_at, default=None)
        good = [one for one in self.posted if one.task == task and one.is_good and one.accepted_at]
        last = max(good, key=lambda one: one.accepted_at, default=None)
        if last is not newest:
            yield f"{task}: the newest good dataset is not the one in service"
        prod = patiently(lambda: self.registry.prod(task))
        if newest is not None and newest.end is not None and newest.end.version != prod.number:
            yield f"{task}: the alias names version {prod.number}, the newest run {newest.end.version}"
        if storage_uri(task) != prod.uri:
            yield f"{task}: the address is {storage_uri(task)}, the alias names {prod.uri}"
        answers = Counter(patiently(lambda: self.service.serving(task)) for _ in range(20))
        if set(answers) != {prod.number}:
            yield f"{task}: predictors answer as {dict(answers)}, the alias names version {prod.number}"
        for one in passed:
            made = self.registry.versions_of(one.accepted.run_id, task)
            if one.end and one.end.state == "promoted" and len(made) != 1:
                yield f"{task}: {one.accepted.run_id} made {len(made)} versions"

    def table(self, asking: Asking) -> str:
        """Return what happened, as a table in Markdown."""
        states = Counter(one.end.state if one.end else "lost" for one in self.posted)
        rows = [
            ("triggers accepted", len(self.posted)),
            ("lost", sum(bool(one.lost) for one in self.posted)),
            *((f"ended {state}", number) for state, number in sorted(states.items())),
            ("kills", self.killed.total()),
            *((f"killed: {name}", number) for name, number in sorted(self.killed.items())),
            ("not ready again a minute after its kill", self.not_back),
            ("nothing to kill", self.nothing),
            ("left out for want of time", self.left_out),
            ("predictions answered", asking.answered),
            ("failed at the hard kill of their predictor", len(asking.at_a_kill())),
            ("failed otherwise", len(asking.others())),
            ("problems", len(self.problems)),
            ("runs at once, at most", runs_at_once()),
            ("seconds between two kills, at least", round(self.least)),
            ("seconds waited besides for what was killed", round(self.waited)),
            ("seconds", round(self.seconds)),
            ("seconds, at most", round(self.limit)),
        ]
        return "\n".join(["| what | number |", "|---|---:|", *(f"| {name} | {number:,} |" for name, number in rows)])


def _record(bucket: Bucket, one: Posted) -> str:
    """Say what is wrong with the record of a run that has ended; nothing where all is right."""
    found = bucket.find(f"runs/{one.accepted.run_id}/record.json")
    if found is None:
        return f"{one.accepted.run_id} has no record"
    state = json.loads(found)["state"]
    if one.end is not None and state != one.end.state:
        return f"{one.accepted.run_id} is {one.end.state}, and its record says {state}"
    return ""


@contextmanager
def two_predictors_each(tasks: Iterable[str]) -> Iterator[None]:
    """Have two predictors of each task in the block, and as many as before after it."""
    with ExitStack() as stack:
        for task in tasks:
            before = get("inferenceservice", task)["spec"]["predictor"].get("minReplicas", 1)
            stack.callback(_replicas, task, before)
            _replicas(task, 2)
        yield


def _replicas(task: str, number: int) -> None:
    patch = {"spec": {"predictor": {"minReplicas": number}}}
    kubectl("patch", "inferenceservice", task, "--type", "merge", "--patch", json.dumps(patch))
    deployment = f"{task}-predictor"
    eventually(lambda: get("deployment", deployment)["spec"]["replicas"] == number or None, seconds=60)
    rolled_out(deployment)


def runs_at_once() -> int:
    """Return how many runs may be under way at once, which Argo's controller reads from the namespace."""
    labels = asked(f"/api/v1/namespaces/{NAMESPACE}")["metadata"].get("labels", {})
    return int(labels.get("workflows.argoproj.io/parallelism-limit", 0))


def settled() -> None:
    """Wait until all that was killed is back."""
    for name, namespace in (("mlflow", PLATFORM), ("minio", PLATFORM), ("regraft-trigger", NAMESPACE)):
        rolled_out(name, namespace=namespace)
    for task in TASKS:
        rolled_out(f"{task}-predictor")
    for url in (f"{URL}/ready", f"{MLFLOW_URL}/health"):
        patiently(lambda url=url: httpx.get(url).raise_for_status())  # type: ignore[misc]


def patiently[T](ask: Callable[[], T]) -> T:
    """Ask until there is an answer: what was killed a moment ago may be led to still."""
    deadline = time.monotonic() + POST_SECONDS
    while True:
        try:
            return ask()
        except (CheckError, AssertionError, httpx.HTTPError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def said(problems: Sequence[str]) -> str:
    """Return the problems as lines."""
    return "\n".join(f"- {problem}" for problem in problems)
