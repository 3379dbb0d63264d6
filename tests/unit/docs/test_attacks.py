"""Every row of the page of attacks names a test that there is."""

from __future__ import annotations

import re

import pytest

from tests.unit.docs.commands import ROOT

ROWS = re.findall(r"`([\w/]+\.py)`: `(test_\w+)`", (ROOT / "docs" / "attacks.md").read_text())


@pytest.mark.parametrize(("file", "test"), ROWS)
def test_an_attack_is_held_by_a_test_that_there_is(file: str, test: str) -> None:
    assert f"def {test}(" in (ROOT / "tests" / file).read_text()
