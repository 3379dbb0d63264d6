"""A stage: actors that take turns, one at a time. Who is next, what goes wrong and what time it is: a seed says it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Literal

Trouble = Literal["away", "lost", "refused", "killed", "killed after", "told to end"]
"""What can go wrong with a call: nobody is there; it is done but the answer is lost; it is refused for good; the caller
is killed before or after; the caller is told to end, and killed when it has not ended soon."""

GRACE_SECONDS = 30.0
"""How long one that is told to end may still act."""

CALL_SECONDS = 0.02
"""How long a call takes at most."""

LIMIT_SECONDS = 6 * 3600.0
"""A course that lasts longer hangs."""


class Killed(BaseException):
    """The process is gone: whatever it still wants to do does not happen."""


@dataclass
class Actor:
    """A thread that acts when it is its turn. ``troubles`` are those of its calls, by their number."""

    name: str
    act: Callable[[], None]
    troubles: dict[int, Trouble] = field(default_factory=dict)
    calls: int = 0
    wakes: float = 0.0
    ends: float | None = None
    """When it is killed, for one that was told to end."""
    ended: bool = False
    error: BaseException | None = None
    turn: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def begin(self) -> None:
        """Be a new process: what was done to the last one does not touch it."""
        self.ends = None


@dataclass(frozen=True)
class Outage:
    """A time in which a service is away."""

    service: str
    begins: float
    seconds: float


class Stage:
    """The actors, the clock, and the world around, which acts whenever it is its turn."""

    def __init__(self, random: Random, world: Callable[[], float]) -> None:
        self.random = random
        self.now = 0.0
        self.story: list[str] = []
        self._outages: Sequence[Outage] = ()
        self._actors: list[Actor] = []
        self._here = threading.local()
        self._back = threading.Semaphore(0)
        self._world = world
        self._world_wakes = 0.0

    def begin(self, outages: Sequence[Outage]) -> None:
        """Empty the stage, and start its clock at 0."""
        self.now = self._world_wakes = 0.0
        self._outages = outages
        self._actors.clear()

    def enter(self, actor: Actor) -> None:
        """Let an actor take part."""
        self._actors.append(actor)

    def play(self) -> None:
        """Let all act until all have ended. Raises what an actor raised."""
        for actor in self._actors:
            threading.Thread(target=self._live, args=(actor,), daemon=True).start()
        while open_actors := [actor for actor in self._actors if not actor.ended]:
            assert self.now < LIMIT_SECONDS, [actor.name for actor in open_actors]
            due = [actor for actor in open_actors if actor.wakes <= self.now]
            world_is_due = self._world_wakes <= self.now
            if not due and not world_is_due:
                self.now = min(self._world_wakes, *(actor.wakes for actor in open_actors))
            elif world_is_due and self.random.randrange(len(due) + 1) == 0:
                self.act_world()
            elif due:
                actor = self.random.choice(due)
                actor.turn.release()
                self._back.acquire()
                if actor.error is not None:
                    raise actor.error

    def act_world(self) -> None:
        """Let the world do its next thing."""
        self._world_wakes = self.now + self._world()

    def tell(self, words: str) -> None:
        """Add to the story of this course."""
        actor = self.actor
        self.story.append(f"{self.now:8.2f} {actor.name if actor else 'world'}: {words}")

    # What the actors' code sees

    @property
    def actor(self) -> Actor | None:
        """The actor whose thread this is."""
        found: Actor | None = getattr(self._here, "actor", None)
        return found

    @property
    def is_aside(self) -> bool:
        """Whether what this thread does is no act of an actor."""
        return self.actor is None or getattr(self._here, "is_aside", False)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let what an actor does meanwhile be none of its calls."""
        self._here.is_aside = True
        try:
            yield
        finally:
            self._here.is_aside = False

    def monotonic(self) -> float:
        """The time here, in seconds."""
        return self.now

    time = monotonic

    def sleep(self, seconds: float) -> None:
        """Let others act, for some time."""
        actor = self.actor
        assert actor is not None, "only actors wait"
        self._heed_end(actor)
        actor.wakes = self.now + seconds
        self._back.release()
        actor.turn.acquire()
        self._heed_end(actor)

    def call[T](self, service: str, act: Callable[[], T], fail: Callable[[Trouble], T]) -> T:
        """Do one call of the actor, with what goes wrong with it; ``fail`` returns or raises what it is told then."""
        actor = self.actor
        assert actor is not None
        self.sleep(self.random.uniform(0, CALL_SECONDS))
        actor.calls += 1
        trouble = actor.troubles.get(actor.calls) or self._outage(service)
        if trouble:
            self.tell(f"call {actor.calls} of {service}: {trouble}")
        match trouble:
            case "killed":
                self._kill(actor)
            case "told to end":
                actor.ends = self.now + GRACE_SECONDS
                raise SystemExit(143)
            case "away" | "refused":
                return fail(trouble)
        result = act()
        if trouble == "killed after":
            self._kill(actor)
        return fail("lost") if trouble == "lost" else result

    def _outage(self, service: str) -> Trouble | None:
        is_out = any(o.service == service and o.begins <= self.now < o.begins + o.seconds for o in self._outages)
        return "away" if is_out else None

    def _kill(self, actor: Actor) -> None:
        actor.ends = self.now
        raise Killed

    def _heed_end(self, actor: Actor) -> None:
        if actor.ends is not None and self.now >= actor.ends:
            raise Killed

    def _live(self, actor: Actor) -> None:
        self._here.actor = actor
        actor.turn.acquire()
        try:
            actor.act()
        except BaseException as error:
            actor.error = error
        actor.ended = True
        self._back.release()
