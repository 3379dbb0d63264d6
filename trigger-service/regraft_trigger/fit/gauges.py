"""What Prometheus hears of the fit of a task. Every replica of the service says the same: take it by ``max``."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge

from regraft_core.fit.fit import Fit, FitState
from regraft_core.fit.measured import MeasuredSkill

ESTIMATED = ("accuracy", "roc_auc")


class FitGauges:
    """Gauges by task and window."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry)
        self._states = gauge(
            "regraft_fit_state",
            "1 for the state that the fit of what serves has: unknown, fits, drifting, unfit",
            ["task", "window", "state"],
        )
        self._rows = gauge("regraft_fit_rows", "Rows that were asked", ["task", "window"])
        self._psi = gauge(
            "regraft_fit_psi",
            "Index by which the requests' values of a column differ from those that the model knows",
            ["task", "window", "column"],
        )
        self._predictions = gauge(
            "regraft_fit_predictions_psi",
            "Index by which the answers differ from those when the model was judged",
            ["task", "window"],
        )
        self._refused = gauge(
            "regraft_fit_refused_share", "Share of the requests that broke the contract", ["task", "window"]
        )
        self._estimated = gauge(
            "regraft_fit_estimated",
            "Expected accuracy and ROC AUC of a classifier's answers, from how sure it was of them",
            ["task", "window", "metric"],
        )
        self._skill = gauge(
            "regraft_fit_skill",
            "Skill of what serves: measured where outcomes are known, and held out when it was judged",
            ["task", "kind"],
        )
        self._skill_error = gauge("regraft_fit_skill_standard_error", "How far chance may have moved it", ["task"])
        self._outcomes = gauge(
            "regraft_fit_outcomes", "Rows of what serves whose outcome is known, the newest", ["task"]
        )
        self._lost = gauge(
            "regraft_fit_skill_lost",
            "1 where the skill of what serves is below the held-out one by more than chance explains",
            ["task"],
        )

    def set(self, task: str, fit: Fit, version: str | None = None) -> None:
        """Set what was found for a window."""
        for state in FitState:
            self._states.labels(task, fit.window, state).set(state == fit.state)
        self._rows.labels(task, fit.window).set(fit.rows)
        self._predictions.labels(task, fit.window).set(fit.predictions.psi or 0.0)
        self._refused.labels(task, fit.window).set(sum(each.share for each in fit.refused))
        for column in fit.columns:
            self._psi.labels(task, fit.window, column.name).set(column.psi or 0.0)
        for metric in ESTIMATED:
            self._estimated.labels(task, fit.window, metric).set(fit.estimated.get(metric, math.nan))
        self._set_measured(task, next((each for each in fit.measured if each.version == version), None))

    def _set_measured(self, task: str, found: MeasuredSkill | None) -> None:
        """Set what is measured of what serves; where nothing is, nothing of a version before stays."""
        self._outcomes.labels(task).set(0 if found is None else found.rows)
        self._lost.labels(task).set(found is not None and found.lost)
        self._skill.labels(task, "measured").set(_figure(found, "skill"))
        self._skill.labels(task, "held_out").set(_figure(found, "held_out"))
        self._skill_error.labels(task).set(_figure(found, "standard_error"))


def _figure(found: MeasuredSkill | None, name: Literal["skill", "held_out", "standard_error"]) -> float:
    """Return a figure as Prometheus has it: what is not known is no number."""
    value: float | None = None if found is None else getattr(found, name)
    return math.nan if value is None else value
