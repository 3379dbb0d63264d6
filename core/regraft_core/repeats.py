"""Keys that stand twice in an object of JSON: readers keep the last one and say nothing of the first."""

from __future__ import annotations

import json
from typing import Any


def repeated_key(text: bytes) -> str | None:
    """Return a key that an object of a JSON text has twice, None where there is none. Raises RecursionError."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        seen = set()
        for key, _ in pairs:
            if key in seen:
                found.append(key)
            seen.add(key)

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return found[0] if found else None
