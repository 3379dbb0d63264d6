"""The bodies that the service takes, and what is said of those that it does not take."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from regraft_core.addresses import redacted_text, s3_parts
from regraft_core.codes import Code
from regraft_core.codings import CodingError, unpacked
from regraft_core.errors import BadRequestError, TooLargeError
from regraft_core.repeats import repeated_key

MAX_URL_LENGTH = 8192

TAKEN = 'it must be {"data_url": "https://..."}, or the dataset itself with Content-Type: text/csv'
"""What a trigger takes, for those who send something else."""

_CODES: Mapping[str, Code] = {
    "json_invalid": Code.NOT_JSON,
    "model_type": Code.NOT_AN_OBJECT,
    "missing": Code.FIELD_MISSING,
    "extra_forbidden": Code.FIELD_UNKNOWN,
    "string_type": Code.FIELD_WRONG_TYPE,
    "bool_type": Code.FIELD_WRONG_TYPE,
    "string_too_long": Code.FIELD_TOO_LONG,
    "data_url_invalid": Code.DATA_URL_INVALID,
}
"""Codes for pydantic's types of errors; all others are ``FIELD_INVALID``."""


def _without_blanks(value: object) -> object:
    """Blanks and line ends around an address are no part of it."""
    return value.strip() if isinstance(value, str) else value


def _data_url(value: str) -> str:
    if any(not character.isprintable() for character in value) or "\\" in value:
        raise _not_a_data_url("it contains control characters or backslashes")
    if all(s3_parts(value)):
        return value
    if any(character.isspace() for character in value):
        raise _not_a_data_url("it contains spaces")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _not_a_data_url(redacted_text(str(error))) from error
    if port == 0:
        raise _not_a_data_url("nothing can be reached at port 0")
    if parts.scheme not in ("http", "https") or not host:
        raise _not_a_data_url("it must begin with http:// or https:// and name a host, or be s3://BUCKET/KEY")
    if parts.username is not None or parts.password is not None:
        raise _not_a_data_url("it must not carry a user name or password; a signed link, or s3://, does without")
    return value


def _not_a_data_url(why: str) -> PydanticCustomError:
    return PydanticCustomError("data_url_invalid", "{why}", {"why": why})


class Body(BaseModel):
    """A JSON object without surprises: no other fields, no types that are converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TriggerBody(Body):
    """Ask for a run on a dataset."""

    data_url: Annotated[
        str,
        Field(
            max_length=MAX_URL_LENGTH,
            description="Address of the dataset: one file behind http or https, or in a bucket that the site lists",
            examples=["https://data.example.org/passwords.csv"],
            json_schema_extra={"format": "uri", "pattern": "^\\s*([Hh][Tt][Tt][Pp][Ss]?|[Ss]3)://"},
        ),
        BeforeValidator(_without_blanks),
        AfterValidator(_data_url),
    ]
    task: Annotated[str, Field(max_length=63)] | None = Field(None, description="Which task; none: the default one")
    force: bool = Field(False, description="Train even on the very dataset that is in service")


class RollbackBody(Body):
    """Ask for a run that puts an earlier version back in service."""

    task: str = Field(max_length=63, description="Which task")
    version: str | None = Field(
        None,
        max_length=10,
        pattern="^[1-9][0-9]*$",
        description="The version to put back; none: the one that served before",
    )


async def read_body[B: Body](request: Request, kind: type[B], limit: int) -> B:
    """Return the body of a request, at most ``limit`` bytes of JSON. Raises BadRequestError, TooLargeError."""
    return parse_body(await read_bytes(request, limit), kind)


async def read_bytes(request: Request, limit: int) -> bytes:
    """Return the body of a request as it was before it was packed, at most ``limit`` bytes.

    Raises TooLargeError, BadRequestError (``not_decodable``).
    """
    declared = request.headers.get("content-length", "")
    data = bytearray()
    _check_size(int(declared) if declared.isdigit() else 0, limit)
    async for chunk in request.stream():
        data += chunk
        _check_size(len(data), limit)
    coding = content_coding(request)
    return await asyncio.to_thread(_unpacked, bytes(data), coding, limit) if coding else bytes(data)


def content_coding(request: Request) -> str:
    """Return what a body is packed in, from all headers that say so."""
    return ",".join(request.headers.getlist("content-encoding"))


@contextmanager
def coding_errors() -> Iterator[None]:
    """Raise BadRequestError (``not_decodable``) for a body that is not what its coding says."""
    try:
        yield
    except CodingError as error:
        raise BadRequestError(f"the body cannot be read: {error}", code=Code.NOT_DECODABLE) from error


def _unpacked(data: bytes, coding: str, limit: int) -> bytes:
    found = bytearray()
    with coding_errors():
        for piece in unpacked([data], coding):
            found += piece
            _check_size(len(found), limit)
    return bytes(found)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"the body has more than {limit} bytes", limit=limit)


def parse_body[B: Body](data: bytes, kind: type[B]) -> B:
    """Read a body from JSON. Raises BadRequestError with the code of the first thing that is wrong, and all of them."""
    text = data.removeprefix(codecs.BOM_UTF8)
    try:
        found = kind.model_validate_json(text)
    except ValidationError as error:
        raise refusal(error, kind) from error
    if (key := repeated_key(text)) is not None:
        code, field = Code.DUPLICATE_KEY, key[:100]
        message = f"the field {field!r} is there twice"
        raise BadRequestError(message, code=code, errors=[{"code": code, "field": field, "message": message}])
    return found


def refusal(error: ValidationError, kind: type[Body]) -> BadRequestError:
    """Return what a client is told of a body that is not valid."""
    errors = [_explain(detail, kind) for detail in error.errors(include_url=False)]
    first = errors[0]
    return BadRequestError(first["message"], code=Code.of(first["code"]), errors=errors)


def _explain(detail: ErrorDetails, kind: type[Body]) -> dict[str, str]:
    code = _CODES.get(detail["type"], Code.FIELD_INVALID)
    field = str(detail["loc"][0])[:100] if detail["loc"] else ""
    message = {
        Code.NOT_JSON: f"the body is not JSON ({detail['msg'].removeprefix('Invalid JSON: ')}); {_taken(kind)}",
        Code.NOT_AN_OBJECT: f"the body must be a JSON object with the fields {_fields(kind)}",
        Code.FIELD_MISSING: f"the field {field!r} is missing",
        Code.FIELD_UNKNOWN: f"there is no field {field!r}; there are: {_fields(kind)}",
    }.get(code, f"the field {field!r} is not valid: {_lower_first(detail['msg'])}")
    return {"code": code, "field": field, "message": message} if field else {"code": code, "message": message}


def _taken(kind: type[Body]) -> str:
    return TAKEN if kind is TriggerBody else f"it must be an object with the fields {_fields(kind)}"


def _fields(kind: type[Body]) -> str:
    return ", ".join(kind.model_fields)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def body_schema(kind: type[Body], tasks: Sequence[str] = (), types: Iterable[str] = ()) -> dict[str, Any]:
    """Return the ``requestBody`` of OpenAPI for a body, with the names of the tasks that there are.

    ``types`` are the content types of a dataset that may be the body itself.
    """
    schema = kind.model_json_schema()
    if "task" in schema["properties"]:
        schema["properties"]["task"]["examples"] = list(tasks)
    datasets = {name: {"schema": {"type": "string", "format": "binary"}} for name in sorted(types)}
    return {"required": True, "content": {"application/json": {"schema": schema}, **datasets}}
