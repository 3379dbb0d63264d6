"""KServe's own endpoints, in an application of their own behind ours."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ServerNotReady
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.v1_endpoints import register_v1_endpoints
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Scope

from regraft_core.codes import Code
from regraft_core.errors import PROBLEM_JSON, BadRequestError, RegraftError, UnavailableError
from regraft_core.version import __version__
from regraft_inference.exchange import JSON_TYPE, failed, problem_of
from regraft_inference.json_text import parse_json
from regraft_inference.model import ANSWERING, TaskRepository, Version
from regraft_inference.values import keys_in, refuse_repeated_keys

BINARY_HEADER = b"inference-header-content-length"
"""Header of the V2 protocol's binary extension: how long the JSON at the beginning of the body is."""

BINARY_TYPE = b"application/octet-stream"

EXTENSIONS = ["binary_tensor_data"]
"""What V2 knows here besides the protocol itself."""

PLATFORM = "regraft"

UNDONE_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")
"""Headers that say how the body came; behind ours it comes as it is."""


class StrictDataPlane(DataPlane):  # type: ignore[misc]  # kserve has no types
    """KServe's data plane. What it cannot decode is the client's fault, whatever exception it makes of it."""

    async def ready(self) -> bool:
        """Whether every task has a version that serves."""
        models = self.model_registry.get_models().values()
        return bool(models) and all(model.ready for model in models)

    def decode(self, *args: Any, **kwargs: Any) -> Any:
        """Decode V1, V2, its binary extension, or a cloud event. Raises BadRequestError (``not_decodable``)."""
        try:
            return super().decode(*args, **kwargs)
        except Exception as error:
            raise BadRequestError(
                f"the request cannot be decoded: {type(error).__name__}: {error}", code=Code.NOT_DECODABLE
            ) from error


def kserve_application(repository: TaskRepository) -> FastAPI:
    """Return KServe's endpoints in an application of their own, with errors as problem details.

    KServe's ``RESTServer`` would add them to an application that is global to its module, with a log line for each
    request and with error handlers that make 500 of what is the client's fault.
    """
    app = FastAPI(title="KServe", openapi_url=None, docs_url=None, redoc_url=None)
    dataplane = StrictDataPlane(model_registry=repository)
    app.add_api_route("/", dataplane.live, methods=["GET"])
    extension = ModelRepositoryExtension(model_registry=repository)
    register_v1_endpoints(app, dataplane, extension)
    register_v2_endpoints(app, dataplane, extension)
    for kind in (RegraftError, RequestValidationError, HTTPException, InvalidInput, ServerNotReady, Exception):
        app.add_exception_handler(kind, _problem_response)
    return app


async def ask(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Return the messages that an application answers a whole request with."""
    request = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(request, None) or {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:
        if not sent:  # FastAPI answers what has failed, and then raises it for the log
            raise
    return sent


def ask_elsewhere(app: ASGIApp, scope: Scope, body: bytes) -> list[Message]:
    """Do as ``ask``, on a thread with an event loop of its own: KServe decodes where it is called."""
    return asyncio.run(ask(app, scope, body))


def plain_scope(scope: Scope) -> Scope:
    """Return the scope of a request whose body is read and unpacked; HEAD is GET without its body."""
    headers = [header for header in scope["headers"] if header[0] not in UNDONE_HEADERS]
    return {**scope, "headers": headers, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}


def said_to_be_json(scope: Scope) -> Scope:
    """Return the scope with the content type of JSON, or of bytes where the binary extension says how the body is made.

    KServe tells the two by the type alone; clients leave it out, or say JSON in either case.
    """
    is_binary = any(name == BINARY_HEADER for name, _ in scope["headers"])
    others = [header for header in scope["headers"] if header[0] != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", BINARY_TYPE if is_binary else JSON_TYPE)]}


def check_json(scope: Scope, body: bytes) -> None:
    """Raise for what should be JSON and is not: KServe takes NaN, lone surrogates, endless depth, repeated keys."""
    text = _json_part(scope, body)
    payload = parse_json(text)
    refuse_repeated_keys(text, keys_in(payload))
    if any(name == BINARY_HEADER for name, _ in scope["headers"]):
        _check_sizes(payload, len(body) - len(text))


def server_metadata() -> dict[str, Any]:
    """Return what V2 tells of the server."""
    return {"name": PLATFORM, "version": __version__, "extensions": EXTENSIONS}


def model_metadata(name: str, version: Version) -> dict[str, Any]:
    """Return what V2 tells of a model."""
    inputs, outputs = version.tensors()
    versions = [version.bundle.version]
    return {"name": name, "versions": versions, "platform": PLATFORM, "inputs": inputs, "outputs": outputs}


def without_version(scope: Scope) -> Scope:
    """Return the scope with the path of the version that serves: KServe's own endpoints know no versions."""
    wanted = scope.get("path_params", {}).get("version")
    if wanted is None:
        return scope
    path = scope["path"].replace(f"/versions/{wanted}", "", 1)
    return {**scope, "path": path, "raw_path": path.encode()}


async def _problem_response(request: Request, error: Exception) -> Response:
    """Answer an error that was raised behind KServe's endpoints."""
    known = error if isinstance(error, RegraftError) else _translated(error)
    if (version := ANSWERING.get()) is not None and request.url.path.endswith((":predict", "/infer")):
        version.counter.refused(known)
    return Response(orjson.dumps(problem_of(known, request.url.path)), known.status, media_type=PROBLEM_JSON)


def _translated(error: Exception) -> RegraftError:
    if isinstance(error, ServerNotReady):
        return UnavailableError("not every task has a version that serves; /health says why", code=Code.NOT_READY)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return BadRequestError(f"{where}: {first['msg']}", code=Code.NOT_DECODABLE)
    if isinstance(error, HTTPException | InvalidInput):
        return BadRequestError(str(error), code=Code.NOT_DECODABLE)
    return failed()


def _check_sizes(payload: Any, rest: int) -> None:
    """Raise BadRequestError where the tensors behind the JSON are not as long together as what is there."""
    inputs = payload.get("inputs") if type(payload) is dict else None
    parameters = [one.get("parameters") for one in inputs if type(one) is dict] if type(inputs) is list else []
    sizes = [one.get("binary_data_size", 0) for one in parameters if type(one) is dict]
    if any(type(size) is not int or size < 0 for size in sizes) or sum(sizes) != rest:
        raise BadRequestError(
            f"binary_data_size of the inputs must be {rest} bytes together: so many follow the JSON",
            code=Code.NOT_DECODABLE,
        )


def _json_part(scope: Scope, body: bytes) -> bytes:
    """Return the part of a V1 or V2 body that has to be JSON: all of it, unless the binary extension says how much."""
    for name, value in scope["headers"]:
        if name == BINARY_HEADER:
            if not value.isdigit() or len(value) > len(str(len(body))) or int(value) > len(body):
                raise BadRequestError(
                    f"{BINARY_HEADER.decode()} must be the length of the JSON in a body of {len(body)} bytes",
                    code=Code.NOT_DECODABLE,
                )
            return body[: int(value)]
    return body
