"""Collects what the predictors have counted, keeps it, and tells whether what serves still fits its requests."""
