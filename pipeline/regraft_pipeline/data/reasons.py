"""Reasons of the structure gate, and how they show rows: few, short, and as text."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from regraft_core.codes import Code
from regraft_core.listing import first_of
from regraft_core.verdict import Reason

EXAMPLES = 5
"""How many rows a reason shows."""

MAX_EXAMPLE_LENGTH = 200
"""Characters after which an example value is cut."""


def reason(code: Code, message: str, remedy: str, **details: object) -> Reason:
    """Return a reason of the structure gate."""
    return Reason.model_validate({"code": code, "gate": "structure", "message": message, "remedy": remedy, **details})


def examples(text: pd.DataFrame) -> list[dict[str, object]]:
    """Return the first rows as a reason shows them: the values as text, and the line where the index has it."""
    chosen = text.head(EXAMPLES)
    known = chosen.index.name == "line"
    return [
        ({"line": int(line)} if known else {}) | {str(name): shorten(_shown(value)) for name, value in row.items()}
        for line, row in zip(chosen.index, chosen.to_dict("records"), strict=True)
    ]


def _shown(value: object) -> str:
    """Return a value as text; a day without the midnight that it has in memory."""
    return str(value).removesuffix(" 00:00:00") if isinstance(value, pd.Timestamp) else str(value)


def shorten(value: str) -> str:
    """Return a value cut to a length that can be shown."""
    return value if len(value) <= MAX_EXAMPLE_LENGTH else value[:MAX_EXAMPLE_LENGTH] + "…"


def listed(names: Sequence[str]) -> str:
    """Return the first of some names in quotes, and how many more there are."""
    return first_of([repr(shorten(name)) for name in names], EXAMPLES)
