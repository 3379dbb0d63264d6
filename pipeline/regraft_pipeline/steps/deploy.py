"""Step deploy: the one place that decides what serves.

What is accepted last serves, whatever finishes, fails or is killed when, and however many deploys of a task run at
once. Two things hold that, and both are asked again before every act that cannot be taken back:

- the address that is set to serve, with the order of the run that set it beside it. It is changed only where it is
  still what was read, and never while it is that of a later run that has not ended: that end is waited for.
- the registry, whose alias ``prod`` says what has been proven. It moves only while this run alone decides for the task
  and its address is set. What is put back is what ``prod`` names at that moment.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import DeployError, NotFoundError, RegraftError, TemporaryError
from regraft_core.record import CANCELLED, cancellation
from regraft_core.runs import Cause, RunState, now, warnings_of
from regraft_core.serving import Serving
from regraft_core.stores.objects import find_model, get_model, put_model
from regraft_core.verdict import Verdict
from regraft_pipeline.deployers import Deployer, DisplacedError, Place
from regraft_pipeline.registry.version import Version
from regraft_pipeline.steps import Context, DeployResult, DownloadResult, RegisterResult, TrainResult

POLL_SECONDS = 1.0
TURN_SECONDS = 15 * 60.0
"""How long the end of a later run is waited for, before the step is tried anew."""

INSIST_SECONDS = 60.0
"""How long is asked what is set, and the registry what to put back; what it said before is taken then."""


class CancelledError(Exception):
    """The run is to end: somebody wants it, or it has failed for good and has only to put back."""


def run(context: Context) -> DeployResult:
    """Bring the run's version into service, or for a rollback an earlier one, unless a later run did.

    The run ends ``unchanged`` where the version in service was trained on its very dataset, which counts as a promotion
    of what serves, ``rolled_back`` where its version is never ready, ``superseded`` where a later run was promoted, and
    as was asked for where it is to end: ``cancelled``, or ``failed``. What served is back then.
    """
    return context.finish("deploy", Deploy(context, context.open_deployer()).to_end())


class Deploy:
    """One attempt to bring one run's version into service."""

    def __init__(self, context: Context, deployer: Deployer) -> None:
        self._context = context
        self._deployer = deployer
        self._registry = context.registry
        self._task = context.task
        self._order = context.request.order
        self._deciding = False
        """Whether the alias may have been moved."""

    def to_end(self) -> DeployResult:
        """Begin again and again, until nobody comes in between."""
        act: Callable[[], DeployResult | None] = self._once
        while True:
            try:
                result = act()
            except DisplacedError as error:
                self._context.log.info("beginning again", reason=error.message)
                time.sleep(POLL_SECONDS)
            except CancelledError:
                act = self._cancelled
            else:
                if result is not None:
                    return result

    def _once(self) -> DeployResult | None:
        """Return the end of the run, None where it is to begin again. Raises DisplacedError for the same."""
        # In this order: who set the address and has ended has moved the alias before, if at all.
        placed = self._placed()
        ended = self._has_ended(placed)
        prod = self._prod(placed)
        if prod is not None and prod.prod_order == self._order:
            return self._complete(placed, prod)
        self._heed()
        if (later := self._later(placed, prod)) is not None:
            return self._give_way(placed, prod, later)
        if placed.order > self._order and not ended:
            self._wait_for(placed.order)
            return None
        if prod is not None and self._is_unchanged(prod):
            return self._confirm(placed, prod)
        return self._roll_out(placed, self._candidate(prod), prod)

    def _later(self, placed: Place, prod: Version | None) -> str | None:
        """Say what is in service by a later run, if anything is; a bootstrap gives way to whatever serves."""
        is_bootstrap = self._context.request.kind == "bootstrap"
        if prod is not None and (is_bootstrap or prod.prod_order > self._order):
            return f"version {prod.number} of the later {prod.prod_run_id} is in service"
        if prod is None and is_bootstrap and placed.uri and not placed.order.startswith("/"):
            return f"{placed.uri} serves, though the alias prod is gone; a rollback to a version, or new data, heals it"
        return None

    def _candidate(self, prod: Version | None) -> Version:
        """Return the version to roll out. Raises NotFoundError (``version_unknown``)."""
        request = self._context.request
        if request.kind == "rollback":
            if request.to_version is None:
                return self._registry.previous(self._task, prod)
            return self._registry.version(self._task, request.to_version)
        known = self._download()
        if known is not None and known.version is not None:
            return self._registry.version(self._task, known.version)
        return self._registry.version(self._task, self._context.result("register", RegisterResult).version)

    def _is_unchanged(self, prod: Version) -> bool:
        """Whether the version in service was trained on the very dataset of this run, by the same definition."""
        request, found = self._context.request, self._download()
        if request.kind != "train" or request.force or found is None or prod.run_id == request.run_id:
            return False
        return prod.is_of(found.data_sha256, self._task.definition)

    def _download(self) -> DownloadResult | None:
        key = layout.step_result(self._context.request.run_id, "download")
        return get_model(self._context.store, key, DownloadResult)

    # Ways to the end

    def _roll_out(self, placed: Place, candidate: Version, prod: Version | None) -> DeployResult:
        """Set the address, see the version serve, move the alias; or take the version back."""
        mine = self._set(placed, candidate)
        try:
            self._context.progress(None, f"rolling out version {candidate.number}")
            self._deployer.prove(self._task.name, mine, self._heed)
            return self._promote(mine, candidate)
        except (DisplacedError, CancelledError):
            raise
        except Exception as error:
            return self._fall(mine, candidate, prod, error)
        except BaseException:
            # This process is told to end. The alias is where it was, unless this is the moment in which it moves.
            # What cannot be put back now is for the next attempt, so nothing may hide that there has to be one.
            if not self._deciding:
                with suppress(RegraftError):
                    self._deployer.place(self._task.name, mine, self._before(prod))
            raise

    def _promote(self, mine: Place, candidate: Version) -> DeployResult:
        """Move the alias, if all is as it has to be still."""
        with self._deployer.alone(self._task.name, self._order) as still_alone:
            prod = self._registry.prod(self._task)
            if self._deployer.placed(self._task.name) != mine:
                raise DisplacedError("another run has set another address")
            if self._later(mine, prod) is not None:
                raise DisplacedError("a later run counts as promoted")
            self._heed()
            still_alone()
            self._deciding = True
            self._registry.promote(self._task, candidate, self._context.request, replaces=prod)
            return self._settle(self._registry.version(self._task, candidate.number))

    def _confirm(self, placed: Place, prod: Version) -> DeployResult:
        """Let what serves count as promoted by this run."""
        mine = self._set(placed, prod)
        try:
            self._deployer.prove(self._task.name, mine, self._heed)
        except DeployError as error:
            what = f"version {prod.number}, trained on this very dataset, does not serve"
            raise DeployError(f"{what}: {error.message}; force trains it anew", code=error.code) from error
        with self._deployer.alone(self._task.name, self._order) as still_alone:
            found = self._registry.prod(self._task)
            if self._deployer.placed(self._task.name) != mine or found is None or found.number != prod.number:
                raise DisplacedError("another version is in service")
            if self._later(mine, found) is not None:
                raise DisplacedError("a later run counts as promoted")
            still_alone()
            self._registry.confirm(self._task, prod, self._context.request)
        return self._unchanged(prod)

    def _complete(self, placed: Place, prod: Version) -> DeployResult:
        """The alias has been moved by this run, before it was killed: nothing is put back any more."""
        if placed.order <= self._order:
            mine = self._set(placed, prod)
            try:
                self._deployer.prove(self._task.name, mine)
            except DeployError as error:
                self._context.log.warning("version in service does not answer", reason=error.message)
        with self._deployer.alone(self._task.name, self._order):
            is_own = self._context.request.kind != "train" or prod.run_id == self._context.request.run_id
            if not is_own and not prod.tags.get("prod_replaces"):
                return self._unchanged(prod)
            return self._settle(prod)

    def _give_way(self, placed: Place, prod: Version | None, later: str) -> DeployResult:
        if placed.order == self._order and prod is not None and placed.uri != prod.uri:
            self._take_back(placed, prod)
        return DeployResult(end=RunState.SUPERSEDED, cause=Cause(code=Code.SUPERSEDED, message=later), message=later)

    def _fall(self, mine: Place, candidate: Version, prod: Version | None, error: Exception) -> DeployResult:
        """Take the version back because of what went wrong, unless the alias has moved. Raises what is no end."""
        code = error.code if isinstance(error, RegraftError) else Code.INTERNAL_ERROR
        self._context.log.warning("version was never ready", version=candidate.number, code=code, reason=str(error))
        self._deciding = True
        back = self._take_back(mine, prod, because=error)
        if back is not None and back.number == candidate.number:
            if back.prod_order != self._order or isinstance(error, TemporaryError):
                raise error  # there is nothing else to put back, or the rest is for the next attempt
            return self._complete(mine, back)
        if not isinstance(error, DeployError):
            raise error
        before = self._before(back)
        served = f"version {before.version}" if before.version else "what was there before"
        serving = f"{served} serves on" if before.uri else "nothing was in service before"
        message = f"version {candidate.number} did not become ready, {serving}: {error.message}"
        return DeployResult(
            end=RunState.ROLLED_BACK,
            version=candidate.number,
            cause=Cause(code=error.code, message=message),
            message=message,
        )

    def _cancelled(self) -> DeployResult:
        placed = self._placed()
        prod = self._registry.prod(self._task)
        if prod is not None and prod.prod_order == self._order:
            return self._complete(placed, prod)
        if placed.order == self._order and (prod is None or placed.uri != prod.uri):
            self._take_back(placed, prod)
        asked = cancellation(self._context.store, self._context.request.run_id)
        if asked is not None and asked.because is not None:
            return DeployResult(end=RunState.FAILED, cause=asked.because, message=asked.because.message)
        return DeployResult(end=RunState.CANCELLED, cause=CANCELLED, message=CANCELLED.message)

    def _settle(self, version: Version) -> DeployResult:
        """Write down what the alias says. Only who decides alone may do it."""
        self._note(version)
        try:
            self._registry.date(self._task, version, self._context.request)
        except RegraftError as error:
            self._context.log.warning("date of promotion not written", version=version.number, reason=error.message)
        self._context.log.info("promoted", version=version.number)
        message = f"version {version.number} is in service"
        return DeployResult(end=RunState.PROMOTED, version=version.number, message=message)

    def _unchanged(self, prod: Version) -> DeployResult:
        message = f"version {prod.number}, which is in service, was trained on this very dataset; force trains again"
        cause = Cause(code=Code.DATASET_UNCHANGED, message=message)
        return DeployResult(end=RunState.UNCHANGED, version=prod.number, cause=cause, message=message)

    # What they go by

    def _placed(self) -> Place:
        """Return what is set to serve. Who is to tell it may be away for a while: a step has few attempts."""
        deadline = time.monotonic() + INSIST_SECONDS
        while True:
            try:
                return self._deployer.placed(self._task.name)
            except TemporaryError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)

    def _set(self, placed: Place, version: Version) -> Place:
        """Set the address of a version, and return what is set; what was set before is kept, to be put back."""
        if (placed.uri, placed.version) == (version.uri, version.number):
            return placed  # another order beside the same address would only start all pods anew
        mine = Place(uri=version.uri, version=version.number, order=self._order)
        if placed.order != self._order or not self._order:
            put_model(self._context.store, layout.placed_before(self._context.request.run_id), placed)
        if not self._deployer.place(self._task.name, placed, mine):
            raise DisplacedError("another run has set another address")
        return mine

    def _before(self, prod: Version | None) -> Place:
        """Return what is to be put back: what ``prod`` names, else what was there from installation, or nothing."""
        key = layout.placed_before(self._context.request.run_id)
        before = find_model(self._context.store, key, Place) or Place()
        if prod is None:
            # Another run's counts only where it was proven: somebody has deleted its version then.
            noted = find_model(self._context.store, layout.serving(self._task.name), Serving)
            return before if not before.order or (noted and noted.uri == before.uri) else Place()
        if (before.uri, before.version) == (prod.uri, prod.number):
            return before  # with the very annotations, so that KServe finds the old pods good
        return Place(uri=prod.uri, version=prod.number, order=prod.prod_order)

    def _take_back(self, mine: Place, known: Version | None, *, because: Exception | None = None) -> Version | None:
        """Put back what ``prod`` names now, if the address is this run's still, and see it serve; return it.

        Whatever goes wrong is tried again. Raises DeployError (``rollback_failed``) where it cannot be done, or
        TemporaryError of the same code where the next attempt may do it.
        """
        deadline = time.monotonic() + INSIST_SECONDS
        while True:
            try:
                prod, back = self._put_back(mine, known if time.monotonic() > deadline else None)
                break
            except RegraftError as error:
                if time.monotonic() > deadline + INSIST_SECONDS:
                    raise _lost(known.number if known else "", because, error) from error
                time.sleep(POLL_SECONDS)
        if back is not None and back.uri is not None:
            self._context.progress(None, f"putting version {back.version} back")
            try:
                self._deployer.prove(self._task.name, back)
            except DisplacedError:
                pass  # another run is at it
            except RegraftError as error:
                raise _lost(back.version, because, error) from error
        return prod

    def _put_back(self, mine: Place, known: Version | None) -> tuple[Version | None, Place | None]:
        """Return what ``prod`` names, and what has been set for it; ``known`` is taken where nobody answers."""
        with self._deployer.alone(self._task.name, self._order):
            try:
                prod = self._registry.prod(self._task)
            except RegraftError:
                if known is None:
                    raise
                prod = known
            if prod is not None:
                self._note(prod)
                if prod.uri == mine.uri:
                    return prod, None
            back = self._before(prod)
            return prod, back if self._deployer.place(self._task.name, mine, back) else None

    def _prod(self, placed: Place) -> Version | None:
        """Return what ``prod`` names; where somebody deleted the alias, it is given back to what serves."""
        prod = self._registry.prod(self._task)
        if prod is not None or not placed.version:
            return prod
        try:
            version = self._registry.version(self._task, placed.version)
        except NotFoundError:
            return None
        if version.uri != placed.uri or version.promoted_at is None:
            return None
        with self._deployer.alone(self._task.name, self._order):
            if (prod := self._registry.prod(self._task)) is None:
                self._context.log.warning("alias prod was gone, given back", version=version.number)
                self._registry.heal(self._task, version)
        return prod or version

    def _note(self, version: Version) -> None:
        """Keep what is in service where everybody may read it."""
        store, key = self._context.store, layout.serving(self._task.name)
        noted = find_model(store, key, Serving)
        if noted is None or (noted.version, noted.uri) != (version.number, version.uri):
            put_model(store, key, _serving(self._context, version))

    def _has_ended(self, placed: Place) -> bool:
        """Whether the run that set the address has come to its end, or has nothing left to deploy."""
        run_id, store = placed.order.rpartition("/")[2], self._context.store
        return not run_id or store.exists(layout.step_result(run_id, "deploy")) or store.exists(layout.record(run_id))

    def _wait_for(self, order: str) -> None:
        """Wait for the end of a later run. Raises TemporaryError (``turn_awaited``) where it takes too long."""
        later = Place(order=order)
        message = f"waiting for the end of the later {order.rpartition('/')[2]}"
        self._context.progress(None, message)
        deadline = time.monotonic() + TURN_SECONDS
        while not self._has_ended(later):
            self._heed()
            if time.monotonic() > deadline:
                raise TemporaryError(message, code=Code.TURN_AWAITED)
            time.sleep(POLL_SECONDS)

    def _heed(self) -> None:
        if self._context.cancelled():
            raise CancelledError


def _serving(context: Context, version: Version) -> Serving:
    trained = get_model(context.store, layout.step_result(version.run_id, "train"), TrainResult)
    return Serving(
        task=context.task.name,
        version=version.number,
        run_id=version.run_id,
        uri=version.uri,
        data_url=version.data_url,
        data_sha256=version.data_sha256,
        metrics=trained.metrics if trained else {},
        contract=trained.contract if trained else None,
        warnings=warnings_of(find_model(context.store, layout.verdict(version.run_id), Verdict)),
        since=now(),
    )


def _lost(number: str, because: Exception | None, second: RegraftError) -> RegraftError:
    """Return what is to be raised where a version could not be put back: the next attempt may do it."""
    what = f"version {number}" if number else "what was there before"
    first = f"{because}; " if because else ""
    message = f"{first}{what} could not be put back either: {second.message}"
    kind = TemporaryError if isinstance(second, TemporaryError) else DeployError
    return kind(message, code=Code.ROLLBACK_FAILED)
