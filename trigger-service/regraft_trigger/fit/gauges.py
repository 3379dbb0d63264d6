"""What Prometheus hears of the fit of a task. Every replica of the service says the same: take it by ``max``."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from regraft_core.fit.fit import Fit, FitState


class FitGauges:
    """Gauges by task and window."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._states = Gauge(
            "regraft_fit_state",
            "1 for the state that the fit of what serves has: unknown, fits, drifting, unfit",
            ["task", "window", "state"],
            registry=registry,
        )
        self._rows = Gauge("regraft_fit_rows", "Rows that were asked", ["task", "window"], registry=registry)
        self._psi = Gauge(
            "regraft_fit_psi",
            "Index by which the requests' values of a column differ from those that the model knows",
            ["task", "window", "column"],
            registry=registry,
        )
        self._predictions = Gauge(
            "regraft_fit_predictions_psi",
            "Index by which the answers differ from those when the model was judged",
            ["task", "window"],
            registry=registry,
        )
        self._refused = Gauge(
            "regraft_fit_refused_share",
            "Share of the requests that broke the contract",
            ["task", "window"],
            registry=registry,
        )

    def set(self, task: str, fit: Fit) -> None:
        """Set what was found for a window."""
        for state in FitState:
            self._states.labels(task, fit.window, state).set(state == fit.state)
        self._rows.labels(task, fit.window).set(fit.rows)
        self._predictions.labels(task, fit.window).set(fit.predictions.psi or 0.0)
        self._refused.labels(task, fit.window).set(sum(each.share for each in fit.refused))
        for column in fit.columns:
            self._psi.labels(task, fit.window, column.name).set(column.psi or 0.0)
