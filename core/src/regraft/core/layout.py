"""Where things are in the bucket. The only place that knows the keys."""

from __future__ import annotations


def raw_dataset(sha256: str) -> str:
    """The dataset as it was downloaded."""
    return f"datasets/{sha256}/raw.csv"


def step_result(run_id: str, step: str) -> str:
    """What a finished step tells the next ones, as JSON."""
    return f"runs/{run_id}/{step}.json"


def verdict(run_id: str) -> str:
    """The verdict of the gates on the run's dataset, as JSON."""
    return f"runs/{run_id}/verdict.json"


def report(run_id: str) -> str:
    """The data report of the run, one HTML file."""
    return f"runs/{run_id}/report.html"


def record(run_id: str) -> str:
    """The run as it ended, as JSON."""
    return f"runs/{run_id}/record.json"


def bundle(run_id: str) -> str:
    """Prefix of the files of the bundle that the run trained; ends with a slash."""
    return f"runs/{run_id}/bundle/"


def reference(task: str) -> str:
    """The profile that new datasets of the task are held against, as JSON."""
    return f"reference/{task}.json"


def serving(task: str) -> str:
    """What is in service for the task, as JSON."""
    return f"serving/{task}.json"
