"""Counts what the predictor is asked and answers, so that somebody can tell whether its model still fits."""
