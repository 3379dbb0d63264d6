"""The OpenAPI document of the predictor: what Regraft adds to KServe's own protocols."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib.metadata import version
from typing import Any

from regraft_core.contract import Contract
from regraft_core.errors import PROBLEM_JSON
from regraft_core.fit.fit import Fit
from regraft_inference.formats import BESIDE

HEADERS: dict[str, Any] = {
    "Regraft-Model-Version": {"description": "Version that answered", "required": True, "schema": {"type": "string"}},
    "Regraft-Data-Sha256": {
        "description": "SHA-256 of the dataset that it was trained on",
        "required": True,
        "schema": {"type": "string"},
    },
}

REQUEST_ID = {
    "Regraft-Request-Id": {
        "description": "Of answers to predictions: the request's X-Request-Id, or an id of the predictor's own",
        "schema": {"type": "string"},
    }
}

PROBLEM = {
    "title": "Problem details (RFC 9457)",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, where, and what to do"},
        "code": {"type": "string", "description": "Stable, for programs"},
        "column": {"type": "string"},
        "row": {"type": "integer", "minimum": 0, "description": "0-based"},
        "rule": {"type": "string", "description": "What the contract says"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}

HEALTH = {
    "type": "object",
    "properties": {
        "status": {"const": "ready"},
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    name: {"type": "string"} for name in ("task", "version", "data_sha256", "run_id", "created_at")
                },
                "required": ["task", "version", "data_sha256", "run_id", "created_at"],
            },
        },
    },
    "required": ["status", "models"],
}

SCHEMAS = {
    "type": "object",
    "properties": {"task": {"type": "string"}, "request": {"type": "object"}, "answer": {"type": "object"}},
    "required": ["task", "request", "answer"],
}

FIT = Fit.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
FIT_PARTS = FIT.pop("$defs")


def openapi(
    contracts: Mapping[str, Contract],
    *,
    default: str,
    probabilities: Collection[str] = (),
    reasons: Collection[str] = (),
) -> dict[str, Any]:
    """Return the document for the tasks that serve.

    ``default`` answers the paths without a task; ``probabilities`` and ``reasons`` are the tasks that give them.
    """
    paths: dict[str, Any] = {}
    for name, contract in contracts.items():
        gives = {"probabilities": name in probabilities, "reasons": name in reasons}
        paths |= _task_paths(f"/{name}", name, contract, gives)
        paths[f"/{name}/fit"] = {"get": _fit(name)}
        if name == default:
            paths |= _task_paths("", name, contract, gives)
    paths["/health"] = {"get": _operation("health", "Whether every task is ready", HEALTH, problems=[503])}
    paths["/metrics"] = {
        "get": {
            "operationId": "metrics",
            "summary": "Metrics for Prometheus",
            "responses": {
                "200": _answer("Metrics", "text/plain", {"type": "string"}),
                "405": {"$ref": "#/components/responses/405"},
            },
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Regraft predictor",
            "version": version("regraft-inference"),
            "description": "KServe's V1 and V2 protocols are below /v1 and /v2.",
        },
        "paths": paths,
        "components": {"schemas": {"Problem": PROBLEM} | FIT_PARTS, "responses": _problem_responses()},
    }


def _task_paths(prefix: str, name: str, contract: Contract, gives: Mapping[str, bool]) -> dict[str, Any]:
    key = f"{prefix.strip('/') or 'default'}-"
    request = _request_formats(contract, gives)
    answer = contract.answer_schema(**gives)
    predictions = {"type": "array", "items": contract.target.json_schema()}
    said = {name: schema for name, schema in answer["properties"].items() if name != contract.target.name}
    mlflow = {"type": "object", "properties": said | {"predictions": predictions}, "required": ["predictions"]}
    predict = {
        verb: _operation(f"{key}{verb}", f"Predict with {name}", told, request=request)
        for verb, told in (("predict", answer), ("invocations", mlflow))
    }
    return {
        f"{prefix}/predict": {"post": predict["predict"]},
        f"{prefix}/invocations": {"post": predict["invocations"]},
        f"{prefix}/schema": {"get": _operation(f"{key}schema", f"Contract of {name}", SCHEMAS, problems=[503])},
        f"{prefix}/health": {"get": _operation(f"{key}health", f"Whether {name} is ready", HEALTH, problems=[503])},
    }


def _fit(name: str) -> dict[str, Any]:
    found = _operation(f"{name}-fit", f"Whether {name} fits what this pod is asked", FIT, problems=[400, 503])
    window = {"name": "window", "in": "query", "schema": {"enum": ["hour", "day"], "default": "day"}}
    return found | {"parameters": [window]}


def _operation(
    operation: str,
    summary: str,
    answer: Mapping[str, Any],
    *,
    request: Mapping[str, Any] | None = None,
    problems: list[int] | None = None,
) -> dict[str, Any]:
    statuses = [405, *(problems or [400, 413, 503])]
    responses = {"200": _answer(summary, "application/json", answer)}
    responses |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses}
    described: dict[str, Any] = {"operationId": operation, "summary": summary, "responses": responses}
    if request is not None:
        body = {"application/json": {"schema": request}}
        described["requestBody"] = {"required": True, "content": body}
    return described


def _request_formats(contract: Contract, gives: Mapping[str, bool]) -> dict[str, Any]:
    """Return the schema of a request in each of the forms that ``RequestReader`` reads."""
    options = contract.option_schema(**gives)
    items = {column.name: column.json_schema() for column in contract.features}
    limits = {"minItems": 1, "maxItems": contract.max_request_rows}
    others = contract.extra_columns == "ignore"
    aside: dict[str, Any] = {name: {} for name in contract.ignored if name not in items}
    one_row = {"type": "object", "properties": items | aside, "required": list(items), "additionalProperties": others}
    in_order = {"type": "array", "prefixItems": list(items.values()), "minItems": len(items), "maxItems": len(items)}
    records = {"type": "array", "items": one_row, **limits}
    rows = [records, {"type": "array", "items": in_order, **limits}]
    if len(items) == 1:
        rows.append({"type": "array", "items": next(iter(items.values())), **limits})
    columns = contract.request_schema(**gives)
    without_options = {name: each for name, each in columns["properties"].items() if name not in options}
    split = {
        "type": "object",
        "properties": {
            "columns": {"const": list(items)},
            "data": {"type": "array", "items": in_order, **limits},
            "index": {},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }
    return {
        "anyOf": [
            columns,
            one_row | {"properties": items | aside | options},
            *rows[:2],
            _wrapped("dataframe_split", split, options),
            _wrapped("dataframe_records", records, options),
            _wrapped("instances", {"anyOf": rows}, options),
            _wrapped("inputs", {"anyOf": [columns | {"properties": without_options}, one_row, *rows]}, options),
        ]
    }


def _wrapped(key: str, schema: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    beside: dict[str, Any] = {name: {} for name in BESIDE}
    return {
        "type": "object",
        "properties": {**beside, **options, key: schema},
        "required": [key],
        "additionalProperties": False,
    }


def _answer(description: str, content_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "headers": HEADERS | REQUEST_ID, "content": {content_type: {"schema": schema}}}


def _problem_responses() -> dict[str, Any]:
    meanings = {
        400: "The request breaks the contract",
        405: "Method not allowed",
        413: "The request is too large",
        503: "No version serves (yet)",
    }
    return {
        str(status): _answer(meaning, PROBLEM_JSON, {"$ref": "#/components/schemas/Problem"})
        for status, meaning in meanings.items()
    }
