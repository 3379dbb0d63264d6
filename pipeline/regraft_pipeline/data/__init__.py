"""Datasets: how a CSV is read, held and profiled."""
