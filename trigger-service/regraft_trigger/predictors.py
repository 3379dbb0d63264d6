"""The predictors as the page sees them: how much they are asked, what they take, and what they answer.

They are asked in the background, so that a page never waits for a predictor that does not answer.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NoReturn

import httpx
from pydantic import BaseModel

from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, RegraftError, UnavailableError
from regraft_core.logs import get_logger, log_once
from regraft_core.runs import Cause
from regraft_trigger.backends.backend import PredictorPod
from regraft_trigger.examples import Row
from regraft_trigger.reasons import Reasons
from regraft_trigger.traffic import SCRAPE_SECONDS, Tally, Traffic

ANSWER_SECONDS = 3.0
"""How long a predictor may take to tell its metrics or its contract."""

PREDICT_SECONDS = 10.0
"""How long it may take to answer a prediction."""

VERSION_HEADER = "Regraft-Model-Version"
"""In which a predictor tells the version that answered."""

CURE = "a newer dataset, or a rollback, puts another version into service"
"""What helps where what is to serve cannot be served."""

NO_MODEL_CURE = "its last dataset again, or a rollback to the version that was in service, puts that version back"
"""What helps where a predictor was given nothing to serve: its task was deleted, and has been applied again."""

PREDICT_PORT = 8080
"""Port at which the predictors' pods answer."""

log = get_logger(__name__)


TIMES: dict[str, Literal["date", "datetime"]] = {"date": "date", "date-time": "datetime"}
"""Kinds of columns that a browser asks for with a calendar, by the format of their schema."""


class Column(BaseModel):
    """A column of a request, as a form may ask for it."""

    name: str
    description: str = ""
    kind: Literal["text", "number", "choice", "date", "datetime"]
    integer: bool = False
    boolean: bool = False
    optional: bool = False
    """Whether it may be left empty."""
    minimum: float | None = None
    maximum: float | None = None
    longest: int | None = None
    choices: list[str] = []
    start: str = ""
    """A value to begin with."""


class Answer(BaseModel):
    """What a predictor answered to one row."""

    values: dict[str, str]
    reasons: Reasons | None = None
    """What each column added, where the model says so and there is more than one."""
    version: str
    milliseconds: float


type Example = Callable[[str], Awaitable[Row]]
"""Return a row that a form of a task may begin with."""


async def no_example(_task: str) -> Row:
    """Know of no row."""
    return {}


type Pods = Callable[[int], Awaitable[Sequence[PredictorPod]]]
"""Return the predictors' processes, each with its address at a port."""


async def no_pods(_port: int) -> Sequence[PredictorPod]:
    """Know of no process but those at the address of the task."""
    return ()


