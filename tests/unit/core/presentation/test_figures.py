"""Names and numbers of a verdict's figures."""

from __future__ import annotations

import pytest

from regraft_core.presentation.figures import exact, figure, figure_name
from regraft_core.verdict import Figure


@pytest.mark.parametrize(
    ("name", "figures", "words"),
    [
        ("share", {"share": 0.0312}, "3.1%"),
        ("limit", {"share": 0.03, "limit": 0.01}, "1.0%"),
        ("limit", {"psi": 0.4, "limit": 0.05}, "0.05"),
        ("p", {"p": 1e-40}, "< 0.0001"),
        ("rows", {"rows": 12_345}, "12,345"),
        ("reference_skill", {"reference_skill": None}, "none"),
        ("scale", {"scale": "log"}, "log"),
        ("absent", {}, ""),
    ],
)
def test_figures_are_written_as_people_write_them(name: str, figures: dict[str, Figure], words: str) -> None:
    assert figure(figures, name) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [("psi", "PSI"), ("reference_skill", "skill on the reference"), ("held_out_skill", "held out skill")],
)
def test_figures_have_names_that_people_use(name: str, words: str) -> None:
    assert figure_name(name) == words


@pytest.mark.parametrize(
    ("value", "text"), [(7500.0, "7500"), (0.1, "0.1"), (12_345.0, "12345"), (250_000.5, "250000.5"), (0, "0")]
)
def test_a_limit_keeps_all_of_its_digits(value: float, text: str) -> None:
    assert exact(value) == text
