"""The codes that a module gives, for the tests that hold documents against them."""

from __future__ import annotations

import re

from regraft_core.codes import Code


def codes_in(source: str) -> set[str]:
    """Return the members of ``Code`` that a source names."""
    return {str(Code[name]) for name in re.findall(r"\bCode\.([A-Z][A-Z0-9_]+)\b", source)}
