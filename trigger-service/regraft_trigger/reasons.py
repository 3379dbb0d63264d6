"""What each column added to an answer of the try-it box, as a chart."""

from __future__ import annotations

from markupsafe import Markup
from pydantic import BaseModel

from regraft_core.presentation.charts import Bar, balance

MOST_COLUMNS = 12
"""Most columns that are drawn; what the others added is one bar."""


class Added(BaseModel):
    """What a column added."""

    column: str
    added: float


class Reasons(BaseModel):
    """The reasons of one answer, as a predictor gives them."""

    scale: str
    start: float
    columns: list[Added]
    answer: float

    @property
    def chart(self) -> Markup:
        """The columns as bars, largest first, to the right for what was added and to the left for what was taken."""
        shown, rest = self.columns[:MOST_COLUMNS], self.columns[MOST_COLUMNS:]
        found = [_bar(one.column, one.added) for one in shown]
        if rest:
            found.append(_bar(f"{len(rest)} others", sum(one.added for one in rest)))
        label = f"What each column added, in {self.scale}: " + ", ".join(f"{bar.name} {bar.said[0]}" for bar in found)
        return Markup(balance(found, label).svg())  # noqa: S704  (the engine escapes what it is given)


def _bar(name: str, added: float) -> Bar:
    return Bar(name, added, said=(f"{added:+.3g}", ""))
