"""Readers of requests, and one row in every format."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from regraft_core.errors import ContractError
from regraft_inference.formats import RequestReader
from tests.unit.inference.bundles import HEART, PASSWORDS

passwords = RequestReader(PASSWORDS)
heart = RequestReader(HEART)
classifier = RequestReader(HEART, probabilities=True, reasons=True)

RECORD = {"age": 40, "sex": 1, "oldpeak": 0.5}
ROW = [*RECORD.values()]


def refusal(reader: RequestReader, payload: Any) -> ContractError:
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    with pytest.raises(ContractError) as caught:
        reader.read(body)
    return caught.value


FORMATS: list[dict[str, Any]] = [
    {name: [value] for name, value in RECORD.items()},
    {"inputs": [RECORD]},
    {"instances": [RECORD]},
    {"dataframe_records": [RECORD]},
    {"dataframe_split": {"columns": list(RECORD), "data": [ROW]}},
]
