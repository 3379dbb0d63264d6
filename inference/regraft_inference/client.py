"""Send example requests to a predictor: one that keeps the contract, one that breaks it.

::

    python -m regraft_inference.client                              # http://localhost:8080
    python -m regraft_inference.client http://HOST/ --task heart-disease
    python -m regraft_inference.client --file request.json          # a request of one's own

The examples are made from the contract that the predictor tells at ``/schema``. Exit code 0 where it answered
as it should, 1 where not. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TIMEOUT = 30
"""Seconds."""

WORDS = ("hunter2", "correct horse", "a", "Tr0ub4dor&3", "qwerty")
VERSION_HEADER = "Regraft-Model-Version"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    version: str
    document: Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Send the requests, print them with their answers, and return the exit code."""
    options = _parser().parse_args(arguments)
    base = options.url.rstrip("/") + (f"/{options.task}" if options.task else "")
    try:
        if options.file:
            return _show(base, json.loads(options.file.read_bytes()), expected=200)
        schema = _ask(f"{base}/schema").document["request"]
        good = example(schema, options.rows)
        failures = _show(base, good, expected=200), _show(base, broken(good), expected=400)
    except (URLError, TimeoutError, ConnectionError) as error:
        return _fail(f"no predictor answers at {base}: {getattr(error, 'reason', error)}")
    except (KeyError, TypeError, ValueError) as error:
        return _fail(f"{base} does not tell its contract: {error!r}")
    return max(failures)


def example(schema: Mapping[str, Any], rows: int) -> dict[str, list[Any]]:
    """Return a request of so many rows that keeps the schema of a request: the columns that must be there."""
    arrays = {name: schema["properties"][name] for name in schema["required"]}
    return {name: list(islice(cycle(_values(array["items"])), rows)) for name, array in arrays.items()}


def broken(request: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the request with a value in its first column that no contract allows."""
    name, values = next(iter(request.items()))
    return {**request, name: [*values[:-1], None]}


def _values(item: Mapping[str, Any]) -> list[Any]:
    if "enum" in item:
        return list(item["enum"])
    if item["type"] == "string":
        shortest, longest = item.get("minLength", 0), item.get("maxLength", 256)
        return [word.ljust(shortest, "x")[:longest] for word in WORDS]
    lowest = item.get("minimum", 0)
    highest = item.get("maximum", lowest + 10)
    between = [lowest + (highest - lowest) * share for share in (0.5, 0.4, 0.6)]
    return [int(value) if item["type"] == "integer" else round(value, 3) for value in between]


def _show(base: str, request: Any, *, expected: int) -> int:
    """Post a request and print it with its answer; return 0 where the status is the expected one, else 1."""
    answer = _ask(f"{base}/predict", request)
    sys.stdout.write(f"POST {base}/predict\n  {json.dumps(request)}\n")
    sys.stdout.write(f"{answer.status}, version {answer.version}\n  {json.dumps(answer.document)}\n")
    return 0 if answer.status == expected else 1


def _ask(url: str, request: Any = None) -> Answer:
    body = None if request is None else json.dumps(request).encode()
    asked = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310  (the user's own address)
    try:
        with urlopen(asked, timeout=TIMEOUT) as response:  # noqa: S310
            return Answer(response.status, response.headers[VERSION_HEADER], json.load(response))
    except HTTPError as error:
        return Answer(error.code, error.headers[VERSION_HEADER], json.load(error))


def _fail(reason: str) -> int:
    sys.stderr.write(f"{reason}\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m regraft_inference.client", description=__doc__.partition("\n")[0])
    parser.add_argument("url", nargs="?", default="http://localhost:8080", help="address of the predictor")
    parser.add_argument("--task", help="which task, where it serves several; the default one where none is named")
    parser.add_argument("--rows", type=int, default=3, help="rows of the example")
    parser.add_argument("--file", type=Path, help="JSON file to send instead of an example")
    return parser


if __name__ == "__main__":
    sys.exit(main())
