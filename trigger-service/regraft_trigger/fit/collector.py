"""Asks every predictor each minute what it has counted, and one that is about to end more often: nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import httpx

from regraft_core.codes import Code
from regraft_core.errors import RegraftError, UnavailableError
from regraft_core.fit.counts import Known, Told
from regraft_core.fit.dataset import as_csv
from regraft_core.fit.fit import Fit, Window
from regraft_core.fit.history import DAY
from regraft_core.fit.kept import InputsAnswered, InputsAsked, KeptTold
from regraft_core.logs import get_logger
from regraft_core.serving import Serving
from regraft_core.stores.objects import ObjectStore
from regraft_trigger.backends.backend import PredictorPod
from regraft_trigger.fit.gauges import FitGauges
from regraft_trigger.fit.ledger import Ledger
from regraft_trigger.fit.outcomes import Said, refusal_of, said, told_of
from regraft_trigger.fit.shown import FitShown, shown

ASK_SECONDS = 60.0
"""How often a predictor is asked."""

FRESH_SECONDS = 2.0
"""How old what a predictor has told may be where somebody asks."""

LOOK_SECONDS = 5.0
"""How often it is looked which predictors there are, and which of them are about to end."""

ANSWER_SECONDS = 3.0
MOST_BYTES = 32 << 20
"""Largest answer of a predictor that is read."""

MOST_FETCHES = 32
"""How often a predictor is asked in a row for what it has kept."""

PRUNE_SECONDS = 3600.0

log = get_logger(__name__)
WINDOWS: tuple[Window, ...] = ("hour", "day")

type TaskNames = Callable[[], Sequence[str]]
type Pods = Callable[[], Awaitable[Sequence[PredictorPod]]]
type Keeps = Callable[[str], Awaitable[bool]]
"""Whether rows of a task that were asked may be kept, as its file says now. Raises RegraftError."""

type WhatServes = Callable[[str], Awaitable[Serving | None]]


class Collector:
    """Collects counts, and answers from them. All that touches the bucket is done in one thread of its own."""

    def __init__(
        self,
        objects: ObjectStore,
        tasks: Sequence[str],
        pods: Pods,
        serving: WhatServes,
        gauges: FitGauges,
        *,
        keeps: Keeps,
    ) -> None:
        self._names: TaskNames = lambda: tasks
        self._pods = pods
        self._keeps = keeps
        self._serving = serving
        self._gauges = gauges
        self._ledger = Ledger(objects)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fit")
        self._http = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, verify=False)  # noqa: S501  (http)
        self._told: dict[str, float] = {}
        """When each predictor has told last."""
        self._refreshing = asyncio.Lock()
        self._pruned = time.monotonic()

    async def follow(self, tasks: TaskNames) -> NoReturn:
        """Collect until cancelled; there may be other tasks each time."""
        self._names = tasks
        while True:
            try:
                await self.look()
            except Exception as error:
                log.warning("counts cannot be collected now", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Ask those whose time it is."""
        now = time.monotonic()
        await self._ask_all([pod for pod in await self._pods() if pod.ends or self._is_due(pod, now, ASK_SECONDS)])
        if now - self._pruned > PRUNE_SECONDS:
            self._pruned = now
            for task in self._names():
                await self._in_thread(partial(self._prune, task))

    async def fresh(self, task: str, window: Window) -> Fit:
        """Return what is so now: predictors that have not told for some seconds are asked. Raises RegraftError."""
        async with self._refreshing:
            try:
                pods = [pod for pod in await self._pods() if pod.task in (task, None)]
            except RegraftError as error:
                log.debug("predictors cannot be found now", error=error.message)
                pods = []
            await self._ask_all([pod for pod in pods if self._is_due(pod, time.monotonic(), FRESH_SECONDS)])
        return await self.fit(task, window)

    async def fit(self, task: str, window: Window) -> Fit:
        """Return whether what serves of a task fits what it was asked, as far as told. Raises RegraftError."""
        return (await self._of_serving(task, window))[0]

    async def _of_serving(self, task: str, window: Window) -> tuple[Fit, str | None]:
        serving = await self._serving(task)
        version = None if serving is None else serving.version
        try:
            return await self._in_thread(lambda: self._fit(task, version, window)), version
        except OSError as error:
            raise UnavailableError("the data folder cannot be used now", code=Code.STORAGE_UNAVAILABLE) from error

    async def tell(self, task: str, outcomes: list[dict[str, Any]]) -> int:
        """Keep what really happened, and return of how many rows.

        Raises ContractError for what cannot be, UnavailableError where no predictor has told what can be.
        """
        known = await self._newest(task)
        if known is None or known.contract is None:
            raise _not_told(task)
        told = said(outcomes, known.contract)
        with_inputs = [each for each in told if each.inputs is not None]
        answered = await self._answers(task, with_inputs) if with_inputs else None
        moment = time.time()
        found = told_of(told, moment, answered)
        await self._in_thread(lambda: self._ledger.task(task).evidence.tell(moment, found))
        return len(found)

    async def dataset(self, task: str, since: float) -> bytes:
        """Return a CSV of the rows whose outcome was told after a moment. Raises UnavailableError as ``tell``."""
        known = await self._newest(task)
        if known is None or known.contract is None:
            raise _not_told(task)
        contract, evidence = known.contract, await self._in_thread(lambda: self._ledger.task(task).evidence)
        # Not in the thread that the fit is told from: it may take long, and reads the store alone.
        return await asyncio.to_thread(lambda: "".join(as_csv(contract, evidence.rows(since))).encode())

    async def _newest(self, task: str) -> Known | None:
        """Return what the newest version of a task knows; where nobody has told, predictors are asked."""

        def newest() -> Known | None:
            ledger = self._ledger.task(task)
            ledger.read(time.time())
            return ledger.newest()

        found = await self._in_thread(newest)
        if found is None or found.contract is None:
            await self._ask_all([pod for pod in await self._pods() if pod.task in (task, None)])
            found = await self._in_thread(newest)
        return found

    async def _answers(self, task: str, rows: Sequence[Said]) -> InputsAnswered:
        """Return what a predictor answers to inputs. Raises ContractError for what breaks the contract."""
        asked = InputsAsked(task=task, rows=[each.inputs or {} for each in rows]).model_dump_json()
        for pod in [pod for pod in await self._pods() if pod.task in (task, None) and not pod.ends]:
            try:
                answer = await self._http.post(f"{pod.url}/answers", content=asked)
                if answer.status_code == 400:
                    raise refusal_of(answer.json(), rows)
                answer.raise_for_status()
                return InputsAnswered.model_validate_json(answer.content)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                log.debug("predictor does not answer to inputs", url=pod.url, error=str(error))
        raise UnavailableError(f"no predictor of {task} can be asked now", code=Code.PREDICTOR_UNREACHABLE)

    async def shown(self, task: str, version: str) -> FitShown:
        """Return what the page shows of a version that serves: nobody waits for a predictor. Raises RegraftError."""

        def found() -> FitShown:
            ledger, now = self._ledger.task(task), time.time()
            ledger.read(now)
            return shown(ledger.fit(version, "day", now), ledger.comparisons(version, now - DAY))

        return await self._in_thread(found)

    async def close(self) -> None:
        """Let go of connections and of the thread."""
        await self._http.aclose()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _fit(self, task: str, version: str | None, window: Window) -> Fit:
        ledger, now = self._ledger.task(task), time.time()
        ledger.read(now)
        return ledger.fit(version, window, now)

    def _prune(self, task: str) -> None:
        try:
            self._ledger.task(task).prune(time.time())
        except (RegraftError, OSError) as error:
            log.debug("old counts cannot be removed now", task=task, error=str(error))

    def _is_due(self, pod: PredictorPod, now: float, seconds: float) -> bool:
        return now - self._told.get(pod.url, -seconds) >= seconds

    async def _ask_all(self, pods: Sequence[PredictorPod]) -> None:
        now = time.monotonic()
        told = await asyncio.gather(*(self._ask(pod) for pod in pods))
        self._told |= {pod.url: now for pod, done in zip(pods, told, strict=True) if done}
        self._told = {url: at for url, at in self._told.items() if now - at < 2 * ASK_SECONDS}
        tasks = {task for pod in pods for task in ([pod.task] if pod.task else self._names())}
        for task in sorted(tasks & set(self._names())):
            await self._tell(task)

    async def _ask(self, pod: PredictorPod) -> bool:
        """Take what a predictor tells of its tasks, and return whether it has told."""
        try:
            told = Told.model_validate_json(await self._read(f"{pod.url}/counts"))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            log.debug("predictor does not tell its counts", url=pod.url, error=str(error))
            return False
        tasks = self._names() if pod.task is None else [pod.task]
        moment = time.time()
        await self._in_thread(lambda: self._ledger.take(moment, told, tasks))
        if told.keeps:
            await self._fetch_kept(pod, tasks)
        return True

    async def _fetch_kept(self, pod: PredictorPod, tasks: Sequence[str]) -> None:
        """Put the rows that a predictor has kept into the store, all there are; it lets go of what is there.

        Rows of tasks that want none kept any more go nowhere.
        """
        after = -1
        try:
            tasks = [task for task in tasks if await self._keeps(task)]
        except RegraftError as error:
            log.warning("kept rows cannot be fetched now", url=pod.url, error=error.message)
            return
        for _ in range(MOST_FETCHES):
            try:
                kept = KeptTold.model_validate_json(await self._read(f"{pod.url}/kept?after={after}"))
                if not kept.blocks:
                    return
                await self._in_thread(partial(self._ledger.keep, time.time(), kept, tasks))
            except (httpx.HTTPError, ValueError, RegraftError, OSError) as error:
                log.warning("kept rows cannot be fetched now", url=pod.url, error=str(error))
                return
            after = kept.blocks[-1].number

    async def _read(self, url: str) -> bytes:
        async with self._http.stream("GET", url) as response:
            response.raise_for_status()
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError("the answer is too large")
        return bytes(body)

    async def _tell(self, task: str) -> None:
        """Let Prometheus know; what is wrong with a task costs that task alone."""
        try:
            for window in WINDOWS:
                self._gauges.set(task, *await self._of_serving(task, window))
        except RegraftError as error:
            log.debug("fit cannot be told", task=task, error=str(error))

    async def _in_thread[T](self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _not_told(task: str) -> UnavailableError:
    return UnavailableError(
        f"no predictor has told yet what {task} predicts; try again in a minute", code=Code.NOT_READY
    )
