"""An additive model as the JSON that contenders serve it from."""

from __future__ import annotations

from typing import Any

from regraft_inference.bundle import Bundle
from regraft_inference.estimators.additive import AdditiveModel
from regraft_inference.estimators.tabular import TabularEstimator


def arrays_of(bundle: Bundle) -> dict[str, Any]:
    """Return a model with one output whose columns are numbers, booleans and strings."""
    estimator = bundle.estimator
    if not isinstance(estimator, TabularEstimator) or not isinstance(estimator.model, AdditiveModel):
        raise SystemExit(f"{bundle.info.task} has no additive model")
    fitted, model, parts = estimator.fitted, estimator.model, estimator.fitted.encoding.parts
    pairs = {tuple(parts[part].column for part in term.parts) for term in model.terms}
    columns = []
    for column in bundle.contract.features:
        values = column.categories or fitted.encoding.levels.get(column.name) or ()
        columns.append(
            {
                "name": column.name,
                "places": {value: place for place, value in enumerate(values)} if column.type == "string" else None,
                "shares": fitted.encoding.levels.get(column.name),
            }
        )
    return {
        "columns": columns,
        "terms": [
            {
                "parts": list(term.parts),
                "cuts": [cuts.tolist() for cuts in term.cuts],
                "scores": term.scores[..., 0].tolist(),
                "flat": term.scores.ravel().tolist(),
            }
            for term in model.terms
        ],
        "pairs": sorted(pair for pair in pairs if len(set(pair)) == 2),
        "intercept": float(model.intercept[0]),
        "slope": fitted.slope,
        "offset": fitted.offsets[0],
        "classes": fitted.classes,
    }
