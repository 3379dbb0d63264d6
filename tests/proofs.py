"""Long proofs: what takes minutes and says more of a rule that a short form in ``make test`` holds already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], short: Iterable[Any]) -> list[Any]:
    """Return the cases as parameters; all but the short ones are left to ``make test-long``."""
    kept = list(short)
    return [case if case in kept else pytest.param(case, marks=pytest.mark.long) for case in cases]


def chosen(request: pytest.FixtureRequest, name: str) -> list[Any]:
    """Return the cases that the tests of a module's fixture are run with; ``name`` is what they call them."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    cases = [getattr(test, "callspec", None) for test in tests]
    return [case.params[name] for case in cases if case is not None and name in case.params]
