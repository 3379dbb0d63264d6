"""docs/api.md holds what the OpenAPI documents of both services say, and the predictor's codes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from regraft_core.codes import Code
from regraft_core.contract import Contract
from regraft_core.stores.objects import FileStore
from regraft_core.stores.queue import RunStore
from regraft_inference import app as front
from regraft_inference import bodies, bundle, exchange, model, options, protocols, values
from regraft_inference import formats as requests
from regraft_inference.estimators import sklearn as sklearn_estimator
from regraft_inference.openapi import openapi
from regraft_inference.settings import PredictorSettings
from regraft_trigger.app import create_app
from regraft_trigger.backends.local import LocalBackend
from regraft_trigger.settings import TriggerSettings
from tests.unit.docs.codes import codes_in
from tests.unit.inference.bundles import HEART, PASSWORDS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
TRIGGER_PART, _, PREDICTOR_PART = DOCUMENT.partition("## The predictor")
PREDICTOR_SOURCES = (front, exchange, protocols, bodies, model, requests, options, values, bundle, sklearn_estimator)
NEVER_ANSWERED = {"bundle_exists"}
"""Codes that only who writes a bundle can meet."""


def documented(part: str) -> set[tuple[str, str]]:
    """Return the operations that the table of a part names, with all methods and paths of a cell."""
    found = set()
    for cell in re.findall(r"^\| (`(?:GET|POST) .*?) \| ", part, re.MULTILINE):
        method = ""
        for text in re.findall(r"`([^`]+)`", cell):
            method, path = text.split(" ")[:2] if " " in text else (method, text)
            found.add((method, path.partition("?")[0]))
    return found


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def trigger_app(folder: Path) -> FastAPI:
    backend = LocalBackend(RunStore(folder / "regraft.db"), FileStore(folder / "bucket"))
    return create_app(TriggerSettings(), backend)


def test_every_operation_of_the_trigger_service_is_documented_and_no_other(tmp_path: Path) -> None:
    page = {("GET", "/")}  # for people, and therefore not in OpenAPI
    assert documented(TRIGGER_PART) == operations(trigger_app(tmp_path).openapi()) | page


def test_every_field_and_parameter_of_the_trigger_service_is_documented(tmp_path: Path) -> None:
    document = trigger_app(tmp_path).openapi()
    methods = [operation for methods in document["paths"].values() for operation in methods.values()]
    parameters = {parameter["name"] for operation in methods for parameter in operation.get("parameters", [])}
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for operation in methods
        if "requestBody" in operation
    ]
    names = (
        parameters
        | {name for body in bodies for name in body["properties"]}
        | set(document["components"]["schemas"]["Accepted"]["properties"])
    )
    words = set(re.findall(r"[\w-]+", TRIGGER_PART.lower()))
    assert {name for name in names if name.lower() not in words} == set()


def test_every_operation_of_the_predictor_is_documented() -> None:
    contracts: dict[str, Contract] = {"passwords": PASSWORDS, "heart-disease": HEART}
    described = operations(describe(contracts))
    names = {(method, re.sub("/(passwords|heart-disease)/", "/{task}/", path)) for method, path in described}
    assert names <= documented(PREDICTOR_PART)


def describe(contracts: dict[str, Contract]) -> dict[str, Any]:
    return openapi(contracts, default="passwords")


def test_every_code_of_the_predictor_is_documented_and_no_other() -> None:
    sources = "\n".join(Path(str(module.__file__)).read_text() for module in PREDICTOR_SOURCES)
    given = codes_in(sources) | {str(code) for code in Code if f'"{code}"' in sources}
    estimators = Path(str(sklearn_estimator.__file__)).parent.glob("*.py")
    given |= {code for path in estimators for code in codes_in(path.read_text())}
    rows = [line.split("|")[2] for line in PREDICTOR_PART.splitlines() if re.match(r"\| \d{3} \|", line)]
    found = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert given - NEVER_ANSWERED - found == set()
    assert found - given == {"request_too_large", "internal_error", "bundle_unusable"}  # classes of regraft_core.errors


def test_the_settings_it_names_are_there() -> None:
    names = {f"REGRAFT_{name.upper()}" for kind in (TriggerSettings, PredictorSettings) for name in kind.model_fields}
    assert set(re.findall(r"REGRAFT_[A-Z_]+", DOCUMENT)) <= names
