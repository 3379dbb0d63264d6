"""Models as KServe knows them: a task each, answered by one version at a time.

A ``Version`` never changes. Taking a new bundle into service means making a new ``Version`` and pointing the task's
model at it, so that whoever holds a version (a request that is being answered) keeps all of it.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from kserve import Model, ModelRepository
from kserve.protocol.infer_type import InferOutput, InferRequest, InferResponse

from regraft_core.codes import Code
from regraft_core.contract import EXPLAIN
from regraft_core.errors import BundleError, ContractError, NotFoundError, UnavailableError
from regraft_core.fit.kept import InputsAnswered, InputsAsked
from regraft_core.logs import get_logger
from regraft_inference import metrics
from regraft_inference.answered import Answered
from regraft_inference.batching import Batcher
from regraft_inference.bundle import CHECKSUMS_FILE, Bundle
from regraft_inference.estimators import rows_of
from regraft_inference.fit.counter import COUNTERS
from regraft_inference.fit.keeper import KEPT
from regraft_inference.fit.known import known_of
from regraft_inference.formats import RequestReader, Untyped
from regraft_inference.headers import header_lines
from regraft_inference.json_text import parse_json
from regraft_inference.memory import give_back
from regraft_inference.tensors import Tensor
from regraft_inference.values import LONGEST_NAME, Values

log = get_logger(__name__)

VERSION_HEADER = b"regraft-model-version"
SHA256_HEADER = b"regraft-data-sha256"

BACKGROUND_ROWS = 256
"""Requests of KServe's protocols with more rows are predicted off the event loop."""

DEFAULT_TASK = "passwords"
TASK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

V2_TYPES = {
    "string": "BYTES",
    "text": "BYTES",
    "date": "BYTES",
    "datetime": "BYTES",
    "integer": "INT64",
    "number": "FP64",
    "boolean": "BOOL",
}


type Tell = Callable[[bytes | Exception], None]
"""Gets the JSON answer to a request, or why there is none. Must not raise."""