class Predictors:
    """The predictors. ``url`` is a task's address, with ``{task}`` for its name; without one nothing is known.

    Behind that address are those that are ready; ``pods`` are asked where none is. A form begins with the values of
    ``example``, where there are any.
    """

    def __init__(
        self, url: str | None, tasks: Sequence[str], pods: Pods = no_pods, example: Example = no_example
    ) -> None:
        self._url = url
        self._pods = pods
        self._example = example
        self._troubles: dict[str, Cause] = {}
        self._columns: dict[str, list[Column]] = {}
        self._reasoning: set[str] = set()
        self._read: dict[str, str] = {}
        """Version whose contract was read, of the tasks of which no other has served since."""
        self._urls: dict[str, str] = {}
        self._tallies: dict[str, Tally] = {}
        self.know(tasks)
        # Behind one address there may be several replicas: a connection each time lets every one have its turn.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False, verify=False, limits=limits)  # noqa: S501

    def know(self, tasks: Sequence[str]) -> None:
        """Ask the predictors of these tasks from now on, and no others."""
        if self._url is None:
            return
        self._urls = {task: self._url.format(task=task).rstrip("/") for task in tasks}
        self._tallies = {address: self._tallies.get(address) or Tally() for address in self._urls.values()}
        self._columns = {task: columns for task, columns in self._columns.items() if task in self._urls}
        self._read = {task: version for task, version in self._read.items() if task in self._urls}

    async def follow(self, tasks: Callable[[], Sequence[str]]) -> NoReturn:
        """Read metrics and contracts of the tasks that there are until cancelled."""
        while True:
            self.know(tasks())
            await asyncio.gather(*(self._scrape(address) for address in list(self._tallies)))
            await asyncio.gather(*(self._look(task) for task in list(self._urls)))
            await asyncio.gather(*(self._read_contract(task) for task in list(self._urls) if task not in self._read))
            await asyncio.sleep(SCRAPE_SECONDS)

    def traffic(self, task: str) -> Traffic | None:
        """Return what a task was asked, None where that is not known."""
        tally = self._tallies.get(self._urls.get(task, ""))
        return tally.traffic(task, time.monotonic()) if tally else None

    def columns(self, task: str) -> list[Column]:
        """Return what a request of a task is made of, nothing where that is not known."""
        return self._columns.get(task, [])

    def trouble(self, task: str) -> Cause | None:
        """Return why all that should serve a task refuse what they are to serve, None where one serves, or may yet."""
        return self._troubles.get(task)

    async def predict(self, task: str, entered: dict[str, str]) -> Answer:
        """Ask for the prediction of one row. Raises BadRequestError with the predictor's words, UnavailableError."""
        if task not in self._urls:
            raise UnavailableError(
                "no predictor is configured (REGRAFT_PREDICTOR_URL)", code=Code.PREDICTOR_UNREACHABLE
            )
        columns = self.columns(task)
        body: dict[str, Any] = {column.name: [_value(column, entered.get(column.name, ""))] for column in columns}
        if task in self._reasoning:
            body["explain"] = True
        address = f"{self._urls[task]}/{task}/predict"
        began = time.perf_counter()
        try:
            response = await self._http.post(address, json=body, timeout=PREDICT_SECONDS)
            if response.is_client_error and response.json().get("code") == Code.NO_REASONS:
                self._reasoning.discard(task)  # another version serves now
                body.pop("explain", None)
                response = await self._http.post(address, json=body, timeout=PREDICT_SECONDS)
            seconds = time.perf_counter() - began
            if response.is_client_error:
                raise BadRequestError(response.json()["detail"], code=Code.PREDICTION_REFUSED)
            response.raise_for_status()
            (target, found), *more = response.json().items()
            reasons = Reasons.model_validate(more[0][1][0]) if more else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
            log.warning("prediction failed", task=task, error=str(error))
            raise UnavailableError("the predictor cannot answer now", code=Code.PREDICTOR_UNREACHABLE) from error
        values = {target: _shown(found[0])}
        return Answer(values=values, reasons=reasons, version=_version_of(response), milliseconds=seconds * 1000)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _look(self, task: str) -> None:
        """Learn whether what is to serve a task is refused."""
        words = await self._health(self._urls[task], task)
        if words is None:  # behind the address is none that is ready
            told = [await self._health(pod.url, task) for pod in await self._pods_of(task)]
            words = told[0] if told and all(told) else None
        if not words:
            self._troubles.pop(task, None)
            return
        cure = NO_MODEL_CURE if words["code"] == Code.BUNDLE_MISSING else CURE
        message = f"the predictor refuses what is to serve: {words['detail']}; {cure}"
        self._troubles[task] = trouble = Cause(code=words["code"], message=message)
        log_once(log, f"trouble/{task}/{trouble.code}", "predictor refuses a bundle", task=task, reason=trouble.message)

    async def _pods_of(self, task: str) -> Sequence[PredictorPod]:
        try:
            return [pod for pod in await self._pods(PREDICT_PORT) if pod.task == task and not pod.ends]
        except RegraftError as error:
            log.debug("predictors cannot be found now", task=task, error=error.message)
            return ()

    async def _health(self, address: str, task: str) -> dict[str, str] | None:
        """Return the final word of a predictor that does not serve a task; empty: it serves; None: nobody says."""
        try:
            response = await self._http.get(f"{address}/{task}/health")
            if response.is_success and self._read.get(task) != _version_of(response):
                self._read.pop(task, None)
            words = {} if response.is_success else {name: str(response.json()[name]) for name in ("code", "detail")}
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
            return None
        is_final = response.status_code == 503 and words["code"] != Code.BUNDLE_NOT_LOADED
        return words if response.is_success or is_final else None

    async def _scrape(self, address: str) -> None:
        tally = self._tallies[address]
        try:
            response = await self._http.get(f"{address}/metrics")
            tally.take(time.monotonic(), response.raise_for_status().text)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            log.debug("predictor's metrics cannot be read", address=address, error=str(error))

    async def _read_contract(self, task: str) -> None:
        try:
            response = await self._http.get(f"{self._urls[task]}/{task}/schema")
            schema = response.raise_for_status().json()
            row = await self._example(task)
            self._columns[task] = [begun(column, row.get(column.name)) for column in read_columns(schema)]
            self._read[task] = _version_of(response)
            self._reasoning -= {task}
            self._reasoning |= {task} if gives_reasons(schema) else set()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError) as error:
            log.debug("predictor's contract cannot be read", task=task, error=str(error))


