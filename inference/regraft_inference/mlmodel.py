"""What MLflow reads of a bundle: MLmodel, with the signature, and the input example."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import datetime
from platform import python_version
from typing import Any

from regraft_core.contract import Column, Contract

MLFLOW_TYPES = {
    "string": "string",
    "text": "string",
    "integer": "long",
    "number": "double",
    "boolean": "boolean",
    "date": "datetime",
    "datetime": "datetime",
}
MLFLOW_VERSION = "3.17.2"
"""Release of MLflow whose format of MLmodel is written."""

EXAMPLE_ROWS = 5
"""Golden requests that are MLflow's input example as well."""


def example(requests: dict[str, list[Any]]) -> dict[str, Any]:
    """Return the first rows as a split frame."""
    rows = zip(*(values[:EXAMPLE_ROWS] for values in requests.values()), strict=True)
    return {"columns": list(requests), "data": [list(row) for row in rows]}


def content(contract: Contract, run_id: str, created_at: datetime, options: Sequence[str]) -> dict[str, Any]:
    """Return the content of MLmodel: the fields of ``mlflow.models.Model.to_dict`` that loading needs.

    ``options`` may be asked for in MLflow's ``params``.
    """
    return {
        "flavors": {
            "python_function": {
                "loader_module": "regraft_inference.pyfunc",
                "python_version": python_version(),
                "env": {},
            }
        },
        "mlflow_version": MLFLOW_VERSION,
        "model_uuid": uuid.uuid5(uuid.NAMESPACE_URL, f"urn:regraft:bundle:{run_id}").hex,
        "utc_time_created": created_at.strftime("%Y-%m-%d %H:%M:%S.%f"),
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        },
        "signature": {
            "inputs": json.dumps([_colspec(column) for column in contract.features]),
            "outputs": json.dumps([_colspec(contract.target)]),
            "params": json.dumps([_param(option) for option in options]) if options else None,
        },
    }


def _param(option: str) -> dict[str, Any]:
    return {"name": option, "type": "boolean", "default": False, "shape": None}


def _colspec(column: Column) -> dict[str, Any]:
    kind = MLFLOW_TYPES[column.type]
    if column.nullable and kind in ("long", "boolean"):
        kind = "double"  # MLflow's other types have no gaps
    return {"type": kind, "name": column.name, "required": True}