class Version:
    """A bundle that has repeated its golden requests."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.task = bundle.info.task
        self.reader = RequestReader(
            bundle.contract, probabilities=bundle.gives_probabilities, reasons=bundle.gives_reasons
        )
        self.headers = [(VERSION_HEADER, bundle.version.encode()), (SHA256_HEADER, bundle.sha256.encode())]
        self.header_lines = header_lines(self.headers)
        self._target = bundle.contract.target.name
        self.reasons_name = bundle.contract.reasons_name
        self._plain = Batcher(self._checked)
        self._explained = Batcher(partial(self._checked, explain=True))
        self.counter = COUNTERS.counter(known_of(bundle), bundle.contract)
        self._keeper = KEPT.keeper(bundle)

    @classmethod
    def load(cls, folder: Path, task: str) -> Version:
        """Load a task's bundle and let it repeat its golden requests. Raises BundleError with the reason."""
        try:
            # The folder may be a link that points elsewhere a moment later.
            bundle = Bundle.load(folder.resolve())
            bundle.check_task(task)
            bundle.check_golden()
            return cls(bundle)
        except BundleError:
            raise
        except Exception as error:
            # Whatever an estimator does with its own damaged files, the server stays up and tells.
            raise BundleError(f"the bundle in {folder} fails: {type(error).__name__}: {error}") from error

    def answer(self, request: bytes, body: bytes) -> bytes:
        """Return the JSON answer to a JSON request of this id. Raises ContractError."""
        return self._answer_asking(request, body)

    async def answer_together(self, request: bytes, body: bytes) -> bytes:
        """Do as ``answer``, with one prediction for all requests that are there at this moment."""
        if self.reader.options.may_be_in(body):
            return self._answer_asking(request, body)
        columns = self.reader.untyped(body)
        answered = await self._plain.predict(columns)
        self._keep(request, columns, answered)
        return answered.document(self._target, self.reasons_name)

    def answer_soon(self, request: bytes, body: bytes, tell: Tell) -> bool:
        """Let ``tell`` have soon what ``answer`` gives; False where a request asks for what takes longer.

        Raises ContractError.
        """
        columns, options = self.reader.untyped_asking(body)
        if options.probabilities or (options.explain and self.bundle.explains_slowly):
            return False
        batcher = self._explained if options.explain else self._plain
        batcher.add(columns, partial(self._answer_one, request, columns, tell))
        return True

    def is_slow(self, body: bytes) -> bool:
        """Whether a request may take many times as long as others of its size."""
        return self.bundle.explains_slowly and self.reader.options.may_ask_for_reasons(body)

    def answer_as_mlflow(self, request: bytes, body: bytes) -> bytes:
        """Return the answer of MLflow's scoring protocol. Raises ContractError."""
        return self._answer_asking(request, body, "predictions", by_name=True)

    def _answer_asking(self, request: bytes, body: bytes, key: str | None = None, *, by_name: bool = False) -> bytes:
        """Answer a request that may ask for more. The answers stand under the key, or under the target's name."""
        columns, options = self.reader.read_asking(body, by_name=by_name)
        answered = self.predict(request, columns, explain=options.explain)
        beside = {}
        if options.probabilities:
            beside[self.bundle.contract.probability_name] = self.bundle.probabilities(columns)
        return answered.document(key or self._target, self.reasons_name, beside)

    def tensors(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return name, datatype and shape of each feature, and of the target, as V2 tells them."""
        contract = self.bundle.contract
        inputs = [_tensor_type(column.name, column.type) for column in contract.features]
        return inputs, [_tensor_type(contract.target.name, contract.target.type)]

    def predict(self, request: bytes, columns: Mapping[str, Values], *, explain: bool = False) -> Answered:
        """Return the answers to the checked columns of a request."""
        answered = self._predict(columns, explain=explain)
        self._keep(request, columns, answered)
        return answered

    def answers_uncounted(self, rows: list[dict[str, object]]) -> InputsAnswered:
        """Return the answers to rows by the names of their columns. Raises ContractError."""
        columns = self.reader.read_payload(rows)
        return InputsAnswered(
            version=self.bundle.version,
            answers=self.bundle.predict(columns).tolist(),
            probabilities=self.bundle.of_second(columns),
        )

    def _predict(self, columns: Mapping[str, Values], *, explain: bool) -> Answered:
        """Answer checked columns, of one request or of many, and count them."""
        reasons = None
        if explain:
            values, scores, reasons = self.bundle.predict_explained(columns)
        else:
            values, scores = self.bundle.predict_scored(columns)
        metrics.count_rows(self.task, len(values))
        self.counter.saw(columns, values, scores)
        return Answered(values, reasons)

    def _checked(self, columns: Untyped, *, explain: bool = False) -> Answered:
        return self._predict(self.reader.typed(columns), explain=explain)

    def _answer_one(self, request: bytes, columns: Untyped, tell: Tell, answered: Answered | Exception) -> None:
        """Tell the answer to one request of many, and keep its rows."""
        if isinstance(answered, Exception):
            tell(answered)
            return
        try:
            self._keep(request, columns, answered)
            document = answered.document(self._target, self.reasons_name)
        except Exception as error:
            tell(error)
        else:
            tell(document)

    def _keep(self, request: bytes, columns: Mapping[str, Values], answered: Answered) -> None:
        if self._keeper is not None:
            self._keeper.keep(request, columns, answered.values)


ANSWERING: ContextVar[Version | None] = ContextVar("version that answers the request")
"""Set before a request goes to KServe, so that its answer and its headers come from the same version."""

ANSWERED: ContextVar[bytes] = ContextVar("id of the request that is answered", default=b"")
"""Set with it."""


class TaskModel(Model):  # type: ignore[misc]  # kserve has no types
    """One task for KServe. ``version`` is what serves; where it is None, ``reason`` says why."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name)
        self.folder = folder
        self.version: Version | None = None
        self.reason = BundleError(f"{folder} has not been loaded yet", code=Code.BUNDLE_NOT_LOADED)

    def unavailable(self) -> UnavailableError:
        """Return the error that says why no version serves."""
        return UnavailableError(
            f"{self.name} is not ready: {self.reason.message}", code=self.reason.code, task=self.name
        )

    def load(self) -> bool:
        """Take the bundle in the folder into service, or keep what serves and raise BundleError."""
        try:
            version = Version.load(self.folder, self.name)
        except BundleError as error:
            self.reason = error
            metrics.count_load_failure(self.name, error.code)
            log.warning("bundle refused", task=self.name, code=error.code, reason=error.message)
            raise
        metrics.count_load(self.name, version.bundle, self.version.bundle if self.version else None)
        self.version = version
        self.ready = True
        log.info("bundle in service", task=self.name, version=version.bundle.version, sha256=version.bundle.sha256)
        return True

    def start(self) -> None:
        """Do nothing: KServe would call a model ready that is not."""

    def stop(self) -> None:
        """Do nothing: requests that are open when the server stops still get their answers."""

    def validate(self, payload: Any) -> Any:
        """Leave all checks to ``predict``."""
        return payload

    async def predict(self, payload: Any, _headers: dict[str, str] | None = None) -> dict[str, Any] | InferResponse:
        """Answer V1 (a dict, or bytes where the content type is not JSON) or V2."""
        version = self._answering()
        if isinstance(payload, InferRequest):
            asks = _asks_for_reasons(payload, version)
            tensors = [Tensor(tensor.name, tensor.datatype, tensor.shape, tensor.data) for tensor in payload.inputs]
            return _v2_answer(payload, version, await _predict(version, version.reader.read_tensors(tensors), asks))
        if isinstance(payload, bytes):
            payload = parse_json(payload)
        if not isinstance(payload, dict) or payload.keys().isdisjoint(("instances", "inputs")):  # as KServe's servers
            raise ContractError('the request must be an object {"instances": [...]}', code=Code.NOT_AN_OBJECT)
        options = version.reader.take_options(payload)
        answered = await _predict(version, version.reader.read_payload(payload), options.explain)
        return {"predictions": answered.values.tolist(), **answered.told_reasons(version.reasons_name)}

    def _answering(self) -> Version:
        version = ANSWERING.get()
        if version is None:
            raise self.unavailable()
        return version

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return name, datatype and shape of each feature."""
        return self._answering().tensors()[0]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return name, datatype and shape of the target."""
        return self._answering().tensors()[1]


class TaskRepository(ModelRepository):  # type: ignore[misc]  # kserve has no types
    """The tasks of this server.

    With a ``models_dir`` every folder in it is a task, and more may come; without, there is the one task given.
    """

    models: dict[str, TaskModel]

    def __init__(self, *, models_dir: Path | None = None, default_task: str | None = None) -> None:
        super().__init__(str(models_dir))
        self.folder = models_dir
        self._default_task = default_task
        self._loading = asyncio.Lock()

    @property
    def default(self) -> TaskModel:
        """The task that answers where none is named."""
        if self._default_task is not None:
            return self.models.get(self._default_task) or self._placeholder(self._default_task)
        if DEFAULT_TASK in self.models or not self.models:
            return self.models.get(DEFAULT_TASK) or self._placeholder(DEFAULT_TASK)
        return next(iter(self.models.values()))

    def load_all(self) -> None:
        """Load every task of the folder; those that cannot be served stay, with the reason."""
        if self.folder is None:
            return
        for folder in sorted(self.folder.iterdir()):
            if TASK_NAME.fullmatch(folder.name):
                self.add(TaskModel(folder.name, folder))

    def add(self, model: TaskModel) -> None:
        """Add a task and try to load it."""
        self.update(model)
        metrics.set_not_ready(model.name)
        try:
            model.load()
        except BundleError:
            return  # logged and counted; /health tells the reason

    async def load(self, name: str) -> TaskModel:
        """Take the present bundle of a task into service, off the event loop.

        Raises NotFoundError where there is no such task, UnavailableError with the reason where its bundle cannot be
        served; then the version before serves on.
        """
        async with self._loading:
            model = self.models.get(name) or self._placeholder(name)
            if name not in self.models and not await asyncio.to_thread((model.folder / CHECKSUMS_FILE).is_file):
                raise NotFoundError(f"there is no bundle for a task {name!r}", code=Code.TASK_UNKNOWN)
            try:
                await asyncio.to_thread(_load_anew, model)
            except BundleError as error:
                raise UnavailableError(error.message, code=error.code, task=name, **error.details) from error
            self.update(model)
            return model

    def answers(self, asked: InputsAsked) -> InputsAnswered:
        """Return what is answered to inputs whose outcome is told, counting them nowhere. Raises RegraftError."""
        model = self.models.get(asked.task) or self._placeholder(asked.task)
        if model.version is None:
            raise model.unavailable()
        return model.version.answers_uncounted(asked.rows)

    def unload(self, name: str) -> None:
        """Do nothing: KServe unloads all models when it stops, while requests are still open."""

    def _placeholder(self, name: str) -> TaskModel:
        return TaskModel(name, (self.folder or Path()) / name)


def _load_anew(model: TaskModel) -> None:
    """Load a model in place of the one that serves, and leave none of its memory behind."""
    try:
        model.load()
    finally:
        give_back()


async def _predict(version: Version, columns: Mapping[str, Values], asks: bool) -> Answered:
    """Return the answers and, where they are asked for, their reasons."""
    answer = partial(version.predict, ANSWERED.get(), columns, explain=asks)
    is_long = rows_of(columns) > BACKGROUND_ROWS or (asks and version.bundle.explains_slowly)
    return await asyncio.to_thread(answer) if is_long else answer()


def _asks_for_reasons(request: InferRequest, version: Version) -> bool:
    """Check what KServe leaves unchecked where a V2 request comes in binary, and the outputs. Raises ContractError."""
    if not isinstance(request.id, str | None) or not isinstance(request.parameters, dict | None):
        raise ContractError("id must be a string and parameters an object", code=Code.WRONG_TYPE)
    contract, asks = version.bundle.contract, version.reader.options.in_parameters(request.parameters) is True
    known = [contract.target.name, *([contract.reasons_name] * asks)]
    hint = ""
    if version.bundle.gives_reasons and not asks:
        hint = f", and {contract.reasons_name} where the request's parameters have {EXPLAIN!r}: true"
    for output in request.request_outputs or []:
        if output.name not in known:
            name = str(output.name)[:LONGEST_NAME]
            message = f"there is no output {name!r}; there is: {', '.join(known)}{hint}"
            raise ContractError(message, code=Code.UNKNOWN_OUTPUT, column=name)
        if not isinstance(output.parameters, dict | None):
            raise ContractError("the parameters of an output must be an object", code=Code.WRONG_TYPE)
    return asks


def _v2_answer(request: InferRequest, version: Version, answered: Answered) -> InferResponse:
    """Return the answers as a tensor and, where they were asked for, the reasons of each row as JSON in another."""
    contract = version.bundle.contract
    target, values = contract.target, answered.values
    outputs = [InferOutput(target.name, list(values.shape), V2_TYPES[target.type], data=np.asarray(values).tolist())]
    if answered.reasons is not None:
        told = [orjson.dumps(one.told()).decode() for one in answered.reasons]
        outputs.append(InferOutput(contract.reasons_name, [len(told)], "BYTES", data=told))
    return InferResponse(
        response_id=request.id or str(uuid.uuid4()),
        model_name=request.model_name,
        model_version=version.bundle.version,
        infer_outputs=outputs,
        use_binary_outputs=bool(request.use_binary_outputs),
        requested_outputs=request.request_outputs,
    )


def _tensor_type(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "datatype": V2_TYPES[kind], "shape": [-1]}