def _version_of(response: httpx.Response) -> str:
    version: str = response.headers.get(VERSION_HEADER, "unknown")
    return version


def gives_reasons(schema: dict[str, Any]) -> bool:
    """Whether a predictor's ``/schema`` tells that it says what each of several columns added."""
    request = schema["request"]
    return len(request["required"]) > 1 and "explain" in request["properties"].keys() - set(request["required"])


def read_columns(schema: dict[str, Any]) -> list[Column]:
    """Return the columns of the request that a predictor's ``/schema`` tells of."""
    request = schema["request"]  # whose properties are the columns that it requires, and options besides
    return [_column(name, request["properties"][name]["items"]) for name in request["required"]]


def _column(name: str, items: dict[str, Any]) -> Column:
    description = items.get("description", "")
    types = items["type"] if isinstance(items["type"], list) else [items["type"]]
    items = items | {"type": types[0], "enum": [choice for choice in items.get("enum", ()) if choice is not None]}
    optional = "null" in types
    column = _column_of(name, description, items)
    return column.model_copy(update={"optional": True, "start": ""}) if optional else column


def _column_of(name: str, description: str, items: dict[str, Any]) -> Column:
    if items["type"] == "boolean":
        return Column(name=name, description=description, kind="choice", boolean=True, choices=["false", "true"])
    if choices := [str(choice) for choice in items.get("enum", ())]:
        numeric = items.get("type") != "string"
        return Column(
            name=name, description=description, kind="choice", choices=choices, integer=numeric, start=choices[0]
        )
    if kind := TIMES.get(items.get("format", "")):
        return Column(name=name, description=description, kind=kind)
    if items.get("type") == "string":
        return Column(name=name, description=description, kind="text", longest=items.get("maxLength"))
    low, high = items.get("minimum"), items.get("maximum")
    middle = _round_middle(low, high) if low is not None and high is not None else ""
    integer = items.get("type") == "integer"
    return Column(
        name=name, description=description, kind="number", integer=integer, minimum=low, maximum=high, start=middle
    )


def begun(column: Column, value: object) -> Column:
    """Return a column whose field begins with a value as JSON has it; as it is where that is none for such a field."""
    if column.boolean and isinstance(value, bool):
        start = "true" if value else "false"
    elif column.kind in ("date", "datetime") and isinstance(value, str):
        start = value[: len("2001-02-03" if column.kind == "date" else "2001-02-03T04:05:06")]
    elif isinstance(value, bool) or not isinstance(value, str | int | float):
        return column
    else:
        start = str(value).removesuffix(".0") if isinstance(value, float) else str(value)
    known = column.kind != "choice" or start in column.choices
    return column.model_copy(update={"start": start}) if known else column


def _shown(value: object) -> str:
    """Return a prediction as people read it: numbers short, labels as they are."""
    return f"{value:.4g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _round_middle(low: float, high: float) -> str:
    middle = (low + high) / 2
    return f"{round(middle)}" if low <= round(middle) <= high else f"{middle:g}"


def _value(column: Column, entered: str) -> str | float | int | None:
    """Return a field as the contract's type; what is no number goes as it is, for the predictor says it best."""
    if column.optional and not entered.strip():
        return None
    if column.boolean:
        return entered == "true"
    if column.kind == "text" or (column.kind == "choice" and not column.integer):
        return entered
    try:
        number = int(entered) if column.integer else float(entered)
    except ValueError:
        return entered
    return number if math.isfinite(number) else entered  # JSON has no word for the others
