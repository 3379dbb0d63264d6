"""The data report of a run: one HTML file that needs nothing else, for the person who sent the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import TypeAdapter

from regraft.core.verdict import Verdict
from regraft.pipeline.gates.drift import Comparison
from regraft.pipeline.gates.profile import Profile

MAX_BARS = 40
"""Most groups that a chart shows; the smallest are left out."""

_COMPARISONS = TypeAdapter(list[Comparison])
_ENVIRONMENT = Environment(
    loader=PackageLoader("regraft.pipeline"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Bar:
    """One group of a chart: shares from 0 to 1, of the dataset and of the reference."""

    label: str
    share: float
    reference: float | None


@dataclass(frozen=True)
class Chart:
    """One distribution, beside that of the reference where there is one."""

    title: str
    note: str
    bars: list[Bar]

    @property
    def top(self) -> float:
        """The greatest share, by which the chart is scaled."""
        return max((max(bar.share, bar.reference or 0.0) for bar in self.bars), default=0.0) or 1.0


def render(verdict: Verdict, *, run_id: str, data_url: str | None) -> str:
    """Return the report of a verdict as HTML. Everything that comes from outside is escaped; it loads nothing."""
    return _ENVIRONMENT.get_template("report.html").render(
        verdict=verdict,
        run_id=run_id,
        data_url=data_url,
        metrics=_metrics(verdict),
        charts=_charts(verdict.profile),
        reference=Profile.model_validate(verdict.reference) if verdict.reference else None,
    )


def _metrics(verdict: Verdict) -> list[tuple[str, float, float | None]]:
    return [(name, value, verdict.incumbent_metrics.get(name)) for name, value in verdict.metrics.items()]


def _charts(profile: dict[str, Any]) -> list[Chart]:
    if not profile:
        return []
    if comparisons := _COMPARISONS.validate_python(profile.get("comparisons", [])):
        return [_beside(found) for found in comparisons]
    known = Profile.model_validate(profile)
    alone = [("target", known.target)]
    alone += [(f"{what} of {column}", found) for column, group in known.inputs.items() for what, found in group.items()]
    return [
        _chart(title, "", [Bar(label, share, None) for label, share in zip(found.labels, found.shares, strict=True)])
        for title, found in alone
    ]


def _beside(found: Comparison) -> Chart:
    title = found.column if found.what in ("target", "values") else f"{found.what} of {found.column}"
    bars = [Bar(*each) for each in zip(found.labels, found.shares, found.reference, strict=True)]
    return _chart(title, f"PSI {found.psi:.3f}, p {found.p:.1g}", bars)


def _chart(title: str, note: str, bars: list[Bar]) -> Chart:
    used = [bar for bar in bars if bar.share or bar.reference]
    largest = sorted(used, key=lambda bar: -max(bar.share, bar.reference or 0.0))[:MAX_BARS]
    return Chart(title, note, [bar for bar in used if bar in largest])
